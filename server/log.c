#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char line_end[] = "\n";
static const char truncated_end[] = " truncated=true\n";

/* What fields may take of a line: either end still fits behind them. */
enum { LINE_LIMIT = LOG_LINE_BYTES - (sizeof truncated_end - 1) };

/* A line being made. full: something did not fit. */
typedef struct line {
    char *bytes;
    size_t count;
    bool full;
} line;

static atomic_int active_level = LOG_LEVEL_INFO;

const char *log_level_name(log_level level)
{
    static const char *const names[] = {
#define LOG_LEVEL_NAME(name, text) text,
        LOG_LEVELS(LOG_LEVEL_NAME)
#undef LOG_LEVEL_NAME
    };
    return names[level];
}

void log_set_level(log_level level)
{
    atomic_store_explicit(&active_level, (int)level, memory_order_relaxed);
}

static void line_add_bytes(line *l, const char *bytes, size_t count)
{
    if (count > LINE_LIMIT - l->count) {
        l->full = true;
        return;
    }
    memcpy(l->bytes + l->count, bytes, count);
    l->count += count;
}

static void line_add_text(line *l, const char *text)
{
    line_add_bytes(l, text, strlen(text));
}

static bool is_plain(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\';
}

static void line_add_escaped(line *l, char c)
{
    char escape[sizeof "\\xff"];
    if (c == '"' || c == '\\') {
        line_add_bytes(l, (char[]){'\\', c}, 2);
    } else if (c == '\n') {
        line_add_text(l, "\\n");
    } else if (c >= ' ' && c <= '~') {
        line_add_bytes(l, &c, 1);
    } else {
        (void)snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)c);
        line_add_text(l, escape);
    }
}

static void line_add_string(line *l, const char *text)
{
    const char *end = text;
    while (is_plain(*end))
        end++;
    if (*end == '\0' && end != text) {
        line_add_text(l, text);
        return;
    }
    line_add_text(l, "\"");
    for (const char *c = text; *c != '\0' && !l->full; c++)
        line_add_escaped(l, *c);
    line_add_text(l, "\"");
}

static void line_add_value(line *l, const log_field *field)
{
    char number[sizeof "-9223372036854775808"];
    switch (field->kind) {
    case LOG_KIND_STRING:
        line_add_string(l, field->value.string ? field->value.string : "");
        return;
    case LOG_KIND_UNSIGNED:
        (void)snprintf(number, sizeof number, "%" PRIu64, field->value.number);
        break;
    case LOG_KIND_SIGNED:
        (void)snprintf(number, sizeof number, "%" PRId64, field->value.integer);
        break;
    case LOG_KIND_NONE:
        return;
    }
    line_add_text(l, number);
}

/* Adds the whole field or nothing; nothing follows a field that did not fit. */
static void line_add_field(line *l, const log_field *field)
{
    if (l->full)
        return;
    const size_t before = l->count;
    line_add_text(l, " ");
    line_add_text(l, field->name);
    line_add_text(l, "=");
    line_add_value(l, field);
    if (l->full)
        l->count = before;
}

/* "2026-11-23T13:05:07.123Z" */
static void line_add_time(line *l, int64_t time_ms)
{
    char text[64];
    const time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc))
        utc = (struct tm){.tm_year = 70, .tm_mday = 1};
    const size_t count = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(text + count, sizeof text - count, ".%03dZ ", (int)(time_ms % 1000));
    line_add_text(l, text);
}

size_t log_format(log_level level, int64_t time_ms, const log_field *event, char *out)
{
    line l = {.bytes = out};
    line_add_time(&l, time_ms);
    line_add_text(&l, log_level_name(level));

    const log_field message = log_str("msg", event[0].value.string);
    line_add_field(&l, &message);
    for (size_t i = 1; i <= LOG_MAX_FIELDS && event[i].kind != LOG_KIND_NONE; i++)
        line_add_field(&l, &event[i]);

    const char *end = l.full ? truncated_end : line_end;
    const size_t end_bytes = strlen(end);
    memcpy(out + l.count, end, end_bytes);
    return l.count + end_bytes;
}

void log_write(log_level level, const log_field *event)
{
    if ((int)level > atomic_load_explicit(&active_level, memory_order_relaxed))
        return;
    const int saved_errno = errno;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char bytes[LOG_LINE_BYTES];
    const size_t count =
        log_format(level, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, event, bytes);
    const ssize_t written = write(STDERR_FILENO, bytes, count);
    (void)written;
    errno = saved_errno;
}
