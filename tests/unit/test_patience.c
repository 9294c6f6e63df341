#include "check_main.h"
#include "patience.h"

#define MS UINT64_C(1000000)

static const uint64_t limits[PATIENCES] = {
    [PATIENCE_HANDSHAKE] = 100, [PATIENCE_HEADERS] = 50, [PATIENCE_IDLE] = 1000};

static patience p;

static void setup(void)
{
    patience_init(&p, limits);
}

START_TEST(nothing_is_due_at_first)
{
    ck_assert_uint_eq(patience_due(&p), UINT64_MAX);
    ck_assert_int_eq(patience_expired(&p, UINT64_MAX - 1), PATIENCES);
}
END_TEST

START_TEST(the_earliest_is_due_and_passes_once)
{
    patience_start(&p, PATIENCE_HANDSHAKE, 1000 * MS, false);
    patience_start(&p, PATIENCE_HEADERS, 1010 * MS, false);
    ck_assert_uint_eq(patience_due(&p), 1060 * MS);
    ck_assert_int_eq(patience_expired(&p, 1060 * MS - 1), PATIENCES);
    ck_assert_int_eq(patience_expired(&p, 1060 * MS), PATIENCE_HEADERS);
    ck_assert(!patience_runs(&p, PATIENCE_HEADERS));
    ck_assert_uint_eq(patience_due(&p), 1100 * MS);
    ck_assert_int_eq(patience_expired(&p, 1100 * MS), PATIENCE_HANDSHAKE);
    ck_assert_uint_eq(patience_due(&p), UINT64_MAX);
}
END_TEST

START_TEST(what_is_stopped_does_not_pass)
{
    patience_start(&p, PATIENCE_HEADERS, 0, false);
    patience_stop(&p, PATIENCE_HEADERS);
    ck_assert_int_eq(patience_expired(&p, 60 * MS), PATIENCES);
    patience_start(&p, PATIENCE_HEADERS, 60 * MS, false);
    patience_start(&p, PATIENCE_HEADERS, 90 * MS, false);
    ck_assert_int_eq(patience_expired(&p, 120 * MS), PATIENCES);
    ck_assert_int_eq(patience_expired(&p, 140 * MS), PATIENCE_HEADERS);
}
END_TEST

/* Started at a time long past: the limit counts from when that is seen. */
START_TEST(a_loose_start_is_not_held_against_anyone)
{
    patience_start(&p, PATIENCE_IDLE, 0, true);
    ck_assert_int_eq(patience_expired(&p, 50000 * MS), PATIENCES);
    ck_assert_uint_eq(patience_due(&p), 51000 * MS);
    ck_assert_int_eq(patience_expired(&p, 51000 * MS - 1), PATIENCES);
    ck_assert_int_eq(patience_expired(&p, 51000 * MS), PATIENCE_IDLE);
}
END_TEST

START_TEST(no_limit_never_passes)
{
    patience_start(&p, PATIENCE_WINDOW, 0, false);
    ck_assert(!patience_runs(&p, PATIENCE_WINDOW));
    ck_assert_uint_eq(patience_due(&p), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patience");
    TCase *test = tcase_create("patience");
    tcase_add_checked_fixture(test, setup, NULL);
    tcase_add_test(test, nothing_is_due_at_first);
    tcase_add_test(test, the_earliest_is_due_and_passes_once);
    tcase_add_test(test, what_is_stopped_does_not_pass);
    tcase_add_test(test, a_loose_start_is_not_held_against_anyone);
    tcase_add_test(test, no_limit_never_passes);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
