#include "ctl_arguments.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"

static const ctl_option common_options[] = {
    {"server", "VQL_SERVER", "HOST:PORT", "127.0.0.1:7070", "the server to ask; or unix:/PATH"},
    {"deadline", "VQL_DEADLINE", "MS", "10000", "how long an answer may take; 0: for ever"},
    {"format", "VQL_FORMAT", "table|json", "table", "how answers are printed"},
    {"tls", "VQL_TLS", NULL, NULL, "speak TLS; any option of TLS asks for it, too"},
    {"tls-ca", "VQL_TLS_CA", "FILE", NULL,
     "who may sign the server's certificate; else the system's"},
    {"tls-cert", "VQL_TLS_CERT", "FILE", NULL, "the client's own certificate"},
    {"tls-key", "VQL_TLS_KEY", "FILE", NULL, "its key"},
    {"tls-server-name", "VQL_TLS_SERVER_NAME", "NAME", NULL, "whom the certificate must name"},
    {"token", "VQL_TOKEN", "TOKEN", NULL, "who asks; better given by the variable or a file"},
    {"token-file", "VQL_TOKEN_FILE", "FILE", NULL, "a file whose first line is the token"},
    {"help", NULL, NULL, NULL, "print this text"},
    {"version", NULL, NULL, NULL, "print the version"},
};

#define COMMON_COUNT (sizeof common_options / sizeof common_options[0])

void ctl_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("vqlctl: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

static size_t option_total(const ctl_command *command)
{
    return COMMON_COUNT + (command != NULL ? command->option_count : 0);
}

/* Option i: the common ones come first, then the command's. */
static const ctl_option *option_at(const ctl_command *command, size_t i)
{
    return i < COMMON_COUNT ? &common_options[i] : &command->options[i - COMMON_COUNT];
}

static void print_option(const ctl_option *option)
{
    char flag[48];
    (void)snprintf(flag, sizeof flag, "--%s%s%s", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");
    (void)printf("  %-22s %s", flag, option->help);
    if (option->fallback != NULL && option->fallback[0] != '\0')
        (void)printf(" (%s)", option->fallback);
    if (option->environment != NULL)
        (void)printf(" [%s]", option->environment);
    (void)printf("\n");
}

/* Prints a text of several lines with every line indented. */
static void print_indented(const char *text)
{
    (void)printf("      ");
    for (; *text != '\0'; text++) {
        (void)fputc(*text, stdout);
        if (*text == '\n')
            (void)printf("      ");
    }
    (void)printf("\n");
}

static void print_command(const ctl_command *command)
{
    (void)printf("  %s %s\n", command->name, command->operands);
    print_indented(command->help);
}

/* Prints the help: of one command, or of all when command is NULL. */
static void print_help(const ctl_command *command, const ctl_command *const *commands, size_t count)
{
    (void)printf("usage: vqlctl [option ...] %s %s\n\n",
                 command != NULL ? command->name : "command",
                 command != NULL ? command->operands : "[option or operand ...]");
    if (command != NULL) {
        (void)printf("%s\n\n", command->help);
        for (size_t i = 0; i < command->option_count; i++)
            print_option(&command->options[i]);
    } else {
        for (size_t i = 0; i < count; i++)
            print_command(commands[i]);
        (void)printf("\n'vqlctl COMMAND --help' lists a command's options. All commands have:\n\n");
    }
    for (size_t i = 0; i < COMMON_COUNT; i++)
        print_option(&common_options[i]);
    (void)printf("\nIn [brackets]: the environment variable that an option may be given by.\n"
                 "Exit codes: 0 done, 1 wrong usage or input, 2 refused by the server, "
                 "3 no answer.\n");
}

static void complain_of_option(int problem, const char *text)
{
    ctl_complain("%s: %s", text,
                 problem == ':' ? "a value is missing" : "no such option, see --help");
}

/* Reads options up to the first operand, or all and moves the operands to the end. */
static bool parse_options(int argc, char **argv, bool permute, ctl_arguments *arguments)
{
    struct option longs[CTL_MAX_OPTIONS + 1] = {{NULL, 0, NULL, 0}};
    const size_t total = option_total(arguments->command);
    for (size_t i = 0; i < total; i++) {
        const ctl_option *option = option_at(arguments->command, i);
        longs[i].name = option->name;
        longs[i].has_arg = option->value != NULL ? required_argument : no_argument;
    }
    opterr = 0;
    optind = 0; /* start anew */
    int index = 0;
    int found;
    while ((found = getopt_long(argc, argv, permute ? ":" : "+:", longs, &index)) != -1) {
        if (found != 0) {
            complain_of_option(found, argv[optind - 1]);
            return false;
        }
        arguments->values[index] = longs[index].has_arg != no_argument ? optarg : "1";
    }
    return true;
}

static const ctl_command *find_command(const char *name, const ctl_command *const *commands,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Answers --help and --version; false when neither was given. */
static bool answer(const ctl_arguments *arguments, const ctl_command *const *commands, size_t count)
{
    if (ctl_switch(arguments, "help")) {
        print_help(arguments->command, commands, count);
        return true;
    }
    if (ctl_switch(arguments, "version")) {
        (void)printf("vqlctl %s\n", VQLC_VERSION);
        return true;
    }
    return false;
}

static bool check_operands(const ctl_arguments *arguments)
{
    const ctl_command *command = arguments->command;
    if (arguments->operand_count < command->min_operands ||
        arguments->operand_count > command->max_operands) {
        ctl_complain("%s: wrong number of operands, see vqlctl %s --help", command->name,
                     command->name);
        return false;
    }
    return true;
}

ctl_parse_result ctl_parse(int argc, char **argv, const ctl_command *const *commands, size_t count,
                           ctl_arguments *arguments)
{
    *arguments = (ctl_arguments){0};
    if (!parse_options(argc, argv, false, arguments))
        return CTL_WRONG;
    if (answer(arguments, commands, count))
        return CTL_ANSWERED;
    if (optind >= argc) {
        ctl_complain("a command is missing: see vqlctl --help");
        return CTL_WRONG;
    }
    argc -= optind;
    argv += optind;
    arguments->command = find_command(argv[0], commands, count);
    if (arguments->command == NULL) {
        ctl_complain("%s: no such command, see vqlctl --help", argv[0]);
        return CTL_WRONG;
    }
    if (!parse_options(argc, argv, true, arguments))
        return CTL_WRONG;
    arguments->operands = argv + optind;
    arguments->operand_count = argc - optind;
    if (answer(arguments, commands, count))
        return CTL_ANSWERED;
    return check_operands(arguments) ? CTL_PARSED : CTL_WRONG;
}

/* The index of an option, which must exist. */
static size_t find_option(const ctl_arguments *arguments, const char *name)
{
    size_t i = 0;
    while (strcmp(option_at(arguments->command, i)->name, name) != 0)
        i++;
    return i;
}

const char *ctl_text(const ctl_arguments *arguments, const char *name)
{
    const size_t i = find_option(arguments, name);
    const ctl_option *option = option_at(arguments->command, i);
    if (arguments->values[i] != NULL)
        return arguments->values[i];
    const char *environment = option->environment != NULL ? getenv(option->environment) : NULL;
    return environment != NULL && environment[0] != '\0' ? environment : option->fallback;
}

bool ctl_hide(ctl_arguments *arguments, const char *name)
{
    static char hidden[CTL_SECRET_BYTES];
    const size_t i = find_option(arguments, name);
    char *value = (char *)(uintptr_t)arguments->values[i];
    if (value == NULL)
        return true;
    const size_t length = strlen(value);
    if (length >= sizeof hidden) {
        ctl_complain("--%s: is longer than %d characters", name, CTL_SECRET_BYTES - 1);
        return false;
    }
    memcpy(hidden, value, length + 1);
    memset(value, '*', length);
    arguments->values[i] = hidden;
    return true;
}

bool ctl_switch(const ctl_arguments *arguments, const char *name)
{
    const char *text = ctl_text(arguments, name);
    return text != NULL && strcmp(text, "0") != 0 && strcmp(text, "false") != 0;
}

bool ctl_number(const ctl_arguments *arguments, const char *name, uint64_t min, uint64_t max,
                uint64_t *number)
{
    const char *text = ctl_text(arguments, name);
    uint64_t parsed;
    if (!decimal_parse(text, strlen(text), max, &parsed) || parsed < min) {
        ctl_complain("--%s %s: must be a number from %" PRIu64 " to %" PRIu64, name, text, min,
                     max);
        return false;
    }
    *number = parsed;
    return true;
}

bool ctl_operand_number(const ctl_arguments *arguments, int i, const char *name, uint64_t *number)
{
    const char *text = arguments->operands[i];
    if (!decimal_parse(text, strlen(text), UINT64_MAX, number)) {
        ctl_complain("%s %s: must be a number from 0 to %" PRIu64, name, text, UINT64_MAX);
        return false;
    }
    return true;
}

bool ctl_format(const ctl_arguments *arguments, bool *json)
{
    const char *text = ctl_text(arguments, "format");
    *json = strcmp(text, "json") == 0;
    if (!*json && strcmp(text, "table") != 0) {
        ctl_complain("--format %s: must be table or json", text);
        return false;
    }
    return true;
}
