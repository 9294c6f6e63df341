/* Prometheus' text format: what a family looks like, and what becomes of odd labels. */
#include "exposition.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

static FILE *out;
static char *bytes;
static size_t count;

static void setup(void)
{
    out = open_memstream(&bytes, &count);
    ck_assert_ptr_nonnull(out);
}

static void teardown(void)
{
    free(bytes);
}

static void check(const char *expected)
{
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(bytes, expected);
}

START_TEST(a_family_is_described_once)
{
    const exposition_labels labels = {2, {{"by", "client"}, {"shard", "0"}}};
    exposition_family(out, "vql_resets_total", "counter", "Resets.");
    exposition_number(out, "vql_resets_total", &labels, UINT64_MAX);
    exposition_gauge(out, "vql_up", "Whether it is.", 0.5);
    check("# HELP vql_resets_total Resets.\n"
          "# TYPE vql_resets_total counter\n"
          "vql_resets_total{by=\"client\",shard=\"0\"} 18446744073709551615\n"
          "# HELP vql_up Whether it is.\n"
          "# TYPE vql_up gauge\n"
          "vql_up 0.5\n");
}
END_TEST

START_TEST(labels_are_escaped)
{
    const exposition_labels labels = {1, {{"model", "a\\b\"c\nd"}}};
    exposition_number(out, "m", &labels, 1);
    check("m{model=\"a\\\\b\\\"c\\nd\"} 1\n");
}
END_TEST

START_TEST(buckets_are_cumulative)
{
    const histogram_scale scale = {.count = 2, .bounds = {500000, 1000000000}, .unit = 1e-9};
    const histogram_total total = {.buckets = {3, 2, 1}, .sum = 2500000000};
    const exposition_labels labels = {1, {{"lane", "short"}}};
    exposition_histogram(out, "wait_seconds", &labels, &scale, &total);
    check("wait_seconds_bucket{lane=\"short\",le=\"0.0005\"} 3\n"
          "wait_seconds_bucket{lane=\"short\",le=\"1\"} 5\n"
          "wait_seconds_bucket{lane=\"short\",le=\"+Inf\"} 6\n"
          "wait_seconds_sum{lane=\"short\"} 2.5\n"
          "wait_seconds_count{lane=\"short\"} 6\n");
}
END_TEST

START_TEST(a_histogram_without_labels)
{
    const histogram_scale scale = {.count = 1, .bounds = {10}, .unit = 1};
    const histogram_total total = {.buckets = {1, 0}, .sum = 7};
    exposition_histogram(out, "size", NULL, &scale, &total);
    check("size_bucket{le=\"10\"} 1\nsize_bucket{le=\"+Inf\"} 1\nsize_sum 7\nsize_count 1\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exposition");
    TCase *t = tcase_create("exposition");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_family_is_described_once);
    tcase_add_test(t, labels_are_escaped);
    tcase_add_test(t, buckets_are_cumulative);
    tcase_add_test(t, a_histogram_without_labels);
    suite_add_tcase(s, t);
    return check_main(s);
}
