/* Figures against their definitions, pair by pair. */
#include "metrics.h"

#include <math.h>
#include <stdbool.h>

#include "check_main.h"
#include "random.h"

enum { COUNT = 400, TASKS = 2 };

static train_impression impressions[COUNT];
static float logits[COUNT * TASKS];
static metrics_report report;

/* What rounding in other orders of summation may do to figures between 0 and 1. */
static const double tolerance = 1e-12;

/* Random impressions of 9 users; logits are multiples of 1 / levels, so that many are equal. */
static void make_random(uint64_t seed, uint32_t levels)
{
    random_stream random = {seed};
    for (size_t i = 0; i < COUNT; i++) {
        impressions[i] = (train_impression){.user = (uint32_t)(i * 9 / COUNT),
                                            .history = random_below(&random, 300)};
        for (size_t t = 0; t < TASKS; t++) {
            impressions[i].labels[t] = (uint8_t)random_below(&random, 2);
            logits[i * TASKS + t] = (float)random_below(&random, levels) / (float)levels +
                                    impressions[i].labels[t] * 0.3F;
        }
    }
}

static void judge(size_t count, const uint32_t *columns)
{
    ck_assert_int_eq(metrics_judge(impressions, count, TASKS, columns, logits, &report), VQL_OK);
}

/* AUC of those for which chosen[i], by all pairs. */
static double pairs_auc(const bool *chosen, uint32_t task, size_t *count)
{
    double won = 0.0;
    double pairs = 0.0;
    *count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        *count += chosen[i];
        for (size_t j = 0; chosen[i] && impressions[i].labels[task] == 1 && j < COUNT; j++) {
            if (!chosen[j] || impressions[j].labels[task] == 1)
                continue;
            const float left = logits[i * TASKS + task];
            const float right = logits[j * TASKS + task];
            won += left > right ? 1.0 : left == right ? 0.5 : 0.0;
            pairs += 1.0;
        }
    }
    return won / pairs;
}

START_TEST(auc_is_the_part_of_pairs_in_order)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        make_random(seed, seed % 2 == 0 ? 5 : 100000);
        judge(COUNT, NULL);
        for (uint32_t t = 0; t < TASKS; t++) {
            size_t count;
            bool chosen[COUNT];
            for (size_t i = 0; i < COUNT; i++)
                chosen[i] = true;
            ck_assert_double_eq_tol(report.all[t].auc, pairs_auc(chosen, t, &count), tolerance);
            ck_assert_uint_eq(report.all[t].count, COUNT);
        }
    }
}
END_TEST

START_TEST(gauc_weighs_users_by_their_impressions)
{
    make_random(3, 7);
    for (size_t i = 0; i < COUNT; i++)
        if (impressions[i].user == 4) /* says nothing: all labels are the same */
            impressions[i].labels[0] = 1;
    judge(COUNT, NULL);
    double sum = 0.0;
    double weight = 0.0;
    for (uint32_t user = 0; user < 9; user++) {
        bool chosen[COUNT];
        size_t count;
        for (size_t i = 0; i < COUNT; i++)
            chosen[i] = impressions[i].user == user;
        const double auc = pairs_auc(chosen, 0, &count);
        if (user != 4) {
            sum += auc * (double)count;
            weight += (double)count;
        }
    }
    ck_assert_double_eq_tol(report.all[0].gauc, sum / weight, tolerance);
}
END_TEST

START_TEST(lengths_have_figures_of_their_own)
{
    make_random(5, 50);
    judge(COUNT, NULL);
    for (uint32_t b = 0; b < METRICS_BUCKETS; b++) {
        bool chosen[COUNT];
        size_t count;
        for (size_t i = 0; i < COUNT; i++)
            chosen[i] = impressions[i].history >= METRICS_FIRST[b] &&
                        (b + 1 == METRICS_BUCKETS || impressions[i].history < METRICS_FIRST[b + 1]);
        const double auc = pairs_auc(chosen, 1, &count);
        ck_assert_uint_eq(report.by_length[1][b].count, count);
        if (!isnan(auc))
            ck_assert_double_eq_tol(report.by_length[1][b].auc, auc, tolerance);
    }
}
END_TEST

START_TEST(log_loss_is_that_of_probabilities)
{
    make_random(6, 1000);
    judge(COUNT, NULL);
    double sum = 0.0;
    for (size_t i = 0; i < COUNT; i++) {
        const double p = 1.0 / (1.0 + exp(-(double)logits[i * TASKS]));
        sum -= log(impressions[i].labels[0] == 1 ? p : 1.0 - p);
    }
    ck_assert_double_eq_tol(report.all[0].log_loss, sum / COUNT, tolerance);
    impressions[0].labels[0] = 1; /* far from overflow where e^1000 is not */
    logits[0] = -1000.0F;
    judge(1, NULL);
    ck_assert_double_eq_tol(report.all[0].log_loss, 1000.0, 1e-9);
}
END_TEST

START_TEST(labels_come_from_the_columns_named)
{
    static const uint32_t columns[TASKS] = {1, 0};
    make_random(7, 100);
    judge(COUNT, columns);
    const size_t positives = report.all[0].positives;
    judge(COUNT, NULL);
    ck_assert_uint_eq(report.all[1].positives, positives);
}
END_TEST

START_TEST(what_cannot_be_told_is_no_number)
{
    make_random(8, 100);
    judge(0, NULL);
    ck_assert(isnan(report.all[0].auc) && isnan(report.all[0].log_loss));
    for (size_t i = 0; i < COUNT; i++)
        impressions[i].labels[0] = 1;
    judge(COUNT, NULL);
    ck_assert(isnan(report.all[0].auc) && isnan(report.all[0].gauc));
    ck_assert(!isnan(report.all[0].log_loss) && !isnan(report.all[1].auc));
    ck_assert(isnan(metrics_mean_auc(&report)));
    logits[1] = NAN;
    judge(COUNT, NULL);
    ck_assert(isnan(report.all[1].auc) && isnan(report.all[1].log_loss));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_test(tests, auc_is_the_part_of_pairs_in_order);
    tcase_add_test(tests, gauc_weighs_users_by_their_impressions);
    tcase_add_test(tests, lengths_have_figures_of_their_own);
    tcase_add_test(tests, log_loss_is_that_of_probabilities);
    tcase_add_test(tests, labels_come_from_the_columns_named);
    tcase_add_test(tests, what_cannot_be_told_is_no_number);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
