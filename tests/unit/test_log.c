/* The log: the form of a line, what is escaped, what does not fit, which levels are written. */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/check_main.h"

enum { TIME_MS = 1500000000 }; /* 1970-01-18T08:40:00.000Z */

/* The line of an event, terminated, in a buffer that lasts until the next call. */
static const char *format(log_level level, int64_t time_ms, const log_field *event)
{
    static char line[LOG_LINE_BYTES + 1];
    line[log_format(level, time_ms, event, line)] = '\0';
    return line;
}

START_TEST(line_has_time_level_message_and_fields)
{
    ck_assert_str_eq(format(LOG_LEVEL_INFO, INT64_C(1795439107123),
                            LOG_EVENT("listening", log_str("address", "127.0.0.1:7070"),
                                      log_u64("threads", 4), log_i64("offset", -7))),
                     "2026-11-23T13:05:07.123Z info msg=listening address=127.0.0.1:7070 threads=4 "
                     "offset=-7\n");
    ck_assert_str_eq(format(LOG_LEVEL_ERROR, 0, LOG_EVENT("stop")),
                     "1970-01-01T00:00:00.000Z error msg=stop\n");
}
END_TEST

START_TEST(numbers_reach_their_ends)
{
    ck_assert_str_eq(format(LOG_LEVEL_WARN, TIME_MS,
                            LOG_EVENT("n", log_u64("max", UINT64_MAX), log_i64("min", INT64_MIN))),
                     "1970-01-18T08:40:00.000Z warn msg=n max=18446744073709551615 "
                     "min=-9223372036854775808\n");
}
END_TEST

static const struct {
    const char *value, *written;
} strings[] = {
    {"plain/path-1.2_3", "plain/path-1.2_3"},
    {"", "\"\""},
    {NULL, "\"\""},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"x\"", "\"say \\\"x\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"x\n2026-11-23T00:00:00.000Z error msg=forged",
     "\"x\\n2026-11-23T00:00:00.000Z error msg=forged\""},
    {"tab\there\r", "\"tab\\x09here\\x0d\""},
    {"\x7f\xc3\xa9\x1b[31m", "\"\\x7f\\xc3\\xa9\\x1b[31m\""},
};

START_TEST(value_is_quoted_when_it_must_be)
{
    char expected[256];
    (void)snprintf(expected, sizeof expected, "1970-01-18T08:40:00.000Z debug msg=m v=%s last=1\n",
                   strings[_i].written);
    ck_assert_str_eq(format(LOG_LEVEL_DEBUG, TIME_MS,
                            LOG_EVENT("m", log_str("v", strings[_i].value), log_u64("last", 1))),
                     expected);
}
END_TEST

START_TEST(field_that_does_not_fit_is_left_out)
{
    char longest[LOG_LINE_BYTES];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *expected = "1970-01-18T08:40:00.000Z info msg=m a=1 truncated=true\n";
    ck_assert_str_eq(
        format(LOG_LEVEL_INFO, TIME_MS,
               LOG_EVENT("m", log_u64("a", 1), log_str("v", longest), log_u64("b", 2))),
        expected);
    /* An escape is never halved: quoted, each of these takes four bytes. */
    memset(longest, '\x01', sizeof longest - 1);
    ck_assert_str_eq(
        format(LOG_LEVEL_INFO, TIME_MS, LOG_EVENT("m", log_u64("a", 1), log_str("v", longest))),
        expected);
}
END_TEST

/* Whatever a value's length, the line ends in a newline within its bound. */
START_TEST(line_is_bounded)
{
    char value[LOG_LINE_BYTES];
    char line[LOG_LINE_BYTES];
    size_t longest = 0;
    for (size_t length = 0; length < sizeof value; length++) {
        memset(value, 'x', length);
        value[length] = '\0';
        const size_t count =
            log_format(LOG_LEVEL_INFO, TIME_MS, LOG_EVENT("m", log_str("v", value)), line);
        ck_assert_uint_le(count, LOG_LINE_BYTES);
        ck_assert_int_eq(line[count - 1], '\n');
        ck_assert_ptr_null(memchr(line, '\n', count - 1));
        longest = count > longest ? count : longest;
    }
    ck_assert_uint_gt(longest, LOG_LINE_BYTES - sizeof " truncated=true");
}
END_TEST

START_TEST(most_fields_that_an_event_may_have)
{
    ck_assert_ptr_nonnull(strstr(
        format(LOG_LEVEL_INFO, TIME_MS,
               LOG_EVENT("m", log_u64("a", 1), log_u64("b", 2), log_u64("c", 3), log_u64("d", 4),
                         log_u64("e", 5), log_u64("f", 6), log_u64("g", 7), log_u64("h", 8),
                         log_u64("i", 9), log_u64("j", 10), log_u64("k", 11), log_u64("l", 12))),
        " k=11 l=12\n"));
}
END_TEST

/* Standard error becomes a pipe; returns the end to read. */
static int capture_stderr(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(ends[1]), 0);
    return ends[0];
}

/* Closes standard error and reads what was written to it. */
static size_t captured(int end, char *out, size_t capacity)
{
    (void)close(STDERR_FILENO);
    size_t count = 0;
    ssize_t got;
    while ((got = read(end, out + count, capacity - count - 1)) > 0)
        count += (size_t)got;
    out[count] = '\0';
    return count;
}

START_TEST(less_important_levels_are_not_written)
{
    char text[1024];
    const int end = capture_stderr();
    log_debug("d1");
    log_info("i1");
    log_set_level(LOG_LEVEL_WARN);
    log_info("i2");
    log_warn("w2");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("d3", log_str("key", "value"));
    log_error("e3");
    captured(end, text, sizeof text);
    ck_assert_ptr_null(strstr(text, "d1"));
    ck_assert_ptr_nonnull(strstr(text, "Z info msg=i1\n"));
    ck_assert_ptr_null(strstr(text, "i2"));
    ck_assert_ptr_nonnull(strstr(text, "Z warn msg=w2\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z debug msg=d3 key=value\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z error msg=e3\n"));
}
END_TEST

START_TEST(errno_is_kept)
{
    (void)close(STDERR_FILENO);
    errno = ERANGE;
    log_error("nowhere to write to");
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

enum { WRITERS = 4, LINES = 100, WRITTEN_BYTES = 256 };

static void *write_lines(void *name)
{
    for (uint64_t i = 0; i < LINES; i++)
        log_info("line", log_str("writer", name), log_u64("i", i), log_str("end", "of line"));
    return NULL;
}

START_TEST(lines_of_threads_do_not_mix)
{
    static char text[WRITERS * LINES * WRITTEN_BYTES];
    char names[WRITERS][2] = {"a", "b", "c", "d"};
    pthread_t threads[WRITERS];
    const int end = capture_stderr();
    for (size_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (size_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    captured(end, text, sizeof text);

    uint64_t next[WRITERS] = {0};
    size_t lines = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, lines++) {
        char writer;
        uint64_t i;
        int used = 0;
        ck_assert_int_eq(sscanf(line,
                                "%*24s info msg=line writer=%c i=%" SCNu64 " end=\"of line\"%n",
                                &writer, &i, &used),
                         2);
        ck_assert_int_eq(line[used], '\n');
        ck_assert_uint_eq(i, next[writer - 'a']++);
    }
    ck_assert_uint_eq(lines, WRITERS * LINES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *lines = tcase_create("lines");
    tcase_add_test(lines, line_has_time_level_message_and_fields);
    tcase_add_test(lines, numbers_reach_their_ends);
    tcase_add_loop_test(lines, value_is_quoted_when_it_must_be, 0,
                        sizeof strings / sizeof strings[0]);
    tcase_add_test(lines, field_that_does_not_fit_is_left_out);
    tcase_add_test(lines, line_is_bounded);
    tcase_add_test(lines, most_fields_that_an_event_may_have);
    suite_add_tcase(suite, lines);
    TCase *writing = tcase_create("writing");
    tcase_add_test(writing, less_important_levels_are_not_written);
    tcase_add_test(writing, errno_is_kept);
    tcase_add_test(writing, lines_of_threads_do_not_mix);
    suite_add_tcase(suite, writing);
    return check_main(suite);
}
