/*
 * What vql-train can be told to do. Each takes the words behind the command's name and returns the
 * program's exit status: 0; 1 when the command line or a file is wrong; 2 when training was
 * stopped by a signal and can be resumed.
 */
#ifndef VQL_TRAIN_COMMANDS_H
#define VQL_TRAIN_COMMANDS_H

#include "settings.h"

typedef enum command_status { COMMAND_DONE, COMMAND_FAILED, COMMAND_STOPPED } command_status;

command_status command_train(int argc, char *const *argv);
command_status command_evaluate(int argc, char *const *argv);
command_status command_generate(int argc, char *const *argv);

/* What a command takes. */
typedef struct command_usage {
    const char *usage; /* what --help begins with */
    settings_table table;
    const char *operand; /* the name of the one word before the options; NULL: there is none */
} command_usage;

/*
 * Reads a command's words into its fields, which are all zeros. Returns true to go on, with the
 * operand in *operand; false when --help or --version was answered or an error was printed, with
 * the status in *status.
 */
bool command_begin(const command_usage *usage, int argc, char *const *argv, void *fields,
                   const char **operand, command_status *status);

/* Prints "vql-train: …" to standard error and returns COMMAND_FAILED. */
command_status command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many threads to use when `asked` was asked for: 0 is one for each core. */
uint32_t command_threads(uint32_t asked);

/* Nanoseconds of a clock that only goes forward. */
uint64_t command_now_ns(void);

#endif
