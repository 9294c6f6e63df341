/* The journal of a training, and the page made of it. */
#include "journal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "check_main.h"
#include "file.h"
#include "log_folder.h"
#include "report.h"

static log_folder folder;
static const char *const tasks[] = {"a<b", "long view"};
static vql_error error;

static void set_up(void)
{
    log_folder_make(&folder);
}

static void tear_down(void)
{
    log_folder_remove(&folder);
}

static metrics_report make_report(double auc)
{
    metrics_report report = {.tasks = 2};
    for (uint32_t t = 0; t < 2; t++) {
        report.all[t] = (metrics){100, 40, auc, (double)NAN, 0.5};
        report.by_length[t][0] = (metrics){30, 10, auc - 0.1, (double)NAN, 0.6};
        report.by_length[t][3] = (metrics){70, 30, auc + 0.1, (double)NAN, 0.4};
    }
    return report;
}

static void add_epoch(journal *j, uint32_t epoch, double auc)
{
    static const float decay[2] = {1e-6F, 0.1F};
    static const float weight[4] = {0.5F, 0.5F, 0.9F, 0.1F};
    const metrics_report report = make_report(auc);
    const trainer_epoch said = {.epoch = epoch,
                                .quantized = epoch > 0,
                                .best = true,
                                .loss = 0.5,
                                .seconds = 2,
                                .operations = 3e9,
                                .peak = 6e9,
                                .impressions = 1000,
                                .validation = auc,
                                .groups = 1,
                                .health = {{12.5, 3, 1, 0.02}},
                                .kernels = 2,
                                .decay = decay,
                                .weight = weight};
    for (uint64_t step = 1; step <= 10; step++) {
        const trainer_step at = {.epoch = epoch, .step = epoch * 10 + step, .steps = 30};
        journal_steps(j, &at, 0.7 - 0.01 * (double)step, 0.001, 5000);
    }
    journal_epoch(j, &said, 2, &report, tasks);
}

/* How many lines of an event the journal has. */
static size_t count_lines(const journal *j, const char *event)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(j->lines); i++)
        count += strcmp(json_string_value(json_object_get(json_array_get(j->lines, i), "event")),
                        event) == 0;
    return count;
}

static void add_end(journal *j)
{
    const metrics_report report = make_report(0.7);
    const journal_error errors[] = {{1, 10, {0.2, 0.01, 0.1, 0.3}}, {3, 10, {0.2, 0.02, 0.1, 0.4}}};
    journal_end(j, "model <1>", &report, tasks, errors, 2);
}

START_TEST(a_line_is_an_object)
{
    journal j;
    const char *path = log_folder_file(&folder, "m.jsonl");
    ck_assert_int_eq(journal_open(&j, path, false, &error), VQL_OK);
    add_epoch(&j, 0, 0.6);
    add_end(&j);
    ck_assert(journal_close(&j));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char line[8192];
    size_t count = 0;
    json_t *last = NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        json_decref(last);
        last = json_loads(line, 0, NULL);
        ck_assert_ptr_nonnull(last);
        count++;
    }
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_uint_eq(count, 12);
    const json_t *task = json_object_get(json_object_get(last, "tasks"), "a<b");
    ck_assert_double_eq(json_real_value(json_object_get(task, "auc")), 0.7);
    ck_assert(json_is_null(json_object_get(task, "gauc")));
    const json_t *lengths = json_object_get(task, "by_length");
    ck_assert_uint_eq(json_array_size(lengths), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(lengths, 1), "from")), 50);
    json_decref(last);
}
END_TEST

START_TEST(a_resumed_journal_forgets_what_comes_again)
{
    journal j;
    const char *path = log_folder_file(&folder, "m.jsonl");
    ck_assert_int_eq(journal_open(&j, path, false, &error), VQL_OK);
    add_epoch(&j, 0, 0.6);
    add_epoch(&j, 1, 0.61);
    ck_assert(journal_close(&j));
    FILE *file = fopen(path, "a");
    ck_assert_int_ge(fputs("{\"event\":\"st", file), 0); /* cut short by a crash */
    ck_assert_int_eq(fclose(file), 0);

    ck_assert_int_eq(journal_open(&j, path, true, &error), VQL_OK);
    ck_assert_uint_eq(count_lines(&j, "step"), 20);
    add_epoch(&j, 1, 0.62);
    add_epoch(&j, 2, 0.63);
    ck_assert_uint_eq(count_lines(&j, "step"), 30);
    ck_assert_uint_eq(count_lines(&j, "epoch"), 3);
    ck_assert(journal_close(&j));
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_named)
{
    journal j;
    ck_assert_int_eq(journal_open(&j, "/nowhere/m", false, &error), VQL_FORMAT);
    ck_assert_str_eq(error.text, "metrics: /nowhere/m: No such file or directory");
}
END_TEST

START_TEST(a_report_needs_no_other_file)
{
    journal j;
    const char *path = log_folder_file(&folder, "m.html");
    ck_assert_int_eq(journal_open(&j, NULL, false, &error), VQL_OK);
    for (uint32_t epoch = 0; epoch < 3; epoch++)
        add_epoch(&j, epoch, 0.6 + 0.01 * epoch);
    add_end(&j);
    ck_assert_int_eq(report_write(&j, path), 0);
    ck_assert_int_eq(report_write(&j, "/nowhere/m"), ENOENT);
    ck_assert(journal_close(&j));
    size_t size;
    char *page = (char *)file_read(path, &size);
    page = realloc(page, size + 1);
    page[size] = '\0';
    static const char *const parts[] = {"Training loss",
                                        "AUC by epoch",
                                        "AUC by length of history",
                                        "Codewords in use",
                                        "Temporal kernel",
                                        "Attention over codewords",
                                        "Relative error of keys",
                                        "<h1>model &lt;1&gt;</h1>",
                                        ">a&lt;b</text>"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(page, parts[i]) != NULL, "%s", parts[i]);
    static const char *const strangers[] = {"<script", "src=", "href=", "@import", "url(", "nan"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        ck_assert_msg(strstr(page, strangers[i]) == NULL, "%s", strangers[i]);
    free(page);
}
END_TEST

START_TEST(a_report_of_nothing_is_a_page)
{
    journal j;
    ck_assert_int_eq(journal_open(&j, NULL, false, &error), VQL_OK);
    ck_assert_int_eq(report_write(&j, log_folder_file(&folder, "m.html")), 0);
    ck_assert(journal_close(&j));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_journal");
    TCase *tests = tcase_create("journal");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_line_is_an_object);
    tcase_add_test(tests, a_resumed_journal_forgets_what_comes_again);
    tcase_add_test(tests, a_file_that_cannot_be_made_is_named);
    tcase_add_test(tests, a_report_needs_no_other_file);
    tcase_add_test(tests, a_report_of_nothing_is_a_page);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
