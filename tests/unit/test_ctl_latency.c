/*
 * vqlctl's percentiles, progress lines, times and ranking.
 */
#include <string.h>

#include "check_main.h"
#include "ctl_latency.h"
#include "ctl_print.h"
#include "ctl_ranking.h"
#include "progress.h"

START_TEST(a_percentile_is_the_nearest_rank)
{
    uint64_t ns[200];
    for (size_t i = 0; i < 200; i++)
        ns[i] = (i * 77) % 200 + 1; /* 1 … 200 in some order */
    latency_sort(ns, 200);
    ck_assert_uint_eq(latency_percentile(ns, 200, 1), 2);
    ck_assert_uint_eq(latency_percentile(ns, 200, 50), 100);
    ck_assert_uint_eq(latency_percentile(ns, 200, 90), 180);
    ck_assert_uint_eq(latency_percentile(ns, 200, 99), 198);
    ck_assert_uint_eq(latency_percentile(ns, 200, 100), 200);
}
END_TEST

START_TEST(percentiles_of_few_are_among_them)
{
    uint64_t one[] = {7};
    for (unsigned p = 1; p <= 100; p++)
        ck_assert_uint_eq(latency_percentile(one, 1, p), 7);
    uint64_t five[] = {50, 15, 40, 20, 35};
    latency_sort(five, 5);
    ck_assert_uint_eq(latency_percentile(five, 5, 5), 15);
    ck_assert_uint_eq(latency_percentile(five, 5, 20), 15);
    ck_assert_uint_eq(latency_percentile(five, 5, 21), 20);
    ck_assert_uint_eq(latency_percentile(five, 5, 40), 20);
    ck_assert_uint_eq(latency_percentile(five, 5, 50), 35);
    ck_assert_uint_eq(latency_percentile(five, 5, 99), 50);
}
END_TEST

START_TEST(every_percentile_agrees_with_its_definition)
{
    uint64_t ns[333];
    for (size_t count = 1; count <= 333; count++) {
        for (size_t i = 0; i < count; i++)
            ns[i] = i + 1;
        for (unsigned p = 1; p <= 100; p++) {
            const uint64_t value = latency_percentile(ns, count, p);
            ck_assert(100 * value >= p * count);      /* at least p percent do not exceed it */
            ck_assert(100 * (value - 1) < p * count); /* which is not so for the one before it */
        }
    }
}
END_TEST

START_TEST(progress_says_how_much_and_how_long)
{
    char line[120];
    progress_format(line, sizeof line, true, "events", 10, 5000, 0.5);
    ck_assert_str_eq(line, "[###############...............]  50 %, ETA 0:10, 5000 events, "
                           "500 events/s");
    progress_format(line, sizeof line, false, "events", 100, 5000, 0.25);
    ck_assert_str_eq(line, " 25 %, ETA 5:00, 5000 events, 50 events/s");
    progress_format(line, sizeof line, true, "events", 2, 3, -1);
    ck_assert_str_eq(line, "3 events, 2 events/s");
    progress_format(line, sizeof line, true, "events", 0, 0, 0);
    ck_assert_str_eq(line, "[..............................]   0 %, ETA 0:00, 0 events, "
                           "0 events/s");
    progress_format(line, sizeof line, false, "events", 1e9, UINT64_MAX, 1e-9);
    ck_assert_str_eq(line, "  0 %, ETA 6000:00, 18446744073709551615 events, "
                           "18446744074 events/s");
    progress_format(line, sizeof line, true, "events", 1, 1, 2);
    ck_assert_ptr_nonnull(strstr(line, "[##############################] 100 %"));
}
END_TEST

/* How many bytes a progress writes when it is updated at these times. */
static long updates(bool terminal, uint64_t step_ns, unsigned count)
{
    FILE *out = tmpfile();
    ck_assert_ptr_nonnull(out);
    progress p;
    progress_start(&p, out, terminal, "events", 1000);
    long lines = 0;
    long length = 0;
    for (unsigned i = 1; i <= count; i++) {
        progress_update(&p, 1000 + i * step_ns, i, 0.5);
        lines += ftell(out) > length;
        length = ftell(out);
    }
    progress_end(&p);
    (void)fclose(out);
    return lines;
}

START_TEST(progress_is_shown_now_and_then)
{
    ck_assert_int_eq(updates(false, UINT64_C(1000000000), 20), 4); /* every five seconds */
    ck_assert_int_eq(updates(true, UINT64_C(50000000), 20), 10);   /* ten times a second */
}
END_TEST

START_TEST(times_are_for_people)
{
    char text[PRINT_TIME_BYTES];
    print_time(0, text);
    ck_assert_str_eq(text, "1970-01-01 00:00:00.000 UTC");
    print_time(INT64_C(1323433860007), text);
    ck_assert_str_eq(text, "2011-12-09 12:31:00.007 UTC");
    print_time(INT64_MAX, text);
    ck_assert_str_eq(text, "292278994-08-17 07:12:55.807 UTC");
}
END_TEST

START_TEST(candidates_are_ranked_by_the_first_task)
{
    uint64_t items[] = {10, 20, 30, 40};
    float scores[] = {0.1f, 0.9f, 0.5f, 0.2f, 0.5f, 0.1f, 0.7f, 0.0f};
    char click[] = "click";
    char like[] = "like";
    char *tasks[] = {click, like};
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    request.item_ids = items;
    request.n_item_ids = 4;
    Vql__V1__ScoreResponse answer = VQL__V1__SCORE_RESPONSE__INIT;
    answer.scores = scores;
    answer.n_scores = 8;
    answer.tasks = tasks;
    answer.n_tasks = 2;
    ranking r;
    ck_assert_ptr_null(ranking_make(&r, &request, &answer, 3));
    ck_assert_uint_eq(r.top, 3);
    ck_assert_uint_eq(r.order[0], 3);
    ck_assert_uint_eq(r.order[1], 1); /* equal scores stay in the order of the request */
    ck_assert_uint_eq(r.order[2], 2);
    ck_assert_uint_eq(r.order[3], 0);
    ranking_free(&r);
    ck_assert_ptr_null(ranking_make(&r, &request, &answer, 0));
    ck_assert_uint_eq(r.top, 4);
    ranking_free(&r);
    ck_assert_ptr_null(ranking_make(&r, &request, &answer, 100));
    ck_assert_uint_eq(r.top, 4);
    ranking_free(&r);
    answer.n_scores = 7;
    ck_assert_ptr_nonnull(ranking_make(&r, &request, &answer, 0));
    answer.n_scores = 6;
    ck_assert_ptr_nonnull(ranking_make(&r, &request, &answer, 0));
    answer.n_scores = 0;
    answer.n_tasks = 0;
    ck_assert_ptr_nonnull(ranking_make(&r, &request, &answer, 0));
}
END_TEST

static Suite *latency_suite(void)
{
    Suite *suite = suite_create("ctl_latency");
    TCase *percentiles = tcase_create("percentiles");
    tcase_add_test(percentiles, a_percentile_is_the_nearest_rank);
    tcase_add_test(percentiles, percentiles_of_few_are_among_them);
    tcase_add_test(percentiles, every_percentile_agrees_with_its_definition);
    suite_add_tcase(suite, percentiles);

    TCase *printing = tcase_create("printing");
    tcase_add_test(printing, progress_says_how_much_and_how_long);
    tcase_add_test(printing, progress_is_shown_now_and_then);
    tcase_add_test(printing, times_are_for_people);
    tcase_add_test(printing, candidates_are_ranked_by_the_first_task);
    suite_add_tcase(suite, printing);
    return suite;
}

int main(void)
{
    return check_main(latency_suite());
}
