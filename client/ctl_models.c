#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_print.h"

enum { MOST_SHARES = 16 };

static const ctl_option options[] = {
    {"force", NULL, NULL, NULL, "activate a model whose caches are not made yet"},
};

/* Names, separated by commas. */
static void print_names(char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s", i > 0 ? "," : "", names[i]);
}

/* What requests that name no model have to do with it. */
static const char *use_of(const Vql__V1__Model *model)
{
    if (model->weight > 0)
        return "shared";
    return model->active ? "active" : "-";
}

/* "ready", or how far its caches have come. */
static void print_state(const Vql__V1__Model *model)
{
    char text[48];
    if (model->ready)
        (void)snprintf(text, sizeof text, "ready");
    else
        (void)snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64, model->users_done,
                       model->users);
    (void)printf("%-16s  ", text);
}

static void print_table(const Vql__V1__ListModelsResponse *answer)
{
    (void)printf("%-24s  %-6s  %6s  %-16s  %10s  %14s  %s\n", "model", "use", "weight", "caches",
                 "items", "bytes", "tasks; event types");
    for (size_t i = 0; i < answer->n_models; i++) {
        const Vql__V1__Model *model = answer->models[i];
        (void)printf("%-24s  %-6s  %6" PRIu32 "  ", model->name, use_of(model), model->weight);
        print_state(model);
        (void)printf("%10" PRIu64 "  %14" PRIu64 "  ", model->items, model->bytes);
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
        (void)printf(", \"active\": %s, \"weight\": %" PRIu32 ", \"ready\": %s, \"users\": %" PRIu64
                     ", \"users_done\": %" PRIu64 ", \"items\": %" PRIu64 ", \"bytes\": %" PRIu64,
                     model->active ? "true" : "false", model->weight,
                     model->ready ? "true" : "false", model->users, model->users_done, model->items,
                     model->bytes);
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

/* A number from 1 to 1,000,000. */
static bool parse_weight(const char *text, uint32_t *weight)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    *weight = (uint32_t)number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number >= 1 && number <= 1000000;
}

/* Splits NAME=WEIGHT operands, in place. False: one is none, which is printed. */
static bool read_shares(char **operands, size_t count, Vql__V1__ModelShare *shares)
{
    for (size_t i = 0; i < count; i++) {
        char *weight = strrchr(operands[i], '=');
        vql__v1__model_share__init(&shares[i]);
        if (!weight || !parse_weight(weight + 1, &shares[i].weight)) {
            (void)fprintf(stderr, "vqlctl: %s: not NAME=WEIGHT with a weight from 1 to 1000000\n",
                          operands[i]);
            return false;
        }
        *weight = '\0';
        shares[i].name = operands[i];
    }
    return true;
}

/* NAME, or two or more NAME=WEIGHT. */
static ctl_exit send_activate(listing *l, const ctl_arguments *arguments)
{
    Vql__V1__ModelShare shares[MOST_SHARES];
    Vql__V1__ModelShare *pointers[MOST_SHARES];
    Vql__V1__ActivateModelRequest request = VQL__V1__ACTIVATE_MODEL_REQUEST__INIT;
    const size_t count = (size_t)arguments->operand_count - 1;
    request.force = ctl_switch(arguments, "force");
    if (count == 1 && !strchr(arguments->operands[1], '=')) {
        request.name = arguments->operands[1];
    } else {
        if (!read_shares(arguments->operands + 1, count, shares))
            return CTL_USAGE;
        for (size_t i = 0; i < count; i++)
            pointers[i] = &shares[i];
        request.shares = pointers;
        request.n_shares = count;
    }
    ctl_client_expect(&l->client, vqlc_activate_model(l->client.channel, &request,
                                                      &l->client.options, on_models, l));
    return CTL_OK;
}

static void send_load(listing *l, char *name)
{
    Vql__V1__LoadModelRequest request = VQL__V1__LOAD_MODEL_REQUEST__INIT;
    request.name = name;
    ctl_client_expect(
        &l->client, vqlc_load_model(l->client.channel, &request, &l->client.options, on_models, l));
}

static void send_unload(listing *l, char *name)
{
    Vql__V1__UnloadModelRequest request = VQL__V1__UNLOAD_MODEL_REQUEST__INIT;
    request.name = name;
    ctl_client_expect(&l->client, vqlc_unload_model(l->client.channel, &request, &l->client.options,
                                                    on_models, l));
}

/* Sends what the operands ask for. */
static ctl_exit start(listing *l, const ctl_arguments *arguments)
{
    const int count = arguments->operand_count;
    char **operands = arguments->operands;
    if (count == 0)
        ctl_client_expect(&l->client,
                          vqlc_models(l->client.channel, &l->client.options, on_models, l));
    else if (count == 2 && strcmp(operands[0], "load") == 0)
        send_load(l, operands[1]);
    else if (count == 2 && strcmp(operands[0], "unload") == 0)
        send_unload(l, operands[1]);
    else if (count >= 2 && strcmp(operands[0], "activate") == 0)
        return send_activate(l, arguments);
    else {
        (void)fprintf(stderr,
                      "vqlctl: models: takes nothing, load NAME, unload NAME, activate NAME "
                      "or activate NAME=WEIGHT...\n");
        return CTL_USAGE;
    }
    return CTL_OK;
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
    code = start(&l, arguments);
    if (code == CTL_OK)
        code = ctl_client_wait(&l.client);
    ctl_client_close(&l.client);
    return code;
}

const ctl_command ctl_models_command = {
    .name = "models",
    .operands = "[load NAME | unload NAME | activate NAME | activate NAME=WEIGHT...]",
    .min_operands = 0,
    .max_operands = MOST_SHARES + 1,
    .help =
        "Lists the models that the server has loaded, when it has loaded or unloaded one,\n"
        "or has it score requests that name none: alone, or by weights for a part of the users.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
