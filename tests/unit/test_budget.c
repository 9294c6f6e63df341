#include <nghttp2/nghttp2.h>

#include "budget.h"
#include "check_main.h"

#define MS UINT64_C(1000000)

START_TEST(a_full_bucket_is_spent_and_fills_slowly)
{
    budget b;
    budget_init(&b, 10 * MS);
    ck_assert(budget_pay(&b, 10 * MS, 1000));
    ck_assert(!budget_pay(&b, 1, 1000));
    ck_assert(!budget_pay(&b, MS, 1000 + BUDGET_PART * MS - BUDGET_PART));
    ck_assert(budget_pay(&b, MS, 1000 + BUDGET_PART * MS));
    ck_assert(!budget_pay(&b, 1, 1000 + BUDGET_PART * MS));
    ck_assert(budget_pay(&b, 10 * MS, UINT64_MAX));
    ck_assert(!budget_pay(&b, 1, UINT64_MAX));
}
END_TEST

START_TEST(what_is_earned_fits_the_bucket)
{
    budget b;
    budget_init(&b, 10 * MS);
    budget_earn(&b, UINT64_MAX);
    ck_assert(budget_pay(&b, 10 * MS, 0));
    budget_earn(&b, 3 * MS);
    ck_assert(!budget_pay(&b, 4 * MS, 0));
    ck_assert(budget_pay(&b, 3 * MS, 0));
}
END_TEST

START_TEST(no_limit_is_never_spent)
{
    budget b;
    budget_init(&b, 0);
    ck_assert(budget_pay(&b, UINT64_MAX, 0));
}
END_TEST

/* As many calls cancelled a second, for a minute, as a client with tight deadlines makes. */
START_TEST(hundreds_of_cancellations_a_second_are_paid_for)
{
    budget b;
    budget_init(&b, 100 * MS);
    const uint64_t cost = BUDGET_CALL_NS + BUDGET_CONTROL_NS + BUDGET_RESET_NS;
    for (uint64_t i = 0; i < 60 * 1000; i++)
        ck_assert(budget_pay(&b, cost, i * MS));
    uint64_t at_once = 0;
    while (budget_pay(&b, cost, 60000 * MS))
        at_once++;
    ck_assert_uint_gt(at_once, 2000);
    ck_assert_uint_lt(at_once, 4000);
}
END_TEST

static uint64_t cost_of(uint8_t type, uint8_t flags, uint8_t length)
{
    return budget_frame_ns((const uint8_t[9]){0, 0, length, type, flags, 0, 0, 0, 1});
}

START_TEST(data_is_free_and_nothing_else)
{
    ck_assert_uint_eq(cost_of(NGHTTP2_DATA, 0, 1), 0);
    ck_assert_uint_eq(cost_of(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 0), 0);
    ck_assert_uint_gt(cost_of(NGHTTP2_DATA, 0, 0), 0);
    ck_assert_uint_gt(cost_of(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 4), 0);
    for (unsigned type = 1; type <= 255; type++)
        ck_assert_uint_gt(cost_of((uint8_t)type, 0, 4), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budget");
    TCase *test = tcase_create("budget");
    tcase_add_test(test, a_full_bucket_is_spent_and_fills_slowly);
    tcase_add_test(test, what_is_earned_fits_the_bucket);
    tcase_add_test(test, no_limit_is_never_spent);
    tcase_add_test(test, hundreds_of_cancellations_a_second_are_paid_for);
    tcase_add_test(test, data_is_free_and_nothing_else);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
