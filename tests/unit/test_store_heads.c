/*
 * Heads of users in the store on disk, whose records are written now and then: what is read of one
 * is of the last event, whenever the store was closed and opened.
 */
#include "check_main.h"
#include "store_fixture.h"
#include "store_record.h"
#include "store_walk.h"

/* Appends and commits one event; returns what comes of the head. */
static history_info append(uint64_t user_id, event e)
{
    history_info info;
    size_t count = 1;
    store_code code = STORE_OK;
    ck_assert_int_eq(store_append(s, user_id, &e, &count, &info, &code), STORE_OK);
    ck_assert_int_eq(store_commit(s), STORE_OK);
    ck_assert_int_eq(code, STORE_OK);
    ck_assert_uint_eq(count, 1);
    return info;
}

static history_info info_of(uint64_t user_id)
{
    history_info info;
    ck_assert_int_eq(store_info(r, user_id, &info), STORE_OK);
    return info;
}

static void assert_same_info(const history_info *a, const history_info *b)
{
    ck_assert_uint_eq(a->sequence, b->sequence);
    ck_assert_uint_eq(a->first, b->first);
    ck_assert_uint_eq(a->cleared, b->cleared);
    ck_assert_uint_eq(a->born, b->born);
    ck_assert_int_eq(a->first_time_ms, b->first_time_ms);
    ck_assert_int_eq(a->last_time_ms, b->last_time_ms);
    ck_assert_uint_eq(a->bytes, b->bytes);
}

/* The record of a head may be of an earlier event: what is read is of the last one. */
START_TEST(a_head_is_of_the_last_event)
{
    for (uint64_t i = 1; i <= 3 * RECORD_HEAD_EVENTS; i++) {
        const event e = {
            .item_id = i, .id = i % 3 == 0 ? i : 0, .time_ms = (int64_t)(1000 + i * 37 % 100)};
        const history_info appended = append(5, e);
        ck_assert_uint_eq(appended.sequence, i);
        history_info found = info_of(5);
        assert_same_info(&found, &appended);
        if (i % 7 == 0) {
            close_stores();
            open_again();
            found = info_of(5);
            assert_same_info(&found, &appended);
        }
    }
    walk_totals totals;
    database_error error;
    ck_assert_msg(store_walk(d, NULL, NULL, &totals, &error), "%s", error.text);
    ck_assert_uint_eq(totals.events, 3 * RECORD_HEAD_EVENTS);
}
END_TEST

/* A store of an older format is one of the present format once it has been opened to write. */
START_TEST(an_older_format_is_taken_over)
{
    const history_info before = append(5, (event){.item_id = 1, .time_ms = 1});
    char *message = NULL;
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    rocksdb_put(database_handle(d), write, "mformat", 7, "\1\0\0\0", 4, &message);
    rocksdb_writeoptions_destroy(write);
    ck_assert_ptr_null(message);
    close_stores();
    open_again();
    const history_info after = info_of(5);
    assert_same_info(&after, &before);
    size_t count;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *value = rocksdb_get(database_handle(d), options, "mformat", 7, &count, &message);
    rocksdb_readoptions_destroy(options);
    ck_assert_ptr_null(message);
    ck_assert_uint_eq(count, 4);
    ck_assert_int_eq(value[0], RECORD_FORMAT);
    rocksdb_free(value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_heads");
    TCase *disk = tcase_create("disk");
    tcase_add_checked_fixture(disk, setup_disk, teardown_disk);
    tcase_add_test(disk, a_head_is_of_the_last_event);
    tcase_add_test(disk, an_older_format_is_taken_over);
    suite_add_tcase(suite, disk);
    return check_main(suite);
}
