/*
 * The server's log: one line an event on standard error, key=value, for people and for machines.
 *
 *   2026-11-23T13:05:07.123Z info msg=listening address=127.0.0.1:7070 threads=4
 *
 *   log_info("listening", log_str("address", address), log_u64("threads", threads));
 *
 * A value that is empty or holds a space, a quote, '=', a backslash or anything that is not
 * printable ASCII is quoted and escaped, so that a value from outside can neither end the line nor
 * look like another key. A line is one write(2) of at most LOG_LINE_BYTES, which fits PIPE_BUF:
 * lines of different threads never mix. Any thread may log.
 */
#ifndef VQL_SERVER_LOG_H
#define VQL_SERVER_LOG_H

#include <stddef.h>
#include <stdint.h>

enum {
    LOG_LINE_BYTES = 2048, /* newline included; truncated=true stands for what does not fit */
    LOG_MAX_FIELDS = 12,   /* of one event; more do not compile */
};

#define LOG_LEVELS(X) X(ERROR, "error") X(WARN, "warn") X(INFO, "info") X(DEBUG, "debug")

typedef enum log_level {
#define LOG_LEVEL_ENUM(name, text) LOG_LEVEL_##name,
    LOG_LEVELS(LOG_LEVEL_ENUM)
#undef LOG_LEVEL_ENUM
} log_level;

/* "info"; a static string. */
const char *log_level_name(log_level level);

/* The least important level that is written; LOG_LEVEL_INFO at first. */
void log_set_level(log_level level);

typedef enum log_kind {
    LOG_KIND_NONE,
    LOG_KIND_STRING,
    LOG_KIND_UNSIGNED,
    LOG_KIND_SIGNED,
} log_kind;

/*
 * One key and its value. Made by log_str, log_u64 and log_i64; strings are read during the call
 * only.
 */
typedef struct log_field {
    const char *name; /* a literal of lower-case letters, digits and '_' */
    log_kind kind;
    union {
        const char *string;
        uint64_t number;
        int64_t integer;
    } value;
} log_field;

/* A NULL value is written as an empty one. */
static inline log_field log_str(const char *name, const char *value)
{
    return (log_field){.name = name, .kind = LOG_KIND_STRING, .value.string = value};
}

static inline log_field log_u64(const char *name, uint64_t value)
{
    return (log_field){.name = name, .kind = LOG_KIND_UNSIGNED, .value.number = value};
}

static inline log_field log_i64(const char *name, int64_t value)
{
    return (log_field){.name = name, .kind = LOG_KIND_SIGNED, .value.integer = value};
}

/*
 * log_info(message, field …): an array of LOG_MAX_FIELDS + 1 in which element 0 holds the message
 * alone, the fields follow, and the rest is LOG_KIND_NONE.
 */
#define LOG_EVENT(...) ((const log_field[LOG_MAX_FIELDS + 1]){[0].value.string = __VA_ARGS__})
#define log_error(...) log_write(LOG_LEVEL_ERROR, LOG_EVENT(__VA_ARGS__))
#define log_warn(...)  log_write(LOG_LEVEL_WARN, LOG_EVENT(__VA_ARGS__))
#define log_info(...)  log_write(LOG_LEVEL_INFO, LOG_EVENT(__VA_ARGS__))
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, LOG_EVENT(__VA_ARGS__))

/*
 * Writes the event with the present time, if its level is to be written. errno is kept; a failed
 * write is not reported.
 */
void log_write(log_level level, const log_field *event);

/*
 * Formats the line, newline included and unterminated, to out of at least LOG_LINE_BYTES. time_ms:
 * milliseconds since the Unix epoch, at least 0. Returns the line's bytes.
 */
size_t log_format(log_level level, int64_t time_ms, const log_field *event, char *out);

#endif
