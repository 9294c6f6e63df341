/* Scores by the serving core, against the mathematics as it is written. */
#include "serving.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "log_folder.h"
#include "model_writer.h"
#include "random.h"
#include "vql/reference.h"

enum { USERS = 12, EVENTS = 2000, IMPRESSIONS = 300, TEXT_BYTES = 1 << 18, TASKS = 2 };

/* What float32 may make of logits that float64 says are about 1. */
static const double tolerance = 2e-4;

static log_folder folder;
static model_writer *writer;
static vql_model *model;
static vql_catalog *catalog;
static dataset *data;
static serving_match match;
static vql_error error;
static char text[TEXT_BYTES];

/* An item of the model, or now and then one that it does not know. */
static uint64_t random_item(random_stream *random)
{
    const uint32_t items = vql_model_shape(model)->items;
    const uint32_t row = random_below(random, items);
    return row > 0 ? (uint64_t)model_writer_i64(writer, "item.id")[row] : 424242;
}

static void write_events(random_stream *random)
{
    size_t used =
        (size_t)snprintf(text, sizeof text, "user_id\titem_id\tevent_type\ttimestamp_ms\n");
    for (int i = 0; i < EVENTS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%" PRIu32 "\t%" PRIu64 "\ttype%" PRIu32 "\t%" PRIu32 "\n",
                                 random_below(random, USERS) + 1, random_item(random),
                                 2 - random_below(random, 3), random_below(random, 1000000));
    log_folder_write(&folder, "events.tsv", text);
}

static void write_impressions(random_stream *random, const char *header)
{
    size_t used = (size_t)snprintf(text, sizeof text, "%s", header);
    for (int i = 0; i < IMPRESSIONS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%" PRIu32 "\t%" PRIu64 "\t%" PRIu32 "\ttest\t%d\t%d\n",
                                 random_below(random, USERS + 1) + 1, random_item(random),
                                 random_below(random, 100) * 10000, i % 2, i % 3 == 0);
    log_folder_write(&folder, "impressions.tsv", text);
}

static void set_up(void)
{
    random_stream random = {1};
    const model_spec spec = model_spec_default(1);
    writer = model_writer_new(&spec);
    model = model_writer_parse(writer);
    ck_assert_int_eq(vql_catalog_build(model, 1 << 20, NULL, &catalog, &error), VQL_OK);
    log_folder_make(&folder);
    write_events(&random);
    write_impressions(&random, "user_id\titem_id\ttimestamp_ms\tsplit\ttask1\ttask0\n");
    ck_assert_msg(dataset_read(folder.path, 0, &data, &error) == VQL_OK, "%s", error.text);
    ck_assert_int_eq(serving_match_make(data, catalog, &match, &error), VQL_OK);
}

static void tear_down(void)
{
    serving_match_free(&match);
    dataset_free(data);
    vql_catalog_free(catalog);
    vql_model_free(model);
    model_writer_free(writer);
    log_folder_remove(&folder);
}

/* The logits of an impression, over its last `most` events. */
static void expect(const train_impression *at, uint32_t most, double *logits)
{
    static vql_cache_event events[EVENTS];
    double o[VQL_MAX_WIDTH];
    const uint32_t skipped = at->history > most ? at->history - most : 0;
    for (uint32_t l = skipped; l < at->history; l++) {
        const train_event *event = &data->events[data->starts[at->user] + l];
        events[l - skipped] = (vql_cache_event){
            .time_ms = event->time_ms,
            .row = vql_catalog_row(catalog, data->item_ids[event->row]),
            .event_type = (uint32_t)(data->event_type_names[event->type][strlen("type")] - '0')};
    }
    const uint32_t row = vql_catalog_row(catalog, data->item_ids[at->row]);
    ck_assert_int_eq(vql_reference_attention(model, events, at->history - skipped, row, at->time_ms,
                                             VQL_KEYS_QUANTIZED, o, NULL),
                     VQL_OK);
    vql_reference_head(model, row, o, logits);
}

static void assert_scores(uint32_t max_history, uint32_t threads)
{
    static float logits[IMPRESSIONS * TASKS];
    const train_impressions *split = &data->splits[SPLIT_TEST];
    const serving_options options = {
        .format = VQL_CACHE_FP32, .max_history = max_history, .threads = threads};
    ck_assert_uint_eq(split->count, IMPRESSIONS);
    ck_assert_int_eq(serving_score(data, SPLIT_TEST, catalog, &match, &options, logits), VQL_OK);
    for (size_t i = 0; i < split->count; i++) {
        double expected[TASKS];
        expect(&split->at[i], max_history > 0 ? max_history : UINT32_MAX, expected);
        for (uint32_t t = 0; t < TASKS; t++)
            ck_assert_double_eq_tol((double)logits[i * TASKS + t], expected[t], tolerance);
    }
}

START_TEST(scores_are_those_of_the_reference)
{
    assert_scores(0, 1);
}
END_TEST

START_TEST(a_shorter_history_forgets)
{
    assert_scores(20, 1);
    assert_scores(1, 1);
}
END_TEST

START_TEST(threads_change_nothing)
{
    static float alone[IMPRESSIONS * TASKS];
    static float together[IMPRESSIONS * TASKS];
    serving_options options = {.format = VQL_CACHE_INT8, .threads = 1};
    ck_assert_int_eq(serving_score(data, SPLIT_TEST, catalog, &match, &options, alone), VQL_OK);
    options.threads = 4;
    ck_assert_int_eq(serving_score(data, SPLIT_TEST, catalog, &match, &options, together), VQL_OK);
    ck_assert_mem_eq(alone, together, sizeof alone);
}
END_TEST

START_TEST(tasks_have_the_columns_of_their_names)
{
    ck_assert_uint_eq(match.tasks, TASKS);
    ck_assert_uint_eq(match.columns[0], 1);
    ck_assert_uint_eq(match.columns[1], 0);
}
END_TEST

START_TEST(what_the_model_does_not_know_is_refused)
{
    serving_match other;
    (void)snprintf(data->event_type_names[1], DATASET_NAME_BYTES, "stare");
    ck_assert_int_eq(serving_match_make(data, catalog, &other, &error), VQL_MISMATCH);
    ck_assert_str_eq(error.text, "the model has no event type stare, the events do");
    data->event_types = 1;
    (void)snprintf(data->event_type_names[0], DATASET_NAME_BYTES, "type0");
    (void)snprintf(data->task_names[1], DATASET_NAME_BYTES, "buy");
    ck_assert_int_eq(serving_match_make(data, catalog, &other, &error), VQL_MISMATCH);
    ck_assert_str_eq(error.text, "the impressions have no column task0, a task of the model");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_serving");
    TCase *tests = tcase_create("serving");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, scores_are_those_of_the_reference);
    tcase_add_test(tests, a_shorter_history_forgets);
    tcase_add_test(tests, threads_change_nothing);
    tcase_add_test(tests, tasks_have_the_columns_of_their_names);
    tcase_add_test(tests, what_the_model_does_not_know_is_refused);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
