/*
 * The rule on a made-up clock, and a queue under it: requests that come three times as fast as they
 * are served.
 */
#include "check_main.h"
#include "shedder.h"

#define MS UINT64_C(1000000)
#define US UINT64_C(1000)

enum { MANY = 1000 };

START_TEST(a_burst_may_wait_an_interval)
{
    shedder s;
    shedder_init(&s, 5 * MS, 100 * MS);
    shedder_empty(&s, 1000 * MS);
    ck_assert(!shedder_is_standing(&s, 1100 * MS));
    ck_assert(!shedder_sheds(&s, MANY, 1000 * MS, 1100 * MS));
    ck_assert(shedder_sheds(&s, MANY, 999 * MS, 1100 * MS));
}
END_TEST

START_TEST(a_standing_queue_may_be_as_long_as_the_target)
{
    shedder s;
    shedder_init(&s, 5 * MS, 100 * MS);
    shedder_empty(&s, 1000 * MS);
    const uint64_t now = 1100 * MS + 1;
    ck_assert(shedder_is_standing(&s, now));
    ck_assert(!shedder_sheds(&s, MANY, now - 5 * MS, now));
    ck_assert(shedder_sheds(&s, MANY, now - 5 * MS - 1, now));
    shedder_empty(&s, now); /* which does not end what had to refuse just now */
    ck_assert(shedder_sheds(&s, MANY, now - 5 * MS - 1, now));
    ck_assert(shedder_refuses(&s, MANY, now + 99 * MS));
    ck_assert(!shedder_refuses(&s, 1, now + 99 * MS));
    shedder_empty(&s, now + 200 * MS);
    ck_assert(!shedder_is_standing(&s, now + 200 * MS));
    ck_assert(!shedder_refuses(&s, MANY, now + 200 * MS));
    ck_assert(!shedder_sheds(&s, MANY, now + 190 * MS, now + 200 * MS));
}
END_TEST

START_TEST(a_request_from_later_has_not_waited)
{
    shedder s;
    shedder_init(&s, 5 * MS, 100 * MS);
    ck_assert(!shedder_sheds(&s, MANY, 300 * MS, 200 * MS));
    ck_assert(!shedder_sheds(&s, MANY, UINT64_MAX, 200 * MS));
}
END_TEST

/* After a pause of the thread's, what waits is served as far as that is soon done. */
START_TEST(a_short_queue_is_not_shed)
{
    shedder s;
    shedder_init(&s, 5 * MS, 100 * MS);
    shedder_begin(&s, 1000 * MS);
    for (uint64_t i = 1; i <= 200; i++)
        shedder_served(&s, 1000 * MS + i * 100 * US);
    shedder_empty(&s, 1020 * MS);
    ck_assert(!shedder_sheds(&s, 40, 1020 * MS, 2000 * MS));
    ck_assert(shedder_sheds(&s, 60, 1020 * MS, 2000 * MS));
    shedder_served(&s, 2000 * MS); /* a second for one, and not the way it goes on */
    ck_assert(!shedder_sheds(&s, 8, 1020 * MS, 2000 * MS));
}
END_TEST

/*
 * One request takes 300 us and a third of that passes between two: served are as many as can be,
 * and from the second interval on none that has waited longer than the target.
 */
START_TEST(three_times_the_load_serves_what_fits_soon)
{
    const uint64_t service = 300 * US;
    const uint64_t gap = 100 * US;
    const uint64_t end = 2000 * MS;
    shedder s;
    shedder_init(&s, 5 * MS, 100 * MS);
    uint64_t arrival = 0;
    uint64_t longest = 0;
    unsigned served = 0;
    for (uint64_t now = gap; now < end; arrival += gap) {
        ck_assert_uint_le(arrival, now); /* the queue never runs empty */
        if (shedder_sheds(&s, (now - arrival) / gap + 1, arrival, now))
            continue;
        if (now > 300 * MS && now - arrival > longest)
            longest = now - arrival;
        served++;
        now += service;
        shedder_served(&s, now);
    }
    ck_assert_uint_ge(served, (unsigned)(end / service) - 1);
    ck_assert_uint_le(longest, 5 * MS);
    ck_assert_uint_gt(longest, 4 * MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shedder");
    TCase *test = tcase_create("shedder");
    tcase_add_test(test, a_burst_may_wait_an_interval);
    tcase_add_test(test, a_standing_queue_may_be_as_long_as_the_target);
    tcase_add_test(test, a_request_from_later_has_not_waited);
    tcase_add_test(test, a_short_queue_is_not_shed);
    tcase_add_test(test, three_times_the_load_serves_what_fits_soon);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
