/*
 * vqlctl get and delete: what the server has of one user.
 */
#include <inttypes.h>
#include <stdio.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_print.h"

#define MAX_GET_EVENTS 1000000

static const ctl_option get_options[] = {
    {"events", "VQL_EVENTS", "N", "10", "print the last N events; 0: none"},
};

/* One command: of a user, perhaps with the names of event types. */
typedef struct query {
    ctl_client client;
    uint64_t user_id;
    bool json;
    event_types types;
} query;

/* The name of an event's type, or its number, written to text, if it has none. */
static const char *type_name(const query *q, uint32_t type, char text[16])
{
    if (type < q->types.count)
        return q->types.names[type];
    (void)snprintf(text, 16, "%" PRIu32, type);
    return text;
}

static void print_events(const query *q, const Vql__V1__GetResponse *answer)
{
    (void)printf("\n%12s  %20s  %-12s  %15s\n", "sequence", "item", "type", "timestamp_ms");
    for (size_t i = 0; i < answer->n_events; i++) {
        const Vql__V1__StoredEvent *stored = answer->events[i];
        const Vql__V1__Event *event = stored->event;
        if (event == NULL)
            continue;
        char text[16];
        char time[PRINT_TIME_BYTES];
        print_time(event->time_ms, time);
        (void)printf("%12" PRIu64 "  %20" PRIu64 "  %-12s  %15" PRId64 "  %s\n", stored->sequence,
                     event->item_id, type_name(q, event->type, text), event->time_ms, time);
    }
}

static void print_user_time(const char *label, int64_t time_ms)
{
    char time[PRINT_TIME_BYTES];
    print_time(time_ms, time);
    (void)printf("%-14s %s (%" PRId64 ")\n", label, time, time_ms);
}

static void print_user(const query *q, const Vql__V1__GetResponse *answer)
{
    (void)printf("%-14s %" PRIu64 "\n%-14s %" PRIu64 "\n", "user", q->user_id, "sequence",
                 answer->sequence);
    if (answer->sequence > 0) {
        print_user_time("first event", answer->first_time_ms);
        print_user_time("last event", answer->last_time_ms);
    }
    (void)printf("%-14s %s\n%-14s %" PRIu64 "\n%-14s %" PRIu64 "\n", "model", answer->model,
                 "cache bytes", answer->cache_bytes, "event bytes", answer->event_bytes);
    const size_t groups =
        answer->n_occupied < answer->n_codewords ? answer->n_occupied : answer->n_codewords;
    for (size_t g = 0; g < groups; g++) {
        (void)printf("group %-8zu %" PRIu32 " of %" PRIu32 " codewords\n", g, answer->occupied[g],
                     answer->codewords[g]);
    }
    if (answer->n_events > 0)
        print_events(q, answer);
}

static void print_numbers_json(const char *name, const uint32_t *numbers, size_t count)
{
    (void)printf(", \"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%" PRIu32, i > 0 ? ", " : "", numbers[i]);
    (void)printf("]");
}

static void print_user_json(const query *q, const Vql__V1__GetResponse *answer)
{
    (void)printf("{\"user\": %" PRIu64 ", \"sequence\": %" PRIu64 ", \"first_time_ms\": %" PRId64
                 ", \"last_time_ms\": %" PRId64 ", \"cache_bytes\": %" PRIu64
                 ", \"event_bytes\": %" PRIu64 ", \"model\": ",
                 q->user_id, answer->sequence, answer->first_time_ms, answer->last_time_ms,
                 answer->cache_bytes, answer->event_bytes);
    print_json_string(stdout, answer->model);
    print_numbers_json("occupied", answer->occupied, answer->n_occupied);
    print_numbers_json("codewords", answer->codewords, answer->n_codewords);
    (void)printf(", \"events\": [");
    for (size_t i = 0; i < answer->n_events; i++) {
        const Vql__V1__Event *event = answer->events[i]->event;
        const Vql__V1__Event none = VQL__V1__EVENT__INIT;
        event = event != NULL ? event : &none;
        (void)printf("%s{\"sequence\": %" PRIu64 ", \"item\": %" PRIu64 ", \"type\": %" PRIu32
                     ", \"time_ms\": %" PRId64 ", \"id\": %" PRIu64 "}",
                     i > 0 ? ", " : "", answer->events[i]->sequence, event->item_id, event->type,
                     event->time_ms, event->id);
    }
    (void)printf("]}\n");
}

static void on_get(const vqlc_result *result, const Vql__V1__GetResponse *answer, void *arg)
{
    query *q = arg;
    if (!ctl_client_answered(&q->client, result))
        return;
    if (q->json)
        print_user_json(q, answer);
    else
        print_user(q, answer);
}

static void on_delete(const vqlc_result *result, const Vql__V1__DeleteResponse *answer, void *arg)
{
    query *q = arg;
    if (ctl_client_answered(&q->client, result)) {
        (void)printf(q->json ? "{\"user\": %" PRIu64 ", \"events\": %" PRIu64 "}\n"
                             : "user %" PRIu64 ": %" PRIu64 " events deleted\n",
                     q->user_id, answer->events);
    }
}

/* Reads what both commands have; *q is open when the answer is CTL_OK. */
static ctl_exit open_query(query *q, const ctl_arguments *arguments)
{
    *q = (query){.json = false};
    if (!ctl_operand_number(arguments, 0, "USER", &q->user_id) || !ctl_format(arguments, &q->json))
        return CTL_USAGE;
    return ctl_client_open(&q->client, arguments);
}

static ctl_exit run_get(const ctl_arguments *arguments)
{
    query q;
    uint64_t events;
    if (!ctl_number(arguments, "events", 0, MAX_GET_EVENTS, &events))
        return CTL_USAGE;
    ctl_exit code = open_query(&q, arguments);
    if (code != CTL_OK)
        return code;
    code = ctl_client_event_types(&q.client, &q.types);
    if (code == CTL_OK) {
        Vql__V1__GetRequest request = VQL__V1__GET_REQUEST__INIT;
        request.user_id = q.user_id;
        request.max_events = (uint32_t)events;
        ctl_client_expect(&q.client,
                          vqlc_get(q.client.channel, &request, &q.client.options, on_get, &q));
        code = ctl_client_wait(&q.client);
        event_types_free(&q.types);
    }
    ctl_client_close(&q.client);
    return code;
}

static ctl_exit run_delete(const ctl_arguments *arguments)
{
    query q;
    ctl_exit code = open_query(&q, arguments);
    if (code != CTL_OK)
        return code;
    Vql__V1__DeleteRequest request = VQL__V1__DELETE_REQUEST__INIT;
    request.user_id = q.user_id;
    ctl_client_expect(&q.client,
                      vqlc_delete(q.client.channel, &request, &q.client.options, on_delete, &q));
    code = ctl_client_wait(&q.client);
    ctl_client_close(&q.client);
    return code;
}

const ctl_command ctl_get_command = {
    .name = "get",
    .operands = "USER",
    .min_operands = 1,
    .max_operands = 1,
    .help = "Prints what the server has of a user: times, memory, codewords in use, last events.",
    .options = get_options,
    .option_count = sizeof get_options / sizeof get_options[0],
    .run = run_get,
};

const ctl_command ctl_delete_command = {
    .name = "delete",
    .operands = "USER",
    .min_operands = 1,
    .max_operands = 1,
    .help = "Deletes everything of a user, everywhere.",
    .run = run_delete,
};
