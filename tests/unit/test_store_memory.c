#include "check_main.h"
#include "store.h"

static store *s;

static void setup(void)
{
    s = store_memory_open();
    ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
    store_close(s);
}

static event make_event(uint64_t item_id, uint64_t id, int64_t time_ms)
{
    return (event){.item_id = item_id, .id = id, .time_ms = time_ms};
}

START_TEST(a_user_without_history_is_zeros)
{
    const history_info info = store_info(s, 5);
    event out;
    ck_assert_uint_eq(info.sequence, 0);
    ck_assert_uint_eq(info.bytes, 0);
    ck_assert_uint_eq(store_read(s, 5, 1, &out, 1), 0);
    ck_assert_uint_eq(store_erase(s, 5), 0);
}
END_TEST

START_TEST(numbers_events_from_one)
{
    event events[] = {make_event(10, 0, 300), make_event(11, 0, 100), make_event(12, 0, 200)};
    size_t count = 3;
    uint64_t sequence;
    ck_assert(store_append(s, 5, events, &count, &sequence));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(sequence, 3);
    const history_info info = store_info(s, 5);
    ck_assert_uint_eq(info.sequence, 3);
    ck_assert_int_eq(info.first_time_ms, 100);
    ck_assert_int_eq(info.last_time_ms, 300);

    event out[3];
    ck_assert_uint_eq(store_read(s, 5, 2, out, 3), 2);
    ck_assert_uint_eq(out[0].item_id, 11);
    ck_assert_uint_eq(out[1].item_id, 12);
    ck_assert_uint_eq(store_read(s, 5, 1, out, 1), 1);
    ck_assert_uint_eq(out[0].item_id, 10);
    ck_assert_uint_eq(store_read(s, 5, 4, out, 3), 0);
    ck_assert_uint_eq(store_read(s, 5, 0, out, 3), 0);
}
END_TEST

START_TEST(applies_an_id_once)
{
    event events[] = {make_event(1, 77, 1), make_event(2, 77, 2), make_event(3, 0, 3),
                      make_event(4, 0, 4), make_event(5, 78, 5)};
    size_t count = 5;
    uint64_t sequence;
    ck_assert(store_append(s, 5, events, &count, &sequence));
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(sequence, 4);
    ck_assert_uint_eq(events[1].item_id, 3);
    ck_assert_uint_eq(events[3].item_id, 5);

    event again[] = {make_event(1, 78, 1), make_event(9, 0, 9)};
    count = 2;
    ck_assert(store_append(s, 5, again, &count, &sequence));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(again[0].item_id, 9);
    ck_assert_uint_eq(sequence, 5);

    /* Ids belong to one user. */
    event other[] = {make_event(1, 77, 1)};
    count = 1;
    ck_assert(store_append(s, 6, other, &count, &sequence));
    ck_assert_uint_eq(count, 1);
}
END_TEST

/* What an append would leave out can be asked for without one. */
START_TEST(drops_what_was_applied)
{
    event events[] = {make_event(1, 77, 1)};
    size_t count = 1;
    uint64_t sequence;
    ck_assert(store_append(s, 5, events, &count, &sequence));
    for (uint64_t user = 5; user <= 6; user++) {
        event asked[] = {make_event(2, 77, 1), make_event(3, 0, 1), make_event(4, 78, 1),
                         make_event(5, 78, 1)};
        count = 4;
        ck_assert(store_drop_applied(s, user, asked, &count));
        ck_assert_uint_eq(count, user == 5 ? 2 : 3);
        ck_assert_uint_eq(asked[count - 1].item_id, 4);
    }
    ck_assert_uint_eq(store_info(s, 5).sequence, 1);
    ck_assert_uint_eq(store_info(s, 6).sequence, 0);
}
END_TEST

START_TEST(erases_everything)
{
    event events[] = {make_event(1, 77, 1), make_event(2, 0, 2)};
    size_t count = 2;
    uint64_t sequence;
    ck_assert(store_append(s, 5, events, &count, &sequence));
    ck_assert_uint_eq(store_erase(s, 5), 2);
    ck_assert_uint_eq(store_info(s, 5).sequence, 0);
    count = 1;
    ck_assert(store_append(s, 5, events, &count, &sequence));
    ck_assert_uint_eq(count, 1); /* the id is new again */
    ck_assert_uint_eq(sequence, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_memory");
    TCase *test = tcase_create("store_memory");
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_user_without_history_is_zeros);
    tcase_add_test(test, numbers_events_from_one);
    tcase_add_test(test, applies_an_id_once);
    tcase_add_test(test, drops_what_was_applied);
    tcase_add_test(test, erases_everything);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
