/*
 * vqlctl's command line: tables of commands and options, and what a user has made of them. Options
 * may also be given by environment variables; the command line wins.
 */
#ifndef VQL_CLIENT_CTL_ARGUMENTS_H
#define VQL_CLIENT_CTL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_MAX_OPTIONS 24

/* What ctl_hide keeps, and its terminator. */
#define CTL_SECRET_BYTES 512

/* How vqlctl exits. */
typedef enum ctl_exit {
    CTL_OK = 0,
    CTL_USAGE = 1,       /* the command line or an input file is wrong */
    CTL_REFUSED = 2,     /* the server answered with an error */
    CTL_UNREACHABLE = 3, /* the server did not answer */
} ctl_exit;

typedef struct ctl_option {
    const char *name;        /* without the "--" */
    const char *environment; /* "VQL_..."; NULL: none */
    const char *value;       /* what the help calls its value; NULL: a switch */
    const char *fallback;    /* the default; NULL: none */
    const char *help;
} ctl_option;

typedef struct ctl_arguments ctl_arguments;

typedef struct ctl_command {
    const char *name;
    const char *operands; /* as the help shows them */
    int min_operands;
    int max_operands;
    const char *help;          /* sentences, in lines */
    const ctl_option *options; /* its own, beside those that all commands have */
    size_t option_count;
    ctl_exit (*run)(const ctl_arguments *arguments);
} ctl_command;

/* A command line that has been read. Texts are the process's own and live as long as it. */
struct ctl_arguments {
    const ctl_command *command;
    const char *values[CTL_MAX_OPTIONS]; /* the common options', then the command's */
    char **operands;
    int operand_count;
};

typedef enum ctl_parse_result {
    CTL_PARSED,
    CTL_ANSWERED, /* --help or --version: printed */
    CTL_WRONG,    /* and what is wrong was printed to standard error */
} ctl_parse_result;

/*
 * Reads a command line: common options, a command's name, then common options, the command's own
 * and operands in any order.
 */
ctl_parse_result ctl_parse(int argc, char **argv, const ctl_command *const *commands, size_t count,
                           ctl_arguments *arguments);

/* An option's value: given, from the environment or its default; NULL: none of these. */
const char *ctl_text(const ctl_arguments *arguments, const char *name);

/*
 * Takes an option's value off the process's command line, where others can read it; ctl_text has
 * it still. For one option only. False when it is too long, which is printed.
 */
bool ctl_hide(ctl_arguments *arguments, const char *name);

/* Whether a switch is on. */
bool ctl_switch(const ctl_arguments *arguments, const char *name);

/*
 * An option's value as a number from min to max. False when it is not one, which is printed to
 * standard error. The option must have a default.
 */
bool ctl_number(const ctl_arguments *arguments, const char *name, uint64_t min, uint64_t max,
                uint64_t *number);

/* Operand i, called `name`, as a number of 64 bits. False when it is not one, which is printed. */
bool ctl_operand_number(const ctl_arguments *arguments, int i, const char *name, uint64_t *number);

/* Whether --format asks for JSON. False is printed for any value but "table" and "json". */
bool ctl_format(const ctl_arguments *arguments, bool *json);

/* Prints "vqlctl: ..." and a newline to standard error. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
