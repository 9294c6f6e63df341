/* Data sets: what is read of files, what is folded, and what is refused. */
#include "dataset.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"
#include "log_folder.h"

#define EVENTS      "user_id\titem_id\tevent_type\ttimestamp_ms\n"
#define IMPRESSIONS "user_id\titem_id\ttimestamp_ms\tsplit\tclick\tbuy\n"

static log_folder folder;
static dataset *data;
static vql_error error;

static void set_up(void)
{
    log_folder_make(&folder);
    data = NULL;
}

static void tear_down(void)
{
    dataset_free(data);
    log_folder_remove(&folder);
}

static void write_all(const char *events, const char *impressions, const char *items)
{
    log_folder_write(&folder, "events.tsv", events);
    log_folder_write(&folder, "impressions.tsv", impressions);
    if (items != NULL)
        log_folder_write(&folder, "items.tsv", items);
}

static void read_data(uint32_t min_count)
{
    ck_assert_msg(dataset_read(folder.path, min_count, &data, &error) == VQL_OK, "%s", error.text);
}

/* Reading fails with a text that ends so. */
static void assert_refused(const char *text)
{
    ck_assert_int_ne(dataset_read(folder.path, 0, &data, &error), VQL_OK);
    ck_assert_ptr_null(data);
    const char *found = strstr(error.text, text);
    ck_assert_msg(found != NULL && strcmp(found, text) == 0, "%s", error.text);
}

START_TEST(events_and_impressions_are_sorted_by_user_and_time)
{
    write_all(EVENTS "7\t10\tview\t300\n9\t11\tclick\t50\n7\t12\tclick\t100\n7\t11\tview\t300\n",
              IMPRESSIONS
              "9\t10\t60\ttrain\t1\t0\n7\t11\t300\ttrain\t0\t1\n7\t10\t301\ttest\t1\t1\n"
              "7\t12\t90\ttrain\t0\t0\n5\t10\t1\tvalid\t0\t0\n",
              NULL);
    read_data(0);
    ck_assert_uint_eq(data->users, 3);
    ck_assert_uint_eq(data->user_ids[0], 7);
    ck_assert_uint_eq(data->user_ids[2], 5);
    ck_assert_uint_eq(data->starts[1], 3);
    ck_assert_uint_eq(data->starts[2], 4);
    ck_assert_uint_eq(data->starts[3], 4);
    static const int64_t times[] = {100, 300, 300, 50};
    static const uint64_t items[] = {12, 10, 11, 11};
    static const char *const types[] = {"click", "view", "view", "click"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(data->events[i].time_ms, times[i]);
        ck_assert_uint_eq(data->item_ids[data->events[i].row], items[i]);
        ck_assert_str_eq(data->event_type_names[data->events[i].type], types[i]);
    }
    const train_impressions *train = &data->splits[SPLIT_TRAIN];
    ck_assert_uint_eq(train->count, 3);
    ck_assert_int_eq(train->at[0].time_ms, 90);
    ck_assert_uint_eq(train->at[0].history, 0);
    ck_assert_uint_eq(train->at[1].history, 1); /* strictly before */
    ck_assert_uint_eq(train->at[1].labels[0], 0);
    ck_assert_uint_eq(train->at[1].labels[1], 1);
    ck_assert_uint_eq(train->at[2].user, 1);
    ck_assert_uint_eq(data->splits[SPLIT_TEST].at[0].history, 3);
    ck_assert_uint_eq(data->splits[SPLIT_VALID].at[0].history, 0); /* a user without events */
    ck_assert_str_eq(data->task_names[1], "buy");
}
END_TEST

START_TEST(rare_items_are_the_unknown_one)
{
    /* 10 occurs twice in training, 11 once there and once after it, 12 never there. */
    write_all(EVENTS "1\t10\tview\t1\n1\t11\tview\t2\n1\t11\tview\t100\n1\t12\tview\t100\n",
              IMPRESSIONS "1\t10\t50\ttrain\t1\t0\n1\t12\t101\ttest\t0\t0\n",
              "item_id\n12\n11\n10\n");
    read_data(2);
    ck_assert_uint_eq(data->rows, 2);
    ck_assert_uint_eq(data->item_ids[1], 10);
    ck_assert_uint_eq(data->events[0].row, 1);
    ck_assert_uint_eq(data->events[1].row, 0);
    ck_assert_uint_eq(data->splits[SPLIT_TEST].at[0].row, 0);
    dataset_free(data);
    read_data(1);
    ck_assert_uint_eq(data->rows, 3);
    ck_assert_uint_eq(data->item_ids[1], 11); /* in the order of items.tsv */
    dataset_free(data);
    read_data(0);
    ck_assert_uint_eq(data->rows, 4);
    ck_assert_uint_eq(data->item_ids[1], 12);
}
END_TEST

START_TEST(fields_have_the_values_of_their_rows)
{
    write_all(EVENTS
              "1\t10\tview\t1\n1\t10\tview\t2\n1\t11\tview\t3\n1\t11\tview\t4\n1\t13\tview\t5\n",
              IMPRESSIONS "1\t13\t9\ttrain\t1\t0\n", "item_id\ttag\n10\t5,6\n12\t6\n11\t6\n");
    read_data(2);
    ck_assert_uint_eq(data->rows, 4); /* unknown, 10, 11, 13, which is not listed */
    ck_assert_uint_eq(data->field_count, 1);
    const train_field *field = &data->fields[0];
    ck_assert_str_eq(field->name, "tag");
    ck_assert_uint_eq(field->values, 3); /* unknown, 5 of two occurrences, 6 of four */
    static const uint32_t offsets[] = {0, 0, 2, 3, 3};
    for (size_t row = 0; row <= data->rows; row++)
        ck_assert_uint_eq(field->offsets[row], offsets[row]);
    ck_assert_uint_eq(field->indices[0], 1);
    ck_assert_uint_eq(field->indices[1], 2);
    ck_assert_uint_eq(field->indices[2], 2);
    dataset_free(data);
    read_data(3); /* every item but none; 6 counts only what has a row */
    ck_assert_uint_eq(data->rows, 1);
    ck_assert_uint_eq(data->fields[0].values, 1);
}
END_TEST

START_TEST(rare_values_are_the_unknown_one)
{
    write_all(EVENTS "1\t10\tview\t1\n1\t10\tview\t2\n1\t11\tview\t3\n",
              IMPRESSIONS "1\t10\t9\ttrain\t1\t0\n1\t11\t9\ttrain\t1\t0\n",
              "item_id\ttag\n10\t5,6\n11\t7\n");
    read_data(2);
    ck_assert_uint_eq(data->fields[0].values, 4);
    ck_assert_uint_eq(data->rows, 3);
    dataset_free(data);
    read_data(3);
    ck_assert_uint_eq(data->rows, 2);
    ck_assert_uint_eq(data->fields[0].values, 3);
}
END_TEST

START_TEST(a_wrong_line_is_named)
{
    static const struct {
        const char *events, *impressions, *items, *text;
    } cases[] = {
        {"user\titem_id\n", IMPRESSIONS, NULL,
         "events.tsv:1: user_id 'user': the header line has another name here"},
        {EVENTS, IMPRESSIONS, NULL, "events.tsv: no events"},
        {"", IMPRESSIONS, NULL, "events.tsv: no header line"},
        {EVENTS "1\t2\tview\n", IMPRESSIONS, NULL, "events.tsv:2: 3 columns, the header has 4"},
        {EVENTS "1\tx\tview\t3\n", IMPRESSIONS, NULL,
         "events.tsv:2: item_id 'x': not a number from 0 to 18446744073709551615"},
        {EVENTS "1\t2\t\t3\n", IMPRESSIONS, NULL,
         "events.tsv:2: event_type '': not a name of 1 to 63 bytes without commas"},
        {EVENTS "1\t2\ta,b\t3\n", IMPRESSIONS, NULL,
         "events.tsv:2: event_type 'a,b': not a name of 1 to 63 bytes without commas"},
        {EVENTS "1\t2\tview\t-3\n", IMPRESSIONS, NULL,
         "events.tsv:2: timestamp_ms '-3': not a number from 0 to 9223372036854775807"},
        {EVENTS "1\t2\tview\t3\n", IMPRESSIONS "1\t2\t3\ttrain\t2\t0\n", NULL,
         "impressions.tsv:2: click '2': neither 0 nor 1"},
        {EVENTS "1\t2\tview\t3\n", IMPRESSIONS "1\t2\t3\tdev\t1\t0\n", NULL,
         "impressions.tsv:2: split 'dev': neither train, valid nor test"},
        {EVENTS "1\t2\tview\t3\n", "user_id\titem_id\ttimestamp_ms\tsplit\n", NULL,
         "impressions.tsv:1: task is column 5, the line has 4"},
        {EVENTS "1\t2\tview\t3\n", "user_id\titem_id\ttimestamp_ms\tsplit\ta\ta\n", NULL,
         "impressions.tsv:1: task 'a': a second column of this name"},
        {EVENTS "1\t2\tview\t3\n", IMPRESSIONS, "item_id\ttag\n1\t2\n1\t3\n",
         "items.tsv:3: item_id '1': stands in the file already"},
        {EVENTS "1\t2\tview\t3\n", IMPRESSIONS, "item_id\ttag\n1\t2,\n",
         "items.tsv:2: tag '2,': not ids joined by commas"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_all(cases[i].events, cases[i].impressions, cases[i].items);
        assert_refused(cases[i].text);
    }
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    log_folder_write(&folder, "events.tsv", EVENTS "1\t2\tview\t3\n");
    assert_refused("no file impressions.tsv.gz or impressions.tsv");
}
END_TEST

START_TEST(fingerprints_tell_data_apart)
{
    static const char impressions[] = IMPRESSIONS "1\t2\t9\ttrain\t1\t0\n";
    static const char *const events[] = {EVENTS "1\t2\tview\t3\n", EVENTS "1\t2\tview\t4\n",
                                         EVENTS "1\t3\tview\t3\n", EVENTS "1\t2\tclick\t3\n",
                                         EVENTS "1\t2\tview\t3\n"};
    uint64_t found[5];
    for (size_t i = 0; i < 5; i++) {
        write_all(events[i], impressions, NULL);
        read_data(0);
        found[i] = dataset_fingerprint(data);
        for (size_t before = 0; before < i; before++)
            ck_assert((found[before] == found[i]) == (before == 0 && i == 4));
        dataset_free(data);
        data = NULL;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_dataset");
    TCase *tests = tcase_create("dataset");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, events_and_impressions_are_sorted_by_user_and_time);
    tcase_add_test(tests, rare_items_are_the_unknown_one);
    tcase_add_test(tests, fields_have_the_values_of_their_rows);
    tcase_add_test(tests, rare_values_are_the_unknown_one);
    tcase_add_test(tests, a_wrong_line_is_named);
    tcase_add_test(tests, a_missing_file_is_named);
    tcase_add_test(tests, fingerprints_tell_data_apart);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
