#include "ctl_client.h"

#include <stdio.h>

ctl_exit ctl_no_memory(void)
{
    ctl_complain("out of memory");
    return CTL_USAGE;
}

ctl_exit ctl_report(const vqlc_result *result)
{
    if (result->status == VQLC_OK)
        return CTL_OK;
    (void)fprintf(stderr, "%s: %s\n", vqlc_status_name(result->status), result->message);
    /* Which side sees first that the deadline has passed is chance. */
    const bool no_answer = result->status == VQLC_DEADLINE_EXCEEDED ||
                           (result->status == VQLC_UNAVAILABLE && !result->from_server);
    return no_answer ? CTL_UNREACHABLE : CTL_REFUSED;
}

ctl_exit ctl_client_open(ctl_client *client, const ctl_arguments *arguments)
{
    *client = (ctl_client){0};
    uint64_t deadline_ms;
    if (!ctl_number(arguments, "deadline", 0, UINT32_MAX, &deadline_ms))
        return CTL_USAGE;
    client->options.deadline_ms = (uint32_t)deadline_ms;
    if (uv_loop_init(&client->loop) != 0)
        return ctl_no_memory();
    const ctl_exit made = ctl_channel_init(&client->how, arguments);
    if (made != CTL_OK)
        goto close_loop;
    const int error = vqlc_channel_open(&client->loop, client->how.server, &client->how.options,
                                        &client->channel);
    if (error != 0) {
        ctl_channel_complain(&client->how, error);
        goto clear_channel;
    }
    return CTL_OK;

clear_channel:
    ctl_channel_clear(&client->how);
close_loop:
    (void)uv_loop_close(&client->loop);
    return CTL_USAGE;
}

void ctl_client_close(ctl_client *client)
{
    vqlc_channel_close(client->channel, NULL, NULL);
    (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    ctl_channel_clear(&client->how);
    (void)uv_loop_close(&client->loop);
}

void ctl_client_expect(ctl_client *client, const vqlc_call *call)
{
    if (call != NULL)
        client->waiting++;
    else
        client->exit = ctl_no_memory();
}

bool ctl_client_answered(ctl_client *client, const vqlc_result *result)
{
    client->waiting--;
    const ctl_exit code = ctl_report(result);
    if (code > client->exit)
        client->exit = code;
    return code == CTL_OK;
}

ctl_exit ctl_client_wait(ctl_client *client)
{
    while (client->waiting > 0)
        (void)uv_run(&client->loop, UV_RUN_ONCE);
    return client->exit;
}

/* What ctl_client_event_types waits for. */
typedef struct types_query {
    ctl_client *client;
    event_types *types;
} types_query;

static void on_models(const vqlc_result *result, const Vql__V1__ListModelsResponse *answer,
                      void *arg)
{
    types_query *query = arg;
    if (ctl_client_answered(query->client, result) && !event_types_copy(answer, query->types))
        query->client->exit = ctl_no_memory();
}

ctl_exit ctl_client_event_types(ctl_client *client, event_types *types)
{
    *types = (event_types){0};
    types_query query = {client, types};
    ctl_client_expect(client, vqlc_models(client->channel, &client->options, on_models, &query));
    return ctl_client_wait(client);
}
