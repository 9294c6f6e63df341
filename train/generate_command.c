/*
 * vql-train generate: the command that makes a log.
 */
#include <stddef.h>

#include "commands.h"
#include "generate.h"

typedef struct generate_fields {
    char *config_file;
    uint32_t users, items, topics, length, impressions, seed;
} generate_fields;

#define FIELD(name) offsetof(generate_fields, name)

static const option options[] = {
    {"users", OPTION_COUNT, FIELD(users), "500", 1, 100000000, NULL, "How many users there are."},
    {"items", OPTION_COUNT, FIELD(items), "100", 1, 1 << 30, NULL,
     "How many items there are; most are filler."},
    {"topics", OPTION_COUNT, FIELD(topics), "3", 1, 64, NULL, "What a user may be interested in."},
    {"length", OPTION_COUNT, FIELD(length), "2000", 1, 500000, NULL,
     "Events of a user before the first impression."},
    {"impressions", OPTION_COUNT, FIELD(impressions), "40", 10, 500000, NULL,
     "Impressions of a user, 8 of 10 to train, 1 to validate, 1 to test."},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, UINT32_MAX, NULL, "The same seed, the same log."},
    {"config", OPTION_FILE, FIELD(config_file), NULL, 0, 0, NULL,
     "A file of lines \"name = value\" for any of these options but this one."},
};

static const command_usage usage = {
    "Usage: vql-train generate FOLDER [--option value | --option=value]...\n"
    "Makes a log with an interest that shows in the old part of a long history alone: neither the\n"
    "last 50 events nor the 50 that are most like the candidate tell of it.\n\n",
    {options, sizeof options / sizeof options[0]},
    "FOLDER",
};

command_status command_generate(int argc, char *const *argv)
{
    generate_fields fields = {0};
    const char *folder = NULL;
    command_status status;
    vql_error error;
    if (!command_begin(&usage, argc, argv, &fields, &folder, &status))
        return status;
    const generate_spec spec = {.users = fields.users,
                                .items = fields.items,
                                .topics = fields.topics,
                                .length = fields.length,
                                .impressions = fields.impressions,
                                .seed = fields.seed};
    if (generate_log(&spec, folder, &error) != VQL_OK)
        status = command_fail("%s", error.text);
    settings_free(&usage.table, &fields);
    return status;
}
