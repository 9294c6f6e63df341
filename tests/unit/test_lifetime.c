#include "check_main.h"
#include "lifetime.h"

static lifetime life;

static void begin(lifetime_options options, uint64_t now_ns)
{
    lifetime_init(&life, &options);
    ck_assert_uint_eq(lifetime_due(&life), 0);
    ck_assert_int_eq(lifetime_tick(&life, now_ns), LIFETIME_NOTHING);
}

START_TEST(test_no_options)
{
    lifetime_init(&life, &(lifetime_options){.max_age_grace_ns = 5, .keepalive_timeout_ns = 5});
    ck_assert_uint_eq(lifetime_due(&life), UINT64_MAX);
    ck_assert_int_eq(lifetime_tick(&life, 1000), LIFETIME_NOTHING);
    lifetime_heard(&life, 1000);
    ck_assert_uint_eq(lifetime_due(&life), UINT64_MAX);
}
END_TEST

START_TEST(test_age)
{
    begin((lifetime_options){.max_age_ns = 100, .max_age_grace_ns = 30}, 1000);
    ck_assert_uint_eq(lifetime_due(&life), 1100);
    lifetime_heard(&life, 1050);
    ck_assert_int_eq(lifetime_tick(&life, 1099), LIFETIME_NOTHING);
    ck_assert_int_eq(lifetime_tick(&life, 1105), LIFETIME_SHUTDOWN);
    ck_assert_int_eq(lifetime_tick(&life, 1105), LIFETIME_NOTHING);
    ck_assert_uint_eq(lifetime_due(&life), 1135);
    ck_assert_int_eq(lifetime_tick(&life, 1135), LIFETIME_END);
    ck_assert_uint_eq(lifetime_due(&life), UINT64_MAX);
}
END_TEST

START_TEST(test_age_without_a_grace_period)
{
    begin((lifetime_options){.max_age_ns = 100}, 0);
    ck_assert_int_eq(lifetime_tick(&life, 100), LIFETIME_SHUTDOWN);
    ck_assert_int_eq(lifetime_tick(&life, UINT64_MAX - 1), LIFETIME_NOTHING);
    ck_assert_uint_eq(lifetime_due(&life), UINT64_MAX);
}
END_TEST

START_TEST(test_a_peer_that_answers)
{
    begin((lifetime_options){.keepalive_ns = 100, .keepalive_timeout_ns = 20}, 0);
    for (uint64_t now = 0; now < 1000; now += 110) {
        ck_assert_uint_eq(lifetime_due(&life), now + 100);
        ck_assert_int_eq(lifetime_tick(&life, now + 99), LIFETIME_NOTHING);
        ck_assert_int_eq(lifetime_tick(&life, now + 100), LIFETIME_PING);
        ck_assert_uint_eq(lifetime_due(&life), now + 120);
        lifetime_heard(&life, now + 110);
    }
}
END_TEST

START_TEST(test_a_peer_that_is_gone)
{
    begin((lifetime_options){.keepalive_ns = 100, .keepalive_timeout_ns = 20}, 0);
    ck_assert_int_eq(lifetime_tick(&life, 100), LIFETIME_PING);
    ck_assert_int_eq(lifetime_tick(&life, 119), LIFETIME_NOTHING);
    ck_assert_int_eq(lifetime_tick(&life, 120), LIFETIME_END);
}
END_TEST

START_TEST(test_both)
{
    begin((lifetime_options){.max_age_ns = 100, .keepalive_ns = 60, .keepalive_timeout_ns = 40}, 0);
    ck_assert_uint_eq(lifetime_due(&life), 60);
    ck_assert_int_eq(lifetime_tick(&life, 100), LIFETIME_SHUTDOWN);
    ck_assert_int_eq(lifetime_tick(&life, 100), LIFETIME_PING);
    ck_assert_int_eq(lifetime_tick(&life, 100), LIFETIME_NOTHING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lifetime");
    TCase *tests = tcase_create("lifetime");
    tcase_add_test(tests, test_no_options);
    tcase_add_test(tests, test_age);
    tcase_add_test(tests, test_age_without_a_grace_period);
    tcase_add_test(tests, test_a_peer_that_answers);
    tcase_add_test(tests, test_a_peer_that_is_gone);
    tcase_add_test(tests, test_both);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
