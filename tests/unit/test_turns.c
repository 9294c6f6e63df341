/* Who reads in a turn of the loop. */
#include "check_main.h"
#include "limit.h"
#include "turns.h"

enum { TURN_NS = LIMIT_TURN_US * 1000, MOST = 8, TURNS = 400 };

static turns all;
static turns_place places[MOST];
static uint64_t now_ns;

static void setup(void)
{
    all = (turns){0};
    for (int i = 0; i < MOST; i++)
        places[i] = TURNS_NOWHERE;
    now_ns = 1;
}

/* A connection that may read does so for a time. */
static bool reads(int i, uint64_t takes_ns)
{
    const bool may = turns_take(&all, &places[i], now_ns);
    if (may)
        now_ns += takes_ns;
    return may;
}

START_TEST(all_read_while_there_is_time)
{
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < MOST; i++)
            ck_assert(reads(i, TURN_NS / (2 * MOST)));
        turns_end(&all);
    }
}
END_TEST

START_TEST(who_was_denied_reads_first)
{
    ck_assert(reads(0, TURN_NS));
    ck_assert(!reads(1, 1));
    turns_end(&all);
    ck_assert(!reads(0, 1));
    ck_assert(reads(1, 1));
    ck_assert(reads(0, 1));
}
END_TEST

/* Each read takes the whole turn, and the loop asks in the same order, or in the other one. */
START_TEST(nobody_starves)
{
    const int count = 2 + _i / 2;
    int read[MOST] = {0};
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < count; i++) {
            const int which = _i % 2 ? count - 1 - i : i;
            read[which] += reads(which, TURN_NS);
        }
        turns_end(&all);
    }
    for (int i = 0; i < count; i++)
        ck_assert_int_ge(read[i], TURNS / count / 2);
}
END_TEST

/* One that has nothing to read any more, and is gone, keeps nobody waiting. */
START_TEST(who_leaves_is_not_waited_for)
{
    ck_assert(reads(0, TURN_NS));
    ck_assert(!reads(1, 1));
    turns_leave(&all, &places[1]);
    turns_leave(&all, &places[1]);
    turns_end(&all);
    ck_assert(reads(0, 1));
    ck_assert_uint_eq(all.waiting[TURNS_EVEN] + all.waiting[TURNS_ODD], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *test = tcase_create("turns");
    tcase_add_checked_fixture(test, setup, NULL);
    tcase_add_test(test, all_read_while_there_is_time);
    tcase_add_test(test, who_was_denied_reads_first);
    tcase_add_loop_test(test, nobody_starves, 0, 2 * (MOST - 1));
    tcase_add_test(test, who_leaves_is_not_waited_for);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
