#include "commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

command_status command_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("vql-train: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    return COMMAND_FAILED;
}

bool command_begin(const command_usage *usage, int argc, char *const *argv, void *fields,
                   const char **operand, command_status *status)
{
    settings_error error;
    *status = COMMAND_DONE;
    if (settings_asked(argc, argv, "--help")) {
        (void)fputs(usage->usage, stdout);
        settings_print(&usage->table, stdout);
        return false;
    }
    if (settings_asked(argc, argv, "--version")) {
        (void)puts("vql-train " VQL_TRAIN_VERSION);
        return false;
    }
    if (usage->operand != NULL) {
        if (argc < 1 || argv[0][0] == '-') {
            *status = command_fail("%s: is missing; --help has the usage", usage->operand);
            return false;
        }
        *operand = argv[0];
        argc--;
        argv++;
    }
    if (settings_load(&usage->table, fields, argc, argv, environ, &error))
        return true;
    settings_free(&usage->table, fields);
    *status = command_fail("%s", error.text);
    return false;
}

uint32_t command_threads(uint32_t asked)
{
    if (asked > 0)
        return asked;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 256 ? 256 : (uint32_t)cores;
}

uint64_t command_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
