#include <inttypes.h>
#include <stdio.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_print.h"

/* Names, separated by commas. */
static void print_names(char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s", i > 0 ? "," : "", names[i]);
}

static void print_table(const Vql__V1__ListModelsResponse *answer)
{
    (void)printf("%-24s  %-6s  %10s  %14s  %s\n", "model", "active", "items", "bytes",
                 "tasks; event types");
    for (size_t i = 0; i < answer->n_models; i++) {
        const Vql__V1__Model *model = answer->models[i];
        (void)printf("%-24s  %-6s  %10" PRIu64 "  %14" PRIu64 "  ", model->name,
                     model->active ? "yes" : "no", model->items, model->bytes);
        print_names(model->tasks, model->n_tasks);
        (void)printf("; ");
        print_names(model->event_types, model->n_event_types);
        (void)printf("\n");
    }
}

static void print_names_json(const char *key, char *const *names, size_t count)
{
    (void)printf(", \"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        (void)printf("%s", i > 0 ? ", " : "");
        print_json_string(stdout, names[i]);
    }
    (void)printf("]");
}

static void print_json(const Vql__V1__ListModelsResponse *answer)
{
    (void)printf("{\"models\": [");
    for (size_t i = 0; i < answer->n_models; i++) {
        const Vql__V1__Model *model = answer->models[i];
        (void)printf("%s{\"name\": ", i > 0 ? ", " : "");
        print_json_string(stdout, model->name);
        (void)printf(", \"active\": %s, \"items\": %" PRIu64 ", \"bytes\": %" PRIu64,
                     model->active ? "true" : "false", model->items, model->bytes);
        print_names_json("tasks", model->tasks, model->n_tasks);
        print_names_json("event_types", model->event_types, model->n_event_types);
        (void)printf("}");
    }
    (void)printf("]}\n");
}

typedef struct listing {
    ctl_client client;
    bool json;
} listing;

static void on_models(const vqlc_result *result, const Vql__V1__ListModelsResponse *answer,
                      void *arg)
{
    listing *l = arg;
    if (!ctl_client_answered(&l->client, result))
        return;
    if (l->json)
        print_json(answer);
    else
        print_table(answer);
}

static ctl_exit run(const ctl_arguments *arguments)
{
    listing l;
    bool json;
    if (!ctl_format(arguments, &json))
        return CTL_USAGE;
    ctl_exit code = ctl_client_open(&l.client, arguments);
    if (code != CTL_OK)
        return code;
    l.json = json;
    ctl_client_expect(&l.client, vqlc_models(l.client.channel, &l.client.options, on_models, &l));
    code = ctl_client_wait(&l.client);
    ctl_client_close(&l.client);
    return code;
}

const ctl_command ctl_models_command = {
    .name = "models",
    .operands = "",
    .help = "Lists the models that the server has loaded.",
    .run = run,
};
