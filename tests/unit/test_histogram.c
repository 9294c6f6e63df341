/* Histograms: which bucket a value falls into, and what they add up to. */
#include "histogram.h"

#include "check_main.h"

START_TEST(values_fall_into_the_bucket_that_ends_with_them)
{
    histogram h = {0};
    histogram_total total = {0};
    const uint64_t values[] = {0, 1, 2, 3, 10000, 10001, UINT64_C(1) << 40};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        histogram_observe(&h, &histogram_items, values[i]);
        sum += values[i];
    }
    histogram_add(&total, &h);
    ck_assert_uint_eq(total.buckets[0], 2); /* up to 1 */
    ck_assert_uint_eq(total.buckets[1], 1); /* 2 */
    ck_assert_uint_eq(total.buckets[2], 1); /* 3 to 5 */
    ck_assert_uint_eq(total.buckets[histogram_items.count - 1], 1);
    ck_assert_uint_eq(total.buckets[histogram_items.count], 2);
    ck_assert_uint_eq(total.sum, sum);
}
END_TEST

START_TEST(bounds_grow_and_fit)
{
    const histogram_scale *const scales[] = {&histogram_seconds, &histogram_items};
    for (size_t s = 0; s < 2; s++) {
        ck_assert_uint_le(scales[s]->count, HISTOGRAM_BOUNDS);
        for (size_t i = 1; i < scales[s]->count; i++)
            ck_assert_uint_gt(scales[s]->bounds[i], scales[s]->bounds[i - 1]);
    }
}
END_TEST

START_TEST(several_add_up)
{
    histogram one = {0}, other = {0};
    histogram_total total = {0};
    histogram_observe(&one, &histogram_seconds, 25000);
    histogram_observe(&other, &histogram_seconds, 25001);
    histogram_observe(&other, &histogram_seconds, 1);
    histogram_add(&total, &one);
    histogram_add(&total, &other);
    ck_assert_uint_eq(total.buckets[0], 2);
    ck_assert_uint_eq(total.buckets[1], 1);
    ck_assert_uint_eq(total.sum, 50002);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("histogram");
    TCase *t = tcase_create("histogram");
    tcase_add_test(t, values_fall_into_the_bucket_that_ends_with_them);
    tcase_add_test(t, bounds_grow_and_fit);
    tcase_add_test(t, several_add_up);
    suite_add_tcase(s, t);
    return check_main(s);
}
