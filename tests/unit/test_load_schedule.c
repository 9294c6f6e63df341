/*
 * vqlbench's schedules: how many calls are due, when, and at which rate.
 */
#include <math.h>

#include "check_main.h"
#include "load_schedule.h"
#include "load_search.h"

static load_plan plan(double rate, double rate_end, uint32_t steps)
{
    return (load_plan){.rate = rate,
                       .rate_end = rate_end,
                       .steps = steps,
                       .warmup_s = 1,
                       .duration_s = 10,
                       .seed = 3};
}

/* Counts the calls that are due in each second; returns how many there are in all. */
static uint64_t count_seconds(const load_plan *p, uint64_t seconds[12])
{
    load_schedule s;
    uint64_t total = 0;
    uint64_t last = 0;
    load_schedule_init(&s, p);
    for (uint64_t due; (due = load_schedule_next(&s)) != UINT64_MAX; total++) {
        ck_assert_uint_ge(due, last);
        last = due;
        ck_assert_uint_lt(due / 1000000000, 12);
        seconds[due / 1000000000]++;
    }
    ck_assert_uint_eq(load_schedule_next(&s), UINT64_MAX);
    return total;
}

START_TEST(a_constant_rate_is_even)
{
    const load_plan p = plan(1000, 1000, 0);
    load_schedule s;
    load_schedule_init(&s, &p);
    for (uint64_t i = 0; i < 11000; i++) {
        const uint64_t due = load_schedule_next(&s);
        ck_assert(fabs((double)due - 1e6 * (double)i) < 1000);
    }
    ck_assert_uint_eq(load_schedule_next(&s), UINT64_MAX);
}
END_TEST

START_TEST(a_line_rises_and_falls)
{
    const double ends[][2] = {{100, 2100}, {2100, 100}};
    for (int i = 0; i < 2; i++) {
        uint64_t seconds[12] = {0};
        const load_plan p = plan(ends[i][0], ends[i][1], 0);
        const double total = (double)count_seconds(&p, seconds);
        ck_assert(fabs(total - (ends[i][0] + 1100 * 10)) <= 2);
        ck_assert(fabs((double)seconds[0] - ends[i][0]) <= 1);
        for (int second = 1; second < 11; second++) {
            const double middle = ends[i][0] + (ends[i][1] - ends[i][0]) * (second - 0.5) / 10;
            ck_assert(fabs((double)seconds[second] - middle) <= 2);
            ck_assert(fabs(load_plan_rate(&p, second + 0.5) - middle) < 1e-6);
        }
    }
}
END_TEST

START_TEST(steps_include_both_ends)
{
    uint64_t seconds[12] = {0};
    const load_plan p = plan(100, 500, 5);
    (void)count_seconds(&p, seconds);
    ck_assert_uint_eq(seconds[0], 100);
    for (int second = 1; second < 11; second++) {
        const int step = (second - 1) / 2;
        ck_assert(fabs((double)seconds[second] - 100 * (step + 1)) <= 1);
        ck_assert(fabs(load_plan_rate(&p, second + 0.5) - 100 * (step + 1)) < 1e-9);
    }
    ck_assert(load_plan_rate(&p, 11.5) == 0);
}
END_TEST

START_TEST(poisson_gaps_are_exponential)
{
    load_plan p = plan(20000, 20000, 0);
    p.poisson = true;
    load_schedule s;
    load_schedule_init(&s, &p);
    double sum = 0;
    double squares = 0;
    double over = 0;
    double last = 0;
    double count = 0;
    for (uint64_t due; (due = load_schedule_next(&s)) != UINT64_MAX;) {
        const double gap = ((double)due - last) * 1e-9 * p.rate;
        last = (double)due;
        sum += gap;
        squares += gap * gap;
        over += gap > 2;
        count++;
    }
    /* 220,000 gaps: five standard errors of each figure. */
    ck_assert(fabs(sum / count - 1) < 0.011);
    ck_assert(fabs(squares / count - 2) < 0.05);
    ck_assert(fabs(over / count - exp(-2)) < 0.004);
    ck_assert(fabs(count - 220000) < 5 * sqrt(220000));
}
END_TEST

START_TEST(a_seed_is_a_schedule)
{
    load_plan p = plan(1000, 3000, 0);
    p.poisson = true;
    load_schedule a;
    load_schedule b;
    load_schedule_init(&a, &p);
    load_schedule_init(&b, &p);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(load_schedule_next(&a), load_schedule_next(&b));
    p.seed++;
    load_schedule_init(&b, &p);
    ck_assert_uint_ne(load_schedule_next(&a), load_schedule_next(&b));
}
END_TEST

START_TEST(a_search_finds_the_highest_rate)
{
    for (int i = 0; i < 16; i++) {
        const double limit = 3 * pow(2.7, i);
        load_search s;
        load_search_init(&s, 1000, 0.05);
        while (s.next > 0)
            load_search_tell(&s, s.next <= limit);
        ck_assert(s.holds <= limit && limit < s.fails);
        ck_assert(s.fails <= s.holds * 1.05);
        ck_assert_uint_lt(s.trials, LOAD_MAX_TRIALS);
    }
}
END_TEST

START_TEST(a_search_that_finds_nothing_ends)
{
    load_search s;
    load_search_init(&s, 1000, 0.05);
    while (s.next > 0)
        load_search_tell(&s, false);
    ck_assert(s.holds == 0);
    load_search_init(&s, 1000, 0.05);
    while (s.next > 0)
        load_search_tell(&s, true);
    ck_assert(s.holds >= 5e7 && s.fails == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load_schedule");
    TCase *cases = tcase_create("cases");
    suite_add_tcase(suite, cases);
    tcase_add_test(cases, a_constant_rate_is_even);
    tcase_add_test(cases, a_line_rises_and_falls);
    tcase_add_test(cases, steps_include_both_ends);
    tcase_add_test(cases, poisson_gaps_are_exponential);
    tcase_add_test(cases, a_seed_is_a_schedule);
    tcase_add_test(cases, a_search_finds_the_highest_rate);
    tcase_add_test(cases, a_search_that_finds_nothing_ends);
    return check_main(suite);
}
