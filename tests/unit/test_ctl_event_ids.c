/*
 * vqlctl's event ids: the same at every reading, different for different events.
 */
#include <stdlib.h>

#include "check_main.h"
#include "ctl_event_ids.h"

static uint64_t next(event_ids *ids, uint64_t user, uint64_t item, uint32_t type, int64_t time_ms)
{
    uint64_t id = 0;
    ck_assert(event_ids_next(ids, user, item, type, time_ms, &id));
    ck_assert_uint_ne(id, 0);
    return id;
}

START_TEST(every_part_of_an_event_counts)
{
    event_ids *ids = event_ids_new();
    ck_assert_ptr_nonnull(ids);
    const uint64_t id[] = {
        next(ids, 1, 5, 0, 100), next(ids, 1, 6, 0, 100), next(ids, 1, 5, 1, 100),
        next(ids, 1, 5, 0, 101), next(ids, 1, 5, 0, 100), next(ids, 1, 5, 0, 100),
        next(ids, 1, 0, 5, 100), next(ids, 1, 100, 0, 5), next(ids, 1, 0, 0, 0),
    };
    const size_t count = sizeof id / sizeof id[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(id[i], id[j]);
    event_ids_free(ids);
}
END_TEST

START_TEST(ids_are_the_same_at_every_reading)
{
    event_ids *first = event_ids_new();
    event_ids *second = event_ids_new();
    for (unsigned i = 0; i < 30000; i++) {
        const uint64_t user = i / 7000;
        const uint64_t item = (uint64_t)i * i % 97; /* many equal events */
        ck_assert_uint_eq(next(first, user, item, 0, 5), next(second, user, item, 0, 5));
    }
    event_ids_free(first);
    event_ids_free(second);
}
END_TEST

START_TEST(equal_events_count_wherever_they_stand_in_their_users_lines)
{
    event_ids *ids = event_ids_new();
    const uint64_t first = next(ids, 1, 5, 0, 100);
    for (unsigned i = 0; i < 10000; i++) /* the table grows several times */
        (void)next(ids, 1, 1000 + i, 0, 100);
    const uint64_t second = next(ids, 1, 5, 0, 100);
    ck_assert_uint_ne(first, second);
    const uint64_t other = next(ids, 2, 5, 0, 100); /* another user: a count of its own */
    ck_assert_uint_eq(other, first);
    ck_assert_uint_eq(next(ids, 2, 5, 0, 100), second);
    event_ids_free(ids);
}
END_TEST

START_TEST(user_zero_is_a_user)
{
    event_ids *ids = event_ids_new();
    const uint64_t first = next(ids, 0, 5, 0, 100);
    ck_assert_uint_ne(first, next(ids, 0, 5, 0, 100));
    ck_assert_uint_eq(first, next(ids, 3, 5, 0, 100));
    ck_assert_uint_eq(first, next(ids, 0, 5, 0, 100));
    event_ids_free(ids);
}
END_TEST

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

START_TEST(ids_of_many_events_are_all_different)
{
    enum { COUNT = 200000 };
    uint64_t *id = calloc(COUNT, sizeof *id);
    ck_assert_ptr_nonnull(id);
    event_ids *ids = event_ids_new();
    for (unsigned i = 0; i < COUNT; i++)
        id[i] = next(ids, 1, i % 100, i / 100 % 2, i / 1000);
    qsort(id, COUNT, sizeof *id, compare);
    for (unsigned i = 1; i < COUNT; i++)
        ck_assert_uint_ne(id[i], id[i - 1]);
    event_ids_free(ids);
    free(id);
}
END_TEST

static Suite *event_ids_suite(void)
{
    Suite *suite = suite_create("ctl_event_ids");
    TCase *ids = tcase_create("ids");
    tcase_set_timeout(ids, 60);
    tcase_add_test(ids, every_part_of_an_event_counts);
    tcase_add_test(ids, ids_are_the_same_at_every_reading);
    tcase_add_test(ids, equal_events_count_wherever_they_stand_in_their_users_lines);
    tcase_add_test(ids, user_zero_is_a_user);
    tcase_add_test(ids, ids_of_many_events_are_all_different);
    suite_add_tcase(suite, ids);
    return suite;
}

int main(void)
{
    return check_main(event_ids_suite());
}
