/*
 * The log of upserts: what a compaction takes out, and that a crash in the midst of one, a write
 * that fails, and a record that is missing lose nothing unseen.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"
#include "decode.h"
#include "file.h"
#include "random.h"
#include "store_walk.h"
#include "temporary_folder.h"
#include "upsert_log.h"
#include "upsert_survivors.h"
#include "vql/v1/models.pb-c.h"

enum { ITEMS = 5, REQUESTS = 40, MESSAGE_BYTES = 1024, PATH_BYTES = 600 };

/* What the requests of a log come to: of each item the last number that was given. */
typedef struct state {
    float last[2][ITEMS]; /* of the embedding; of the field's value */
    size_t requests, items;
} state;

static char folder[FOLDER_PATH_BYTES];
static database *d;
static upsert_log *l;

static void open_log(const char *path)
{
    database_error error;
    d = path ? database_open(path, DURABILITY_SYNC, &error) : NULL;
    ck_assert_msg(!path || d, "%s", error.text);
    l = upsert_log_open(d);
    ck_assert_ptr_nonnull(l);
}

static void close_log(void)
{
    upsert_log_close(l);
    database_close(d);
}

static void setup(void)
{
    folder_make(folder);
}

static void teardown(void)
{
    folder_remove(folder);
}

/* Appends a request for two items: with an embedding, or a field's value. */
static void append(uint64_t seed)
{
    uint8_t message[MESSAGE_BYTES];
    static char name[] = "brand";
    float number = (float)seed;
    uint32_t value = (uint32_t)seed;
    Vql__V1__ItemField field = VQL__V1__ITEM_FIELD__INIT;
    Vql__V1__ItemField *fields[] = {&field};
    Vql__V1__Item items[2] = {VQL__V1__ITEM__INIT, VQL__V1__ITEM__INIT};
    Vql__V1__Item *pointers[] = {&items[0], &items[1]};
    Vql__V1__UpsertItemsRequest request = VQL__V1__UPSERT_ITEMS_REQUEST__INIT;
    field.name = name;
    field.n_values = 1;
    field.values = &value;
    for (size_t i = 0; i < 2; i++) {
        items[i].id = seed * (i + 1) % ITEMS;
        if (seed % 3 == 0) {
            items[i].n_fields = 1;
            items[i].fields = fields;
        } else {
            items[i].n_embedding = 1;
            items[i].embedding = &number;
        }
    }
    request.n_items = 2;
    request.items = pointers;
    const size_t bytes = vql__v1__upsert_items_request__pack(&request, message);
    ck_assert_uint_le(bytes, sizeof message);
    ck_assert_int_eq(upsert_log_append(l, message, bytes), STORE_OK);
}

static bool take(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    (void)number;
    state *s = context;
    upsert u;
    grpc_error error;
    ck_assert(decode_upsert(message, bytes, UINT32_MAX, &u, &error));
    for (size_t i = 0; i < u.items.count; i++) {
        const vql_item *item = &upsert_items(&u)[i];
        if (item->embedding)
            s->last[0][item->id] = item->embedding[0];
        if (item->field_count > 0)
            s->last[1][item->id] = (float)item->fields[0].values[0];
    }
    s->items += u.items.count;
    s->requests++;
    upsert_clear(&u);
    return true;
}

static state state_of_log(void)
{
    state s = {0};
    ck_assert_int_eq(upsert_log_read(l, take, &s), STORE_OK);
    return s;
}

static bool survey(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    (void)number;
    upsert u;
    grpc_error error;
    ck_assert(decode_upsert(message, bytes, UINT32_MAX, &u, &error));
    ck_assert(upsert_survivors_add(context, &u));
    upsert_clear(&u);
    return true;
}

static size_t filter(void *context, const uint8_t *message, size_t bytes, uint8_t *out)
{
    return upsert_survivors_filter(context, message, bytes, out);
}

static store_code compact(void)
{
    upsert_survivors *s = upsert_survivors_new();
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(upsert_log_read(l, survey, s), STORE_OK);
    const store_code code = upsert_log_compact(l, filter, s);
    upsert_survivors_free(s);
    return code;
}

static void check_same(const state *a, const state *b)
{
    ck_assert_mem_eq(a->last, b->last, sizeof a->last);
}

static void fill(void)
{
    for (uint64_t seed = 1; seed <= REQUESTS; seed++)
        append(seed);
}

static void check_compaction(void)
{
    fill();
    const state before = state_of_log();
    ck_assert_uint_eq(before.items, 2 * REQUESTS);
    ck_assert_int_eq(compact(), STORE_OK);
    const state after = state_of_log();
    check_same(&before, &after);
    ck_assert_uint_le(after.items, 2 * ITEMS);
    ck_assert_uint_lt(after.requests, REQUESTS);
    ck_assert_uint_eq(upsert_log_count(l), REQUESTS);
    ck_assert_uint_eq(upsert_log_compactions(l), 1);
    append(REQUESTS + 1);
    ck_assert_uint_eq(upsert_log_count(l), REQUESTS + 1);
    ck_assert_uint_eq(state_of_log().requests, after.requests + 1);
}

START_TEST(memory_is_compacted)
{
    open_log(NULL);
    check_compaction();
    close_log();
}
END_TEST

START_TEST(disk_is_compacted)
{
    walk_totals totals;
    database_error error;
    open_log(folder);
    check_compaction();
    const state before = state_of_log();
    for (int i = 0; i < 2; i++) {
        close_log();
        open_log(folder);
        const state again = state_of_log();
        check_same(&before, &again);
        ck_assert_uint_eq(upsert_log_count(l), REQUESTS + 1);
        ck_assert_uint_eq(upsert_log_compactions(l), 1);
        ck_assert_msg(store_walk(d, NULL, NULL, &totals, &error), "%s", error.text);
    }
    ck_assert_int_eq(compact(), STORE_OK);
    ck_assert_uint_eq(upsert_log_compactions(l), 2);
    close_log();
}
END_TEST

/* All that is deleted before a folder is opened again is missed, whichever number it has. */
START_TEST(what_is_missing_is_found)
{
    open_log(folder);
    fill();
    ck_assert_int_eq(compact(), STORE_OK);
    append(1);
    append(2);
    for (uint64_t number = 1; number < REQUESTS + 2; number++) {
        const record_key key = record_key_items(number);
        walk_totals totals;
        database_error error;
        char *message = NULL;
        size_t bytes;
        rocksdb_readoptions_t *read = rocksdb_readoptions_create();
        rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
        char *value = rocksdb_get(database_handle(d), read, key.bytes, key.count, &bytes, &message);
        rocksdb_delete(database_handle(d), write, key.bytes, key.count, &message);
        ck_assert_int_eq(store_walk(d, NULL, NULL, &totals, &error), value == NULL);
        upsert_log *again = upsert_log_open(d);
        ck_assert_int_eq(again != NULL, value == NULL);
        upsert_log_close(again);
        if (value)
            rocksdb_put(database_handle(d), write, key.bytes, key.count, value, bytes, &message);
        ck_assert_ptr_null(message);
        rocksdb_free(value);
        rocksdb_writeoptions_destroy(write);
        rocksdb_readoptions_destroy(read);
    }
    close_log();
}
END_TEST

/* The file that writes go to first, which is the newest. Returns its size. */
static off_t find_journal(char path[PATH_BYTES])
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, alphasort);
    off_t bytes = -1;
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++) {
        if (strstr(entries[i]->d_name, ".log")) {
            struct stat status;
            (void)snprintf(path, PATH_BYTES, "%s/%s", folder, entries[i]->d_name);
            ck_assert_int_eq(stat(path, &status), 0);
            bytes = status.st_size;
        }
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_ge(bytes, 0);
    return bytes;
}

/* Copies the folder's files as they are, but only so much of the one that writes go to first. */
static void copy_cut(const char *to, off_t cut)
{
    char from_path[PATH_BYTES], to_path[PATH_BYTES];
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, alphasort);
    ck_assert_int_eq(mkdir(to, 0700), 0);
    for (int i = 0; i < count; i++) {
        struct stat status;
        const char *name = entries[i]->d_name;
        (void)snprintf(from_path, sizeof from_path, "%s/%s", folder, name);
        (void)snprintf(to_path, sizeof to_path, "%s/%s", to, name);
        ck_assert_int_eq(stat(from_path, &status), 0);
        if (S_ISREG(status.st_mode) && status.st_size > 0) {
            size_t bytes;
            uint8_t *content = file_read(from_path, &bytes);
            FILE *file = fopen(to_path, "wb");
            ck_assert_ptr_nonnull(file);
            if (strstr(name, ".log"))
                bytes = (size_t)cut;
            ck_assert_uint_eq(fwrite(content, 1, bytes, file), bytes);
            ck_assert_int_eq(fclose(file), 0);
            free(content);
        }
        free(entries[i]);
    }
    free(entries);
}

/* Wherever the machine stops in a compaction, the log comes to the same. */
START_TEST(a_crash_leaves_one_or_the_other)
{
    char journal[PATH_BYTES], copy[FOLDER_PATH_BYTES + 16];
    (void)snprintf(copy, sizeof copy, "%s-copy", folder);
    open_log(folder);
    fill();
    const state before = state_of_log();
    const off_t from = find_journal(journal);
    ck_assert_int_eq(compact(), STORE_OK);
    const off_t to = find_journal(journal);
    ck_assert_int_gt(to, from);
    const size_t compacted_to = state_of_log().items;
    database_error error;
    size_t compacted = 0, others = 0;
    const off_t step = (to - from) / 18 + 1;
    for (off_t end = from;; end = end + step < to ? end + step : to) {
        copy_cut(copy, end);
        database *one = database_open(copy, DURABILITY_SYNC, &error);
        ck_assert_msg(one != NULL, "%s", error.text);
        upsert_log *found = upsert_log_open(one);
        ck_assert_ptr_nonnull(found);
        state after = {0};
        ck_assert_int_eq(upsert_log_read(found, take, &after), STORE_OK);
        check_same(&before, &after);
        compacted += upsert_log_compactions(found) == 1 && after.items == compacted_to;
        others += upsert_log_compactions(found) == 0 && after.items == before.items;
        ck_assert_uint_eq(compacted > 0, end == to);
        upsert_log_close(found);
        database_close(one);
        folder_remove(copy);
        if (end == to)
            break;
    }
    ck_assert_uint_gt(others, 10);
    ck_assert_uint_eq(compacted, 1);
    close_log();
}
END_TEST

/* A process that compacts and appends, until it is killed; requests that are sure are told. */
static void run_until_killed(int told)
{
    open_log(folder);
    for (uint64_t seed = upsert_log_count(l) + 1;; seed++) {
        append(seed);
        if (write(told, &seed, sizeof seed) != (ssize_t)sizeof seed)
            _exit(1);
        if (seed % 4 == 0 && compact() != STORE_OK)
            _exit(2);
    }
}

START_TEST(kills_lose_nothing)
{
    enum { KILLS = 12 };
    state expected = {0};
    uint64_t sure = 0;
    for (int i = 0; i < KILLS; i++) {
        int ends[2];
        ck_assert_int_eq(pipe(ends), 0);
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            run_until_killed(ends[1]);
        (void)close(ends[1]);
        const uint64_t last = sure + 3 + (uint64_t)i;
        while (sure < last)
            ck_assert_int_eq(read(ends[0], &sure, sizeof sure), (ssize_t)sizeof sure);
        (void)kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        while (read(ends[0], &sure, sizeof sure) > 0)
            ;
        (void)close(ends[0]);
    }
    open_log(folder);
    ck_assert_uint_ge(upsert_log_count(l), sure);
    sure = upsert_log_count(l);
    const state found = state_of_log();
    ck_assert_uint_gt(upsert_log_compactions(l), 0);
    close_log();
    open_log(NULL);
    for (uint64_t seed = 1; seed <= sure; seed++)
        append(seed);
    expected = state_of_log();
    check_same(&expected, &found);
    close_log();
}
END_TEST

/* The disk takes no more: the log stays as it was, now and when it is opened again. */
START_TEST(a_write_that_fails_changes_nothing)
{
    char journal[PATH_BYTES];
    open_log(folder);
    fill();
    const state before = state_of_log();
    const struct rlimit none = {(rlim_t)find_journal(journal) + 64, RLIM_INFINITY};
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(compact(), STORE_UNAVAILABLE);
    const state after = state_of_log();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
    check_same(&before, &after);
    ck_assert_uint_eq(after.items, before.items);
    ck_assert_uint_eq(upsert_log_compactions(l), 0);
    close_log();
    open_log(folder);
    const state again = state_of_log();
    check_same(&before, &again);
    ck_assert_int_eq(compact(), STORE_OK);
    close_log();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upsert_log");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, memory_is_compacted);
    tcase_add_test(tcase, disk_is_compacted);
    tcase_add_test(tcase, what_is_missing_is_found);
    tcase_add_test(tcase, a_crash_leaves_one_or_the_other);
    tcase_add_test(tcase, kills_lose_nothing);
    tcase_add_test(tcase, a_write_that_fails_changes_nothing);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
