/*
 * Items that are added and changed while versions serve: with the log in memory and on disk.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "database.h"
#include "decode.h"
#include "items.h"
#include "random_version.h"
#include "store_walk.h"
#include "temporary_folder.h"
#include "vql/v1/models.pb-c.h"

enum { ROOM = 8, MESSAGE_BYTES = 65536 };

static char folder[FOLDER_PATH_BYTES];
static bool on_disk;
static database *d; /* NULL: in memory */
static registry *r;
static items *it;
static upsert_outcome outcome;
static grpc_error error;

static void start(uint32_t room)
{
    database_error problem;
    d = on_disk ? database_open(folder, DURABILITY_SYNC, &problem) : NULL;
    ck_assert_msg(!on_disk || d, "%s", problem.text);
    r = registry_new(LIMIT_MODELS);
    upsert_log *log = upsert_log_open(d);
    ck_assert(r && log);
    it = items_new(r, log, room);
    ck_assert_ptr_nonnull(it);
}

static void stop(void)
{
    registry_free(r);
    items_free(it);
    database_close(d);
}

static void setup_memory(void)
{
    on_disk = false;
    start(ROOM);
}

static void setup_disk(void)
{
    on_disk = true;
    folder_make(folder);
    start(ROOM);
}

static void teardown_memory(void)
{
    stop();
}

static void teardown_disk(void)
{
    stop();
    folder_remove(folder);
}

/* A version whose embeddings have `width` numbers, with room for `room` items more. */
static version *make_version(const char *name, uint32_t width, uint32_t room)
{
    model_spec spec = model_spec_default(width);
    spec.item_width = width;
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    model_writer_free(writer);
    vql_catalog *catalog;
    ck_assert_int_eq(
        vql_catalog_create(model, &(vql_catalog_options){.spare_items = room}, &catalog, NULL),
        VQL_OK);
    version *v = version_new(model, catalog, name);
    ck_assert_ptr_nonnull(v);
    return v;
}

static void add(const char *name, uint32_t width, uint32_t room)
{
    ck_assert_msg(items_add_version(it, make_version(name, width, room), &error) == GRPC_OK, "%s",
                  error.message);
}

/* An UpsertItems of `count` items from id `first` on, with embeddings of `width` numbers. */
static grpc_status upsert_some(const char *model, uint64_t first, size_t count, size_t width)
{
    Vql__V1__Item made[ROOM + 1], *pointers[ROOM + 1];
    float numbers[16] = {0.5F, -1.0F, 2.0F};
    uint8_t message[MESSAGE_BYTES];
    for (size_t i = 0; i < count; i++) {
        made[i] = (Vql__V1__Item)VQL__V1__ITEM__INIT;
        made[i].id = first + i;
        made[i].n_embedding = width;
        made[i].embedding = numbers;
        pointers[i] = &made[i];
    }
    Vql__V1__UpsertItemsRequest request = VQL__V1__UPSERT_ITEMS_REQUEST__INIT;
    request.model = (char *)(uintptr_t)model;
    request.n_items = count;
    request.items = pointers;
    ck_assert_uint_le(vql__v1__upsert_items_request__get_packed_size(&request), sizeof message);
    const size_t bytes = vql__v1__upsert_items_request__pack(&request, message);
    return items_upsert(it, message, bytes, &outcome, &error);
}

static void check_refused(grpc_status status, const char *text)
{
    ck_assert_int_eq(error.status, status);
    ck_assert_msg(strstr(error.message, text) != NULL, "%s", error.message);
}

/* The row that a version has for an item now. */
static uint32_t row_of(const char *name, uint64_t id)
{
    model_set *s = registry_share(r);
    const model_entry *entry = model_set_find(s, name);
    ck_assert_ptr_nonnull(entry);
    const uint32_t row = vql_catalog_row(entry->version->catalog, id);
    model_set_release(s);
    return row;
}

/* By what a version's snapshots are told apart. */
static uint64_t snapshots_of(const char *name)
{
    model_set *s = registry_share(r);
    const model_entry *entry = model_set_find(s, name);
    ck_assert_ptr_nonnull(entry);
    const uint64_t snapshots = entry->version->snapshots;
    model_set_release(s);
    return snapshots;
}

START_TEST(all_or_one_version_get_items)
{
    add("a", 5, ROOM);
    add("b", 5, ROOM);
    const uint64_t revision = registry_revision(r);
    ck_assert_int_eq(upsert_some("", 1001, 2, 5), GRPC_OK);
    ck_assert_uint_eq(registry_revision(r), revision + 1);
    ck_assert_uint_eq(outcome.model_count, 2);
    ck_assert_str_eq(outcome.models[0], "a");
    ck_assert_uint_eq(outcome.room, ROOM - 2);
    ck_assert_uint_eq(outcome.sequence, 1);
    ck_assert_int_eq(outcome.durability, on_disk ? DURABILITY_SYNC : DURABILITY_MEMORY);
    ck_assert_int_eq(upsert_some("b", 1003, 3, 5), GRPC_OK);
    ck_assert_uint_eq(outcome.model_count, 1);
    ck_assert_str_eq(outcome.models[0], "b");
    ck_assert_uint_eq(outcome.room, ROOM - 5);
    ck_assert_uint_eq(row_of("a", 1002), 24);
    ck_assert_uint_eq(row_of("a", 1003), 0);
    ck_assert_uint_eq(row_of("b", 1003), 25);
}
END_TEST

START_TEST(what_is_refused_changes_nothing)
{
    add("a", 5, ROOM);
    add("b", 6, ROOM);
    const uint64_t revision = registry_revision(r);
    (void)upsert_some("", 1, 1, 5); /* fits a alone */
    check_refused(GRPC_INVALID_ARGUMENT,
                  "items[0].embedding: item 1 has 5 numbers; the model's have 6 (model \"b\")");
    ck_assert(error.field);
    (void)upsert_some("c", 1, 1, 5);
    check_refused(GRPC_NOT_FOUND, "model: \"c\" is not loaded");
    (void)upsert_some("a", 1, 0, 5);
    check_refused(GRPC_INVALID_ARGUMENT, "items: none");
    (void)upsert_some("a", 1, ROOM + 1, 5);
    check_refused(GRPC_RESOURCE_EXHAUSTED, "items: more than 8 (the server's max-new-items)");
    ck_assert_uint_eq(registry_revision(r), revision);
    ck_assert_int_eq(upsert_some("", 2000, ROOM, 0), GRPC_OK);
    ck_assert_uint_eq(outcome.sequence, 1);
    ck_assert_uint_eq(row_of("a", 2000), 23);
    (void)upsert_some("a", 1, 1, 5);
    check_refused(GRPC_RESOURCE_EXHAUSTED, "room for 8 in all (model \"a\"");
    ck_assert_str_eq(error.limit_name, "max-new-items");
    ck_assert_uint_eq(row_of("a", 1), 0);
}
END_TEST

/* A version that is loaded later has what is for it and fits it, in the same rows. */
START_TEST(a_later_version_gets_them_too)
{
    add("a", 5, ROOM);
    ck_assert_int_eq(upsert_some("", 1001, 2, 5), GRPC_OK);
    ck_assert_int_eq(upsert_some("a", 1003, 1, 5), GRPC_OK);
    ck_assert_int_eq(upsert_some("", 1004, 2, 0), GRPC_OK);
    add("b", 5, ROOM);
    add("c", 6, ROOM);
    ck_assert_uint_eq(row_of("b", 1002), 24);
    ck_assert_uint_eq(row_of("b", 1003), 0);
    ck_assert_uint_eq(row_of("b", 1005), 26);
    ck_assert_uint_eq(row_of("c", 1002), 0);
    ck_assert_uint_eq(row_of("c", 1005), 24);
    version *small = make_version("d", 5, 3);
    ck_assert_int_eq(items_add_version(it, small, &error), GRPC_FAILED_PRECONDITION);
    check_refused(GRPC_FAILED_PRECONDITION, "the server's max-new-items");
    version_release(small);
}
END_TEST

START_TEST(a_restart_has_them_again)
{
    add("a", 5, ROOM);
    for (uint64_t i = 0; i < ROOM; i++)
        ck_assert_int_eq(upsert_some(i % 2 == 0 ? "" : "a", 1000 + i / 2, 1, 5), GRPC_OK);
    const uint32_t row = row_of("a", 1003);
    stop();
    walk_totals totals;
    database_error problem;
    d = database_open_to_read(folder, &problem);
    ck_assert_msg(store_walk(d, NULL, NULL, &totals, &problem), "%s", problem.text);
    ck_assert_uint_eq(totals.upserts, ROOM);
    database_close(d);
    start(ROOM);
    add("a", 5, ROOM);
    add("b", 5, ROOM);
    ck_assert_uint_eq(row_of("a", 1003), row);
    ck_assert_uint_eq(row_of("b", 1003), 26);
    ck_assert_int_eq(upsert_some("b", 1, 1, 5), GRPC_OK);
    ck_assert_uint_eq(outcome.sequence, ROOM + 1);
}
END_TEST

/* What later requests have made void goes when a version is added; its rows are others then. */
START_TEST(a_log_is_compacted)
{
    add("a", 5, ROOM);
    const uint64_t before = snapshots_of("a");
    for (uint64_t i = 0; i < ROOM; i++)
        ck_assert_int_eq(upsert_some("", 1000 + i % 3, 1, 5), GRPC_OK);
    ck_assert_uint_eq(outcome.room, 0);
    if (on_disk) {
        stop();
        start(ROOM);
    }
    add("b", 5, ROOM);
    ck_assert_uint_ne(row_of("b", 1000), 0);
    ck_assert_uint_eq(row_of("b", 1001), 25);
    ck_assert_uint_ne(snapshots_of("b"), before);
    ck_assert_int_eq(upsert_some("b", 1, ROOM - 3, 5), GRPC_OK);
    ck_assert_uint_eq(outcome.room, 0);
    ck_assert_uint_eq(outcome.sequence, ROOM + 1);
    add("c", 5, 3); /* nothing more is void: the same rows */
    ck_assert_uint_eq(row_of("c", 1001), 25);
}
END_TEST

/* Opens the database alone and changes a record; what a log and a walk then say. */
static void break_record(uint64_t number, const char *value, size_t bytes)
{
    database_error problem;
    walk_totals totals;
    char key[9] = "i";
    char *message = NULL;
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    key[8] = (char)number;
    stop();
    d = database_open(folder, DURABILITY_SYNC, &problem);
    ck_assert_ptr_nonnull(d);
    if (value)
        rocksdb_put(database_handle(d), options, key, sizeof key, value, bytes, &message);
    else
        rocksdb_delete(database_handle(d), options, key, sizeof key, &message);
    ck_assert_ptr_null(message);
    rocksdb_writeoptions_destroy(options);
    ck_assert(!store_walk(d, NULL, NULL, &totals, &problem));
    ck_assert_msg(strstr(problem.text, "store: upsert ") != NULL, "%s", problem.text);
}

START_TEST(what_is_broken_is_found)
{
    add("a", 5, ROOM);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(upsert_some("", 1000 + i, 1, 5), GRPC_OK);
    break_record(2, "\x12\x7f", 2);
    database_close(d);
    start(ROOM);
    version *v = make_version("a", 5, ROOM);
    ck_assert_int_ne(items_add_version(it, v, &error), GRPC_OK);
    version_release(v);
    break_record(2, NULL, 0);
    ck_assert_ptr_null(upsert_log_open(d));
    database_close(d);
    folder_remove(folder);
    folder_make(folder);
    start(ROOM);
}
END_TEST

/* ---- decoding ---- */

START_TEST(a_request_arrives_whole)
{
    static uint32_t values[] = {7, UINT32_MAX};
    static float numbers[] = {1.5F, -2.0F, 3.0F};
    static char brand[] = "brand", colour[] = "colour", name[] = "m";
    uint8_t message[MESSAGE_BYTES];
    Vql__V1__ItemField fields[2] = {VQL__V1__ITEM_FIELD__INIT, VQL__V1__ITEM_FIELD__INIT};
    Vql__V1__ItemField *field_pointers[] = {&fields[0], &fields[1]};
    Vql__V1__Item made[3] = {VQL__V1__ITEM__INIT, VQL__V1__ITEM__INIT, VQL__V1__ITEM__INIT};
    Vql__V1__Item *pointers[] = {&made[0], &made[1], &made[2]};
    Vql__V1__UpsertItemsRequest request = VQL__V1__UPSERT_ITEMS_REQUEST__INIT;
    fields[0].name = brand;
    fields[0].n_values = 2;
    fields[0].values = values;
    fields[1].name = colour;
    made[0].id = UINT64_MAX;
    made[0].n_fields = 2;
    made[0].fields = field_pointers;
    made[2].n_embedding = 3;
    made[2].embedding = numbers;
    request.model = name;
    request.n_items = 3;
    request.items = pointers;
    const size_t bytes = vql__v1__upsert_items_request__pack(&request, message);
    upsert u;
    ck_assert(decode_upsert(message, bytes, 3, &u, &error));
    const vql_item *found = upsert_items(&u);
    ck_assert_str_eq(u.model, "m");
    ck_assert_uint_eq(u.items.count, 3);
    ck_assert_uint_eq(found[0].id, UINT64_MAX);
    ck_assert_ptr_null(found[0].embedding);
    ck_assert_uint_eq(found[0].field_count, 2);
    ck_assert_str_eq(found[0].fields[0].name, "brand");
    ck_assert_uint_eq(found[0].fields[0].count, 2);
    ck_assert_uint_eq(found[0].fields[0].values[1], UINT32_MAX);
    ck_assert_str_eq(found[0].fields[1].name, "colour");
    ck_assert_uint_eq(found[0].fields[1].count, 0);
    ck_assert_uint_eq(found[1].field_count, 0);
    ck_assert_mem_eq(found[2].embedding, numbers, sizeof numbers);
    upsert_clear(&u);
    ck_assert(!decode_upsert(message, bytes, 2, &u, &error));
    ck_assert_int_eq(error.status, GRPC_RESOURCE_EXHAUSTED);
    for (size_t count = 0; count < bytes; count++) {
        if (decode_upsert(message, count, 3, &u, &error))
            ck_assert_uint_le(u.items.count, 3);
        else
            ck_assert_int_eq(error.status, GRPC_INVALID_ARGUMENT);
        upsert_clear(&u);
    }
}
END_TEST

static void add_tests(TCase *tcase)
{
    tcase_add_test(tcase, all_or_one_version_get_items);
    tcase_add_test(tcase, what_is_refused_changes_nothing);
    tcase_add_test(tcase, a_later_version_gets_them_too);
    tcase_add_test(tcase, a_log_is_compacted);
}

int main(void)
{
    Suite *suite = suite_create("items");
    TCase *memory = tcase_create("memory");
    tcase_add_checked_fixture(memory, setup_memory, teardown_memory);
    add_tests(memory);
    tcase_add_test(memory, a_request_arrives_whole);
    suite_add_tcase(suite, memory);
    TCase *disk = tcase_create("disk");
    tcase_add_checked_fixture(disk, setup_disk, teardown_disk);
    add_tests(disk);
    tcase_add_test(disk, a_restart_has_them_again);
    tcase_add_test(disk, what_is_broken_is_found);
    suite_add_tcase(suite, disk);
    return check_main(suite);
}
