/*
 * What every store must do, of the store in memory, of the one on disk and of the one in Redis; and
 * what only those can: be closed and opened again, and find what is broken.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "store_fixture.h"

enum { MANY = 1000 };

static event make_event(uint64_t item_id, uint64_t id, int64_t time_ms)
{
    return (event){.item_id = item_id, .id = id, .time_ms = time_ms, .type = (uint32_t)item_id % 7};
}

/* Appends and commits; returns how many were new. */
static size_t append(uint64_t user_id, event *events, size_t count, history_info *info)
{
    store_code code = STORE_OK;
    ck_assert_int_eq(store_append(s, user_id, events, &count, info, &code), STORE_OK);
    ck_assert_int_eq(store_commit(s), STORE_OK);
    ck_assert_int_eq(code, STORE_OK);
    return count;
}

static history_info info_of(uint64_t user_id)
{
    history_info info;
    ck_assert_int_eq(store_info(r, user_id, &info), STORE_OK);
    return info;
}

static size_t read_from(uint64_t user_id, uint64_t first, event *out, size_t max)
{
    size_t count;
    ck_assert_int_eq(store_read(r, user_id, first, out, max, &count), STORE_OK);
    return count;
}

static uint64_t erase(uint64_t user_id)
{
    uint64_t erased;
    ck_assert_int_eq(store_erase(s, user_id, &erased), STORE_OK);
    return erased;
}

START_TEST(a_user_without_history_is_zeros)
{
    const history_info info = info_of(5);
    event out;
    ck_assert_uint_eq(info.sequence, 0);
    ck_assert_uint_eq(info.bytes, 0);
    ck_assert_uint_eq(read_from(5, 1, &out, 1), 0);
    ck_assert_uint_eq(erase(5), 0);
}
END_TEST

START_TEST(numbers_events_from_one)
{
    event events[] = {make_event(10, 0, 300), make_event(11, 0, 100), make_event(12, 0, 200)};
    history_info info;
    ck_assert_uint_eq(append(5, events, 3, &info), 3);
    ck_assert_uint_eq(info.sequence, 3);
    info = info_of(5);
    ck_assert_uint_eq(info.sequence, 3);
    ck_assert_int_eq(info.first_time_ms, 100);
    ck_assert_int_eq(info.last_time_ms, 300);
    ck_assert_uint_gt(info.bytes, 0);

    event out[3];
    ck_assert_uint_eq(read_from(5, 2, out, 3), 2);
    ck_assert_uint_eq(out[0].item_id, 11);
    ck_assert_uint_eq(out[1].item_id, 12);
    ck_assert_uint_eq(read_from(5, 1, out, 1), 1);
    ck_assert_uint_eq(out[0].item_id, 10);
    ck_assert_uint_eq(read_from(5, 4, out, 3), 0);
    ck_assert_uint_eq(read_from(5, 0, out, 3), 0);
}
END_TEST

START_TEST(applies_an_id_once)
{
    event events[] = {make_event(1, 77, 1), make_event(2, 77, 2), make_event(3, 0, 3),
                      make_event(4, 0, 4), make_event(5, 78, 5)};
    history_info info;
    ck_assert_uint_eq(append(5, events, 5, &info), 4);
    ck_assert_uint_eq(info.sequence, 4);
    ck_assert_uint_eq(events[1].item_id, 3);
    ck_assert_uint_eq(events[3].item_id, 5);

    event again[] = {make_event(1, 78, 1), make_event(9, 0, 9)};
    ck_assert_uint_eq(append(5, again, 2, &info), 1);
    ck_assert_uint_eq(again[0].item_id, 9);
    ck_assert_uint_eq(info.sequence, 5);

    event known[] = {make_event(1, 78, 1)};
    ck_assert_uint_eq(append(5, known, 1, &info), 0);
    ck_assert_uint_eq(info.sequence, 5);

    /* Ids belong to one user. */
    event other[] = {make_event(1, 77, 1)};
    ck_assert_uint_eq(append(6, other, 1, &info), 1);
}
END_TEST

/* Appends that share a commit see each other. */
START_TEST(a_commit_is_of_many_appends)
{
    enum { APPENDS = 10 };
    history_info infos[APPENDS];
    event events[APPENDS][2];
    size_t counts[APPENDS];
    store_code codes[APPENDS] = {STORE_OK};
    for (uint64_t i = 0; i < APPENDS; i++) {
        events[i][0] = make_event(i, 1 + i / 2, 1);
        events[i][1] = make_event(100 + i, 0, 2);
        counts[i] = 2;
        ck_assert_int_eq(store_append(s, 5, events[i], &counts[i], &infos[i], &codes[i]), STORE_OK);
    }
    ck_assert_int_eq(store_commit(s), STORE_OK);
    for (uint64_t i = 0; i < APPENDS; i++) {
        ck_assert_int_eq(codes[i], STORE_OK);
        ck_assert_uint_eq(counts[i], i % 2 == 0 ? 2 : 1);
        ck_assert_uint_eq(infos[i].sequence, i / 2 * 3 + (i % 2 == 0 ? 2 : 3));
    }
    ck_assert_uint_eq(info_of(5).sequence, 15);
}
END_TEST

/* What an append would leave out can be asked for without one. */
START_TEST(drops_what_was_applied)
{
    event events[] = {make_event(1, 77, 1)};
    history_info info;
    (void)append(5, events, 1, &info);
    for (uint64_t user = 5; user <= 6; user++) {
        for (int round = 0; round < 2; round++) {
            event asked[] = {make_event(2, 77, 1), make_event(3, 0, 1), make_event(4, 78, 1),
                             make_event(5, 78, 1)};
            size_t count = 4;
            ck_assert_int_eq(store_drop_applied(r, user, asked, &count), STORE_OK);
            ck_assert_uint_eq(count, user == 5 ? 2 : 3);
            ck_assert_uint_eq(asked[count - 1].item_id, 4);
        }
    }
    ck_assert_uint_eq(info_of(5).sequence, 1);
    ck_assert_uint_eq(info_of(6).sequence, 0);
}
END_TEST

START_TEST(erases_everything)
{
    event events[] = {make_event(1, 77, 1), make_event(2, 0, 2)};
    event others[] = {make_event(1, 77, 1)};
    history_info info;
    (void)append(5, events, 2, &info);
    (void)append(4, others, 1, &info);
    (void)append(6, others, 1, &info);
    const uint64_t born = info_of(5).born;
    ck_assert_uint_eq(erase(5), 2);
    ck_assert_uint_eq(info_of(5).sequence, 0);
    ck_assert_uint_eq(info_of(4).sequence, 1);
    ck_assert_uint_eq(info_of(6).sequence, 1);
    ck_assert_uint_eq(append(5, events, 1, &info), 1); /* the id is new again */
    ck_assert_uint_eq(info.sequence, 1);
    ck_assert(!d || info.born != born);
    ck_assert_uint_eq(read_from(5, 1, others, 1), 1);
}
END_TEST

/* Any part of a long history that came in pieces of any size is read alike. */
/* Trims to the events from `first` on; returns what is known of the user then. */
static history_info trim(uint64_t user_id, uint64_t first, int64_t first_time_ms,
                         int64_t last_time_ms)
{
    history_info left = info_of(user_id);
    left.first = first;
    left.first_time_ms = first_time_ms;
    left.last_time_ms = last_time_ms;
    ck_assert_int_eq(store_trim(s, user_id, &left), STORE_OK);
    ck_assert_int_eq(store_commit(s), STORE_OK);
    return info_of(user_id);
}

/* Takes out what was trimmed, so many events at a time. */
static void purge(uint64_t user_id, size_t most)
{
    bool more = true;
    while (more) {
        ck_assert_int_eq(store_purge(s, user_id, most, &more), STORE_OK);
        ck_assert_int_eq(store_commit(s), STORE_OK);
    }
}

START_TEST(what_is_trimmed_is_gone)
{
    event events[MANY], out[MANY];
    history_info info;
    for (uint64_t i = 0; i < MANY; i++)
        events[i] = make_event(i + 1, i + 1, (int64_t)i * 10);
    for (size_t i = 0; i < MANY; i += 40)
        (void)append(5, events + i, 40, &info);
    ck_assert_uint_eq(info.first, 1);
    const history_info before = info;
    info = trim(5, 501, 5000, 9990);
    ck_assert_uint_eq(info.sequence, MANY);
    ck_assert_uint_eq(info.first, 501);
    ck_assert_int_eq(info.first_time_ms, 5000);
    ck_assert(info.born != before.born);
    ck_assert_uint_eq(read_from(5, 501, out, MANY), MANY - 500);
    ck_assert_uint_eq(out[0].item_id, 501);

    event again[] = {make_event(1, 500, 0), make_event(2, 501, 0)};
    ck_assert_uint_eq(append(5, again, 2, &info), 0); /* until it is purged */
    purge(5, 100);
    info = info_of(5);
    ck_assert_uint_eq(info.cleared, 501);
    ck_assert_uint_lt(info.bytes, before.bytes);
    ck_assert_uint_eq(read_from(5, 501, out, MANY), MANY - 500);
    event later[] = {make_event(7, 500, 1), make_event(8, 501, 1)};
    ck_assert_uint_eq(append(5, later, 2, &info), 1);
    ck_assert_uint_eq(info.sequence, MANY + 1);
    ck_assert_int_eq(info.first_time_ms, 1);
    ck_assert_uint_eq(read_from(5, MANY + 1, out, 5), 1);
    ck_assert_uint_eq(out[0].item_id, 7);
    ck_assert_uint_eq(erase(5), MANY + 1 - 500);
    ck_assert_uint_eq(info_of(5).sequence, 0);
}
END_TEST

START_TEST(all_events_may_be_trimmed)
{
    event events[] = {make_event(1, 1, 100), make_event(2, 0, 200)}, out;
    history_info info;
    (void)append(5, events, 2, &info);
    info = trim(5, 3, 0, 0);
    purge(5, 1);
    ck_assert_uint_eq(info.sequence, 2);
    ck_assert_uint_eq(read_from(5, 3, &out, 1), 0);
    event next = make_event(3, 1, 50);
    ck_assert_uint_eq(append(5, &next, 1, &info), 1);
    ck_assert_uint_eq(info.sequence, 3);
    ck_assert_uint_eq(info.first, 3);
    ck_assert_int_eq(info.first_time_ms, 50);
    ck_assert_int_eq(info.last_time_ms, 50);
    ck_assert_uint_eq(read_from(5, 3, &out, 1), 1);
    ck_assert_uint_eq(out.item_id, 3);
    ck_assert_uint_eq(erase(5), 1);
}
END_TEST

START_TEST(lists_users)
{
    enum { USERS = 50 };
    bool found[USERS] = {false};
    uint64_t cursor = 0, users[7];
    size_t count, all = 0;
    history_info info;
    for (uint64_t i = 0; i < USERS; i++) {
        event events[] = {make_event(1, i, 1), make_event(2, 0, 2)};
        (void)append(i * i, events, 2, &info);
    }
    do {
        ck_assert_int_eq(store_users(r, &cursor, users, 7, &count), STORE_OK);
        for (size_t i = 0; i < count; i++)
            for (uint64_t k = 0; k < USERS; k++)
                found[k] = found[k] || users[i] == k * k;
        all += count;
    } while (count == 7);
    ck_assert_uint_eq(all, USERS);
    for (size_t i = 0; i < USERS; i++)
        ck_assert(found[i]);
}
END_TEST

START_TEST(reads_any_part)
{
    static event events[MANY], out[MANY];
    history_info info;
    for (size_t i = 0; i < MANY; i++)
        events[i] = make_event(i * 3, i % 5 == 0 ? i + 1 : 0, (int64_t)(i * 7 % 100));
    const size_t pieces[] = {1, 255, 256, 257, 231};
    const event *next = events;
    for (size_t i = 0; i < 5; next += pieces[i++]) {
        memcpy(out, next, pieces[i] * sizeof *out);
        ck_assert_uint_eq(append(9, out, pieces[i], &info), pieces[i]);
    }
    ck_assert_uint_eq(info.sequence, MANY);
    for (uint64_t first = 1; first <= MANY; first += 37)
        for (size_t max = 1; max <= MANY; max = max * 3 + 1) {
            const size_t left = MANY - (size_t)first + 1;
            const size_t count = read_from(9, first, out, max);
            ck_assert_uint_eq(count, left < max ? left : max);
            for (size_t i = 0; i < count; i++) {
                const event *e = &events[first - 1 + i];
                ck_assert_uint_eq(out[i].item_id, e->item_id);
                ck_assert_uint_eq(out[i].id, e->id);
                ck_assert_int_eq(out[i].time_ms, e->time_ms);
                ck_assert_uint_eq(out[i].type, e->type);
            }
        }
}
END_TEST

START_TEST(ids_and_times_have_64_bits)
{
    event events[] = {make_event(UINT64_MAX, UINT64_MAX, INT64_MAX), make_event(0, 0, 0)};
    event out[2];
    history_info info;
    for (uint64_t user = UINT64_MAX - 1; user != 1; user++)
        ck_assert_uint_eq(append(user, events, 2, &info), 2);
    ck_assert_uint_eq(erase(UINT64_MAX), 2);
    ck_assert_uint_eq(read_from(0, 1, out, 2), 2);
    ck_assert_uint_eq(out[0].item_id, UINT64_MAX);
    ck_assert_uint_eq(out[0].id, UINT64_MAX);
    ck_assert_int_eq(out[0].time_ms, INT64_MAX);
    ck_assert_uint_eq(info_of(UINT64_MAX).sequence, 0);
    ck_assert_uint_eq(info_of(UINT64_MAX - 1).sequence, 2);
}
END_TEST

/* What is not committed is seen by its store alone, and is gone when that is closed. */
START_TEST(nothing_holds_before_its_commit)
{
    event events[] = {make_event(1, 77, 1)};
    history_info info;
    size_t count = 1;
    store_code code = STORE_OK;
    ck_assert_int_eq(store_append(s, 5, events, &count, &info, &code), STORE_OK);
    ck_assert_uint_eq(info_of(5).sequence, 0);
    close_stores();
    open_again();
    ck_assert_uint_eq(info_of(5).sequence, 0);
    ck_assert_uint_eq(append(5, events, 1, &info), 1);
}
END_TEST

START_TEST(all_is_there_when_opened_again)
{
    event events[] = {make_event(1, 77, 1), make_event(2, 0, 2)};
    event out[2];
    history_info info;
    (void)append(5, events, 2, &info);
    close_stores();
    open_again();
    const history_info again = info_of(5);
    ck_assert_uint_eq(again.sequence, 2);
    ck_assert_uint_eq(again.born, info.born);
    ck_assert_int_eq(again.last_time_ms, 2);
    ck_assert_uint_eq(read_from(5, 1, out, 2), 2);
    ck_assert_uint_eq(out[1].item_id, 2);
    ck_assert_uint_eq(append(5, events, 1, &info), 0);
}
END_TEST

/* Reads of one moment are not of another, whatever is committed between. */
START_TEST(a_pinned_store_stands_still)
{
    event events[] = {make_event(1, 0, 1), make_event(2, 0, 2)};
    event out[2];
    history_info info;
    (void)append(5, events, 1, &info);
    store_pin(r);
    ck_assert_uint_eq(info_of(5).sequence, 1);
    (void)append(5, events, 2, &info);
    ck_assert_uint_eq(info_of(5).sequence, 1);
    ck_assert_uint_eq(read_from(5, 1, out, 2), 1);
    (void)erase(5);
    ck_assert_uint_eq(read_from(5, 1, out, 2), 1);
    store_unpin(r);
    ck_assert_uint_eq(info_of(5).sequence, 0);
}
END_TEST

enum { MODEL = 77 };

/* A model's snapshot, while it and MODEL are the ones to keep. */
static void save_of(uint64_t of, uint64_t user_id, uint64_t born, uint64_t sequence,
                    const char *text)
{
    const snapshot_keep keep = {.count = 2, .models = {MODEL, of}};
    const store_snapshot snapshot = {.model = of,
                                     .born = born,
                                     .sequence = sequence,
                                     .bytes = (uint8_t *)strdup(text),
                                     .count = strlen(text)};
    ck_assert_int_eq(store_save(s, user_id, &snapshot, &keep), STORE_OK);
    ck_assert_int_eq(store_commit(s), STORE_OK);
    free(snapshot.bytes);
}

static void save(uint64_t user_id, uint64_t born, uint64_t sequence, const char *text)
{
    save_of(MODEL, user_id, born, sequence, text);
}

/* True when the user's snapshot of a model is the text; NULL: there is none. */
static bool snapshot_of_is(uint64_t of, uint64_t user_id, const char *text)
{
    store_snapshot found;
    ck_assert_int_eq(store_load(r, user_id, of, &found), STORE_OK);
    const bool same = text ? found.bytes && found.count == strlen(text) &&
                                 memcmp(found.bytes, text, found.count) == 0
                           : found.bytes == NULL;
    free(found.bytes);
    return same;
}

static bool snapshot_is(uint64_t user_id, const char *text)
{
    return snapshot_of_is(MODEL, user_id, text);
}

/* Snapshots of different models lie beside each other, until one is of no use any more. */
START_TEST(a_snapshot_is_of_its_model)
{
    event events[] = {make_event(1, 0, 1)};
    history_info info;
    (void)append(5, events, 1, &info);
    save(5, info.born, 1, "one");
    save_of(1, 5, info.born, 1, "another");
    ck_assert(snapshot_of_is(MODEL, 5, "one"));
    ck_assert(snapshot_of_is(1, 5, "another"));
    ck_assert(snapshot_of_is(2, 5, NULL));
    save_of(2, 5, info.born, 1, "a third");
    ck_assert(snapshot_of_is(MODEL, 5, "one"));
    ck_assert(snapshot_of_is(1, 5, NULL));
    ck_assert(snapshot_of_is(2, 5, "a third"));
    (void)erase(5);
    ck_assert(snapshot_of_is(2, 5, NULL));
}
END_TEST

START_TEST(a_snapshot_is_of_its_history)
{
    event events[] = {make_event(1, 0, 1), make_event(2, 0, 2)};
    history_info info;
    save(5, 1, 1, "of nobody");
    ck_assert(snapshot_is(5, NULL));
    (void)append(5, events, 2, &info);
    save(5, info.born, 2, "first");
    ck_assert(snapshot_is(5, "first"));
    save(5, info.born, 2, "second");
    save(5, info.born, 3, "of more events than there are");
    save(5, info.born + 1, 2, "of another history");
    ck_assert(snapshot_is(5, "second"));
    close_stores();
    open_again();
    ck_assert(snapshot_is(5, "second"));
    (void)erase(5);
    ck_assert(snapshot_is(5, NULL));
}
END_TEST

static void expect_refusal(const char *reason)
{
    database_error error;
    ck_assert_ptr_null(database_open(folder, DURABILITY_SYNC, &error));
    ck_assert_msg(strstr(error.text, folder) && strstr(error.text, reason), "%s", error.text);
}

START_TEST(a_folder_has_one_owner)
{
    expect_refusal("LOCK");
    database_error error;
    database *reader = database_open_to_read(folder, &error);
    ck_assert_msg(reader != NULL, "%s", error.text);
    database_close(reader);
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
    char *message = NULL;
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_put(database_handle(d), options, "mformat", 7, "\4\0\0\0", 4, &message);
    rocksdb_writeoptions_destroy(options);
    ck_assert_ptr_null(message);
    close_stores();
    expect_refusal("format 4; this vqld knows formats 1 to 3");
    folder_remove(folder);
    setup_disk();
}
END_TEST

/* Puts another value in the place of a user's record. */
static void overwrite(const char *key, size_t key_bytes, const char *value, size_t bytes)
{
    char *message = NULL;
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_put(database_handle(d), options, key, key_bytes, value, bytes, &message);
    rocksdb_writeoptions_destroy(options);
    ck_assert_ptr_null(message);
}

START_TEST(what_is_broken_is_found)
{
    event events[] = {make_event(1, 0, 1), make_event(2, 0, 2)};
    event out[2];
    history_info info;
    size_t count;
    (void)append(5, events, 2, &info);
    save(5, info.born, 2, "whole");
    overwrite("u\0\0\0\0\0\0\0\5\1\0\0\0\0\0\0\0M", 18, "VQLS, or nearly so: with no checksum", 36);
    ck_assert(snapshot_is(5, NULL));
    overwrite("u\0\0\0\0\0\0\0\5\2\0\0\0\0\0\0\0\2", 18, "short", 5);
    ck_assert_int_eq(store_read(r, 5, 1, out, 2, &count), STORE_DAMAGED);
    overwrite("u\0\0\0\0\0\0\0\5\0", 10, "short", 5);
    ck_assert_int_eq(store_info(r, 5, &info), STORE_DAMAGED);
    count = 1;
    store_code code = STORE_OK;
    ck_assert_int_eq(store_append(r, 5, events, &count, &info, &code), STORE_DAMAGED);
}
END_TEST

static TCase *add_common(Suite *suite, const char *name, SFun setup, SFun teardown)
{
    TCase *test = tcase_create(name);
    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_user_without_history_is_zeros);
    tcase_add_test(test, numbers_events_from_one);
    tcase_add_test(test, applies_an_id_once);
    tcase_add_test(test, a_commit_is_of_many_appends);
    tcase_add_test(test, drops_what_was_applied);
    tcase_add_test(test, erases_everything);
    tcase_add_test(test, what_is_trimmed_is_gone);
    tcase_add_test(test, all_events_may_be_trimmed);
    tcase_add_test(test, lists_users);
    tcase_add_test(test, reads_any_part);
    tcase_add_test(test, ids_and_times_have_64_bits);
    suite_add_tcase(suite, test);
    return test;
}

int main(void)
{
    Suite *suite = suite_create("store");
    (void)add_common(suite, "memory", setup_memory, teardown_memory);
    TCase *disk = add_common(suite, "disk", setup_disk, teardown_disk);
    TCase *redis = add_common(suite, "redis", setup_redis, teardown_redis);
    tcase_add_test(redis, nothing_holds_before_its_commit);
    tcase_add_test(redis, all_is_there_when_opened_again);
    tcase_add_test(redis, a_snapshot_is_of_its_history);
    tcase_add_test(redis, a_snapshot_is_of_its_model);
    tcase_add_test(disk, nothing_holds_before_its_commit);
    tcase_add_test(disk, all_is_there_when_opened_again);
    tcase_add_test(disk, a_pinned_store_stands_still);
    tcase_add_test(disk, a_snapshot_is_of_its_history);
    tcase_add_test(disk, a_snapshot_is_of_its_model);
    tcase_add_test(disk, a_folder_has_one_owner);
    tcase_add_test(disk, a_newer_format_is_refused);
    tcase_add_test(disk, what_is_broken_is_found);
    return check_main(suite);
}
