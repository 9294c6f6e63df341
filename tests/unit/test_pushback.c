#include "check_main.h"
#include "limit.h"
#include "pushback.h"

enum { ASKED = 1000 };

/* The mean of what ASKED clients are asked for, all between the two. */
static double mean_ms(pushback *p, int64_t least, int64_t most)
{
    double sum = 0;
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < ASKED; i++) {
        const int64_t ms = pushback_ms(p);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
        sum += (double)ms;
    }
    ck_assert_int_ge(low, least);
    ck_assert_int_le(high, most);
    ck_assert_int_gt(high - low, (most - least) * 9 / 10); /* jittered over the whole range */
    return sum / ASKED;
}

/* One in `every` is served. */
static void load(pushback *p, int every)
{
    for (int i = 0; i < 10000; i++)
        pushback_note(p, i % every != 0);
}

START_TEST(it_grows_with_the_load)
{
    pushback p = {.random = 1};
    ck_assert_double_eq_tol(mean_ms(&p, 50, 150), 100, 5);
    load(&p, 3);
    ck_assert_double_eq_tol(mean_ms(&p, 140, 460), 300, 20);
    load(&p, 10);
    ck_assert_double_gt(mean_ms(&p, 480, 1540), 800);
    load(&p, 1);
    ck_assert_double_eq_tol(mean_ms(&p, 50, 150), 100, 5);
}
END_TEST

START_TEST(it_has_an_end)
{
    pushback p = {.random = 1};
    for (int i = 0; i < 100000; i++)
        pushback_note(&p, true);
    const int64_t most = (int64_t)LIMIT_PUSHBACK_MS * LIMIT_PUSHBACK_GROWTH;
    (void)mean_ms(&p, most / 2, most * 3 / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pushback");
    TCase *test = tcase_create("pushback");
    tcase_add_test(test, it_grows_with_the_load);
    tcase_add_test(test, it_has_an_end);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
