/*
 * vqlctl health: whether a server serves, for people, containers and scripts.
 */
#include <stdio.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_print.h"

typedef struct check {
    ctl_client client;
    const char *service;
    bool json;
    bool serving;
} check;

static const char *status_name(Grpc__Health__V1__HealthCheckResponse__ServingStatus status)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &grpc__health__v1__health_check_response__serving_status__descriptor, (int)status);
    return value != NULL ? value->name : "UNKNOWN";
}

static void on_health(const vqlc_result *result,
                      const Grpc__Health__V1__HealthCheckResponse *answer, void *arg)
{
    check *c = arg;
    if (!ctl_client_answered(&c->client, result))
        return;
    c->serving = answer->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (c->json) {
        (void)printf("{\"service\": ");
        print_json_string(stdout, c->service);
        (void)printf(", \"status\": \"%s\"}\n", status_name(answer->status));
    } else {
        (void)printf("%s\n", status_name(answer->status));
    }
}

static ctl_exit run(const ctl_arguments *arguments)
{
    check c = {.service = arguments->operand_count > 0 ? arguments->operands[0] : ""};
    if (!ctl_format(arguments, &c.json))
        return CTL_USAGE;
    ctl_exit code = ctl_client_open(&c.client, arguments);
    if (code != CTL_OK)
        return code;
    ctl_client_expect(&c.client,
                      vqlc_health(c.client.channel, c.service, &c.client.options, on_health, &c));
    code = ctl_client_wait(&c.client);
    ctl_client_close(&c.client);
    return code == CTL_OK && !c.serving ? CTL_REFUSED : code;
}

const ctl_command ctl_health_command = {
    .name = "health",
    .operands = "[SERVICE]",
    .min_operands = 0,
    .max_operands = 1,
    .help =
        "Asks whether the server serves, as a whole or one service such as vql.v1.Scoring, and\n"
        "prints its status. Exits with 0 when it is SERVING, and with 2 when it is another.",
    .run = run,
};
