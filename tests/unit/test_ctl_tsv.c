/*
 * vqlctl's reader of tab-separated values, and of the events in them.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "ctl_event_file.h"
#include "temporary.h"
#include "tsv.h"

/* A reader of a file with this text. */
static tsv *open_text(char path[TEMPORARY_PATH_BYTES], const char *text)
{
    temporary_write(path, text, strlen(text));
    tsv *t = tsv_open(path);
    ck_assert_ptr_nonnull(t);
    return t;
}

static void close_text(tsv *t, const char *path)
{
    tsv_close(t);
    ck_assert_int_eq(unlink(path), 0);
}

/* Asserts that the error is "PATH" and then this. */
static void assert_error(const char *error, const char *path, const char *expected)
{
    ck_assert_int_eq(strncmp(error, path, strlen(path)), 0);
    ck_assert_str_eq(error + strlen(path), expected);
}

START_TEST(rows_are_cut_at_tabs)
{
    char path[TEMPORARY_PATH_BYTES];
    tsv *t = open_text(path, "a\tbc\t\td\n\n\r\nx\r\n\t\nlast");
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_uint_eq(tsv_count(t), 4);
    ck_assert_str_eq(tsv_field(t, 0), "a");
    ck_assert_str_eq(tsv_field(t, 1), "bc");
    ck_assert_str_eq(tsv_field(t, 2), "");
    ck_assert_str_eq(tsv_field(t, 3), "d");
    ck_assert_uint_eq(tsv_line(t), 1);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_uint_eq(tsv_count(t), 1);
    ck_assert_str_eq(tsv_field(t, 0), "x");
    ck_assert_uint_eq(tsv_line(t), 4);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_uint_eq(tsv_count(t), 2);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_str_eq(tsv_field(t, 0), "last");
    ck_assert_uint_eq(tsv_line(t), 6);
    ck_assert_int_eq(tsv_read(t), TSV_END);
    ck_assert_int_eq(tsv_read(t), TSV_END);
    close_text(t, path);
}
END_TEST

START_TEST(an_empty_file_has_no_rows)
{
    char path[TEMPORARY_PATH_BYTES];
    tsv *t = open_text(path, "");
    ck_assert_int_eq(tsv_read(t), TSV_END);
    close_text(t, path);
}
END_TEST

START_TEST(a_file_may_be_gzipped_and_longer_than_the_buffer)
{
    enum { ROWS = 50000 };
    char *text = malloc(ROWS * 24);
    ck_assert_ptr_nonnull(text);
    size_t length = 0;
    for (unsigned i = 0; i < ROWS; i++)
        length += (size_t)snprintf(text + length, 24, "%u\t%u\n", i, 7 * i);
    char path[TEMPORARY_PATH_BYTES];
    if (_i == 0)
        temporary_write(path, text, length);
    else
        temporary_gzip(path, text, length);
    free(text);
    tsv *t = tsv_open(path);
    for (unsigned i = 0; i < ROWS; i++) {
        ck_assert_int_eq(tsv_read(t), TSV_ROW);
        ck_assert_uint_eq(strtoul(tsv_field(t, 0), NULL, 10), i);
        ck_assert_uint_eq(strtoul(tsv_field(t, 1), NULL, 10), 7 * i);
        ck_assert(tsv_fraction(t) >= 0 && tsv_fraction(t) <= 1);
    }
    ck_assert_int_eq(tsv_read(t), TSV_END);
    ck_assert(tsv_fraction(t) > 0.99);
    close_text(t, path);
}
END_TEST

START_TEST(a_gzipped_file_that_is_cut_is_an_error)
{
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '\n' : (char)('a' + i * i * 31 % 26);
    char whole[TEMPORARY_PATH_BYTES];
    temporary_gzip(whole, text, sizeof text);
    FILE *file = fopen(whole, "rb");
    ck_assert_ptr_nonnull(file);
    uint8_t bytes[4000];
    const size_t count = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    ck_assert_uint_gt(count, 40);
    char path[TEMPORARY_PATH_BYTES];
    temporary_write(path, bytes, count - 20);
    tsv *t = tsv_open(path);
    tsv_result result;
    while ((result = tsv_read(t)) == TSV_ROW) {
    }
    ck_assert_int_eq(result, TSV_FAILED);
    assert_error(tsv_error(t), path, ": the gzipped data ends too early");
    ck_assert_int_eq(tsv_read(t), TSV_FAILED);
    close_text(t, path);
    ck_assert_int_eq(unlink(whole), 0);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    tsv *t = tsv_open("/nonexistent/events.tsv");
    ck_assert_int_eq(tsv_read(t), TSV_FAILED);
    ck_assert_str_eq(tsv_error(t), "/nonexistent/events.tsv: No such file or directory");
    ck_assert(tsv_fraction(t) < 0);
    tsv_close(t);
}
END_TEST

START_TEST(a_line_has_a_longest_length)
{
    char *text = malloc(2 * TSV_MAX_LINE_BYTES);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', 2 * TSV_MAX_LINE_BYTES);
    memcpy(text, "ok\n", 3);
    const size_t longest = TSV_MAX_LINE_BYTES - 1;
    text[3 + longest] = '\n';
    char path[TEMPORARY_PATH_BYTES];
    temporary_write(path, text, 2 * TSV_MAX_LINE_BYTES);
    free(text);
    tsv *t = tsv_open(path);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_uint_eq(strlen(tsv_field(t, 0)), longest);
    ck_assert_int_eq(tsv_read(t), TSV_ROW); /* the rest: shorter */
    close_text(t, path);

    text = malloc(2 * TSV_MAX_LINE_BYTES);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', 2 * TSV_MAX_LINE_BYTES);
    memcpy(text, "ok\n", 3);
    temporary_write(path, text, 2 * TSV_MAX_LINE_BYTES);
    free(text);
    t = tsv_open(path);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_int_eq(tsv_read(t), TSV_FAILED);
    assert_error(tsv_error(t), path, ":2: a line of 65536 bytes or more");
    close_text(t, path);
}
END_TEST

START_TEST(too_many_columns_and_zero_bytes_are_errors)
{
    char text[TSV_MAX_FIELDS + 2];
    memset(text, '\t', sizeof text);
    text[TSV_MAX_FIELDS] = '\0'; /* one column more than there may be */
    char path[TEMPORARY_PATH_BYTES];
    tsv *t = open_text(path, text);
    ck_assert_int_eq(tsv_read(t), TSV_FAILED);
    assert_error(tsv_error(t), path, ":1: more than 64 columns");
    close_text(t, path);

    text[TSV_MAX_FIELDS - 1] = '\0';
    t = open_text(path, text);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_uint_eq(tsv_count(t), TSV_MAX_FIELDS);
    close_text(t, path);

    temporary_write(path, "1\n2\0003\n", 7);
    t = tsv_open(path);
    ck_assert_int_eq(tsv_read(t), TSV_ROW);
    ck_assert_int_eq(tsv_read(t), TSV_FAILED);
    assert_error(tsv_error(t), path, ":2: a zero byte");
    close_text(t, path);
}
END_TEST

/* Events */

static char view[] = "view";
static char buy[] = "buy";
static char *names[] = {view, buy};
static const event_types types = {.names = names, .count = 2};

static event_file *open_events(char path[TEMPORARY_PATH_BYTES], event_file_kind kind,
                               const char *text)
{
    temporary_write(path, text, strlen(text));
    event_file *f = event_file_open(path, kind, &types);
    ck_assert_ptr_nonnull(f);
    return f;
}

static void close_events(event_file *f, const char *path)
{
    event_file_close(f);
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(columns_are_found_by_name)
{
    char path[TEMPORARY_PATH_BYTES];
    event_file *f = open_events(path, EVENT_FILE_OF_USERS,
                                "timestamp_ms\tuser_id\tprice\tevent_type\titem_id\n"
                                "1000\t7\t9.5\tbuy\t3\n"
                                "9223372036854775807\t18446744073709551615\t\t5\t0\n");
    event_row row;
    ck_assert_int_eq(event_file_read(f, &row), TSV_ROW);
    ck_assert_uint_eq(row.user_id, 7);
    ck_assert_uint_eq(row.item_id, 3);
    ck_assert_uint_eq(row.type, 1);
    ck_assert_int_eq(row.time_ms, 1000);
    ck_assert_int_eq(event_file_read(f, &row), TSV_ROW);
    ck_assert_uint_eq(row.user_id, UINT64_MAX);
    ck_assert_uint_eq(row.item_id, 0);
    ck_assert_uint_eq(row.type, 5);
    ck_assert_int_eq(row.time_ms, INT64_MAX);
    ck_assert_int_eq(event_file_read(f, &row), TSV_END);
    close_events(f, path);
}
END_TEST

START_TEST(a_file_of_one_user_may_have_names_or_not)
{
    static const char *const texts[] = {
        "3\tview\t1000\n",
        "item_id\tevent_type\ttimestamp_ms\n3\tview\t1000\n",
        "event_type\ttimestamp_ms\titem_id\nview\t1000\t3\n",
    };
    char path[TEMPORARY_PATH_BYTES];
    event_file *f = open_events(path, EVENT_FILE_OF_ONE_USER, texts[_i]);
    event_row row;
    ck_assert_int_eq(event_file_read(f, &row), TSV_ROW);
    ck_assert_uint_eq(row.user_id, 0);
    ck_assert_uint_eq(row.item_id, 3);
    ck_assert_uint_eq(row.type, 0);
    ck_assert_int_eq(row.time_ms, 1000);
    ck_assert_int_eq(event_file_read(f, &row), TSV_END);
    close_events(f, path);
}
END_TEST

#define HEADER    "user_id\titem_id\tevent_type\ttimestamp_ms\n"
#define U64_RANGE "not a number from 0 to 18446744073709551615"

/* Files with an error, and what is said of it behind the file's name. */
static const struct {
    event_file_kind kind;
    const char *text;
    const char *error;
} malformed[] = {
    {EVENT_FILE_OF_USERS, "1\t2\t3\t4\n", ":1: the first line names no column user_id"},
    {EVENT_FILE_OF_USERS, "user_id\titem_id\ttimestamp_ms\n1\t2\t3\n",
     ":1: the first line names no column event_type"},
    {EVENT_FILE_OF_ONE_USER, "item_id\tevent_type\n1\tbuy\n",
     ":1: the first line names no column timestamp_ms"},
    {EVENT_FILE_OF_USERS, HEADER "x\t2\tbuy\t4\n", ":2: user_id 'x': " U64_RANGE},
    {EVENT_FILE_OF_USERS, HEADER "1\t\tbuy\t4\n", ":2: item_id '': " U64_RANGE},
    {EVENT_FILE_OF_USERS, HEADER "1\t2\tsell\t4\n",
     ":2: event_type 'sell': not a number nor one of the active model's types: view buy"},
    {EVENT_FILE_OF_USERS, HEADER "1\t2\t4294967296\t4\n",
     ":2: event_type '4294967296': not a number nor one of the active model's types: view buy"},
    {EVENT_FILE_OF_USERS, HEADER "1\t2\tbuy\t-4\n",
     ":2: timestamp_ms '-4': not a number from 0 to 9223372036854775807"},
    {EVENT_FILE_OF_USERS, HEADER "1\t2\tbuy\n", ":2: timestamp_ms is column 4, the line has 3"},
    {EVENT_FILE_OF_ONE_USER, "3\n", ":1: event_type is column 2, the line has 1"},
};

START_TEST(an_error_names_line_column_and_value)
{
    char path[TEMPORARY_PATH_BYTES];
    event_file *f = open_events(path, malformed[_i].kind, malformed[_i].text);
    event_row row;
    ck_assert_int_eq(event_file_read(f, &row), TSV_FAILED);
    assert_error(tsv_error(event_file_tsv(f)), path, malformed[_i].error);
    close_events(f, path);
}
END_TEST

static Suite *tsv_suite(void)
{
    Suite *suite = suite_create("ctl_tsv");
    TCase *rows = tcase_create("rows");
    tcase_add_test(rows, rows_are_cut_at_tabs);
    tcase_add_test(rows, an_empty_file_has_no_rows);
    tcase_add_loop_test(rows, a_file_may_be_gzipped_and_longer_than_the_buffer, 0, 2);
    tcase_add_test(rows, a_gzipped_file_that_is_cut_is_an_error);
    tcase_add_test(rows, a_missing_file_is_an_error);
    tcase_add_test(rows, a_line_has_a_longest_length);
    tcase_add_test(rows, too_many_columns_and_zero_bytes_are_errors);
    suite_add_tcase(suite, rows);

    TCase *events = tcase_create("events");
    tcase_add_test(events, columns_are_found_by_name);
    tcase_add_loop_test(events, a_file_of_one_user_may_have_names_or_not, 0, 3);
    tcase_add_loop_test(events, an_error_names_line_column_and_value, 0,
                        sizeof malformed / sizeof malformed[0]);
    suite_add_tcase(suite, events);
    return suite;
}

int main(void)
{
    return check_main(tsv_suite());
}
