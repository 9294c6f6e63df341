#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "limit.h"
#include "log.h"
#include "store.h"
#include "store_record.h"

/*
 * A batch holds what is not committed yet, with an index of its keys, so that an append sees those
 * before it.
 */
typedef struct rocksdb_store {
    store base;
    database *database;
    rocksdb_t *db;
    rocksdb_writebatch_wi_t *batch;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *pinned; /* NULL: not */
} rocksdb_store;

/* Logs an error of RocksDB's and frees its text. STORE_OK: there was none. */
static store_code code_of(rocksdb_store *r, const char *operation, uint64_t user_id, char *message)
{
    if (!message)
        return STORE_OK;
    const bool damaged = strncmp(message, "Corruption", strlen("Corruption")) == 0;
    if (damaged || database_may_log(r->database))
        log_error("the store failed", log_str("operation", operation), log_u64("user_id", user_id),
                  log_str("error", message));
    rocksdb_free(message);
    return damaged ? STORE_DAMAGED : STORE_UNAVAILABLE;
}

static store_code damaged(const char *what, uint64_t user_id)
{
    log_error("the store is damaged", log_str("record", what), log_u64("user_id", user_id));
    return STORE_DAMAGED;
}

/* The value of a key, what is not committed included; NULL in *value: there is none. */
static store_code get(rocksdb_store *r, uint64_t user_id, record_key key, char **value,
                      size_t *count)
{
    char *message = NULL;
    *value = rocksdb_writebatch_wi_get_from_batch_and_db(r->batch, r->db, r->read, key.bytes,
                                                         key.count, count, &message);
    return code_of(r, "read", user_id, message);
}

static store_code rocksdb_info(store *s, uint64_t user_id, history_info *info)
{
    char *value = NULL;
    size_t count = 0;
    *info = (history_info){0};
    const store_code code =
        get((rocksdb_store *)s, user_id, record_key_of(user_id, RECORD_HEAD), &value, &count);
    if (code != STORE_OK || !value)
        return code;
    const bool whole = record_head_parse(value, count, info);
    rocksdb_free(value);
    return whole ? STORE_OK : damaged("head", user_id);
}

/* Puts the ids of events into the batch; those that are there already lose their events. */
static store_code apply_ids(rocksdb_store *r, uint64_t user_id, event *events, size_t *count)
{
    size_t fresh = 0;
    for (size_t i = 0; i < *count; i++) {
        if (events[i].id != 0) {
            const record_key key = record_key_numbered(user_id, RECORD_ID, events[i].id);
            char *value = NULL;
            size_t bytes;
            const store_code code = get(r, user_id, key, &value, &bytes);
            if (code != STORE_OK)
                return code;
            if (value) {
                rocksdb_free(value);
                continue;
            }
            rocksdb_writebatch_wi_put(r->batch, key.bytes, key.count, "", 0);
        }
        events[fresh++] = events[i];
    }
    *count = fresh;
    return STORE_OK;
}

/* What comes after the events. */
static history_info extend(history_info info, const event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (info.sequence == 0 || events[i].time_ms < info.first_time_ms)
            info.first_time_ms = events[i].time_ms;
        if (info.sequence == 0 || events[i].time_ms > info.last_time_ms)
            info.last_time_ms = events[i].time_ms;
        info.sequence++;
        info.bytes += RECORD_EVENT_BYTES;
        info.bytes += events[i].id != 0 ? sizeof(record_key) : 0;
    }
    return info;
}

static void put_events(rocksdb_store *r, uint64_t user_id, const event *events, size_t count,
                       uint64_t sequence)
{
    char value[RECORD_EVENTS * RECORD_EVENT_BYTES];
    for (size_t done = 0; done < count;) {
        const size_t n = count - done < RECORD_EVENTS ? count - done : RECORD_EVENTS;
        const record_key key = record_key_numbered(user_id, RECORD_EVENT, sequence + done + n);
        record_events_write(events + done, n, value);
        rocksdb_writebatch_wi_put(r->batch, key.bytes, key.count, value, n * RECORD_EVENT_BYTES);
        done += n;
    }
}

static void put_head(rocksdb_store *r, uint64_t user_id, const history_info *info)
{
    char value[RECORD_HEAD_BYTES];
    const record_key key = record_key_of(user_id, RECORD_HEAD);
    record_head_write(info, value);
    rocksdb_writebatch_wi_put(r->batch, key.bytes, key.count, value, sizeof value);
}

static store_code rocksdb_append(store *s, uint64_t user_id, event *events, size_t *count,
                                 history_info *info)
{
    rocksdb_store *r = (rocksdb_store *)s;
    history_info before;
    store_code code = rocksdb_info(s, user_id, &before);
    if (code != STORE_OK)
        return code;
    rocksdb_writebatch_wi_set_save_point(r->batch);
    code = apply_ids(r, user_id, events, count);
    if (code != STORE_OK) {
        char *message = NULL;
        rocksdb_writebatch_wi_rollback_to_save_point(r->batch, &message);
        (void)code_of(r, "roll back", user_id, message);
        return code;
    }
    if (before.sequence == 0)
        before.born = rocksdb_get_latest_sequence_number(r->db);
    *info = extend(before, events, *count);
    if (*count == 0)
        return STORE_OK;
    put_events(r, user_id, events, *count, before.sequence);
    put_head(r, user_id, info);
    return STORE_OK;
}

/* Puts the deletion of a user's snapshots of other models than those to keep into the batch. */
static store_code drop_snapshots(rocksdb_store *r, uint64_t user_id, const snapshot_keep *keep)
{
    const record_key first = record_key_numbered(user_id, RECORD_SNAPSHOT, 0);
    const record_key end = record_key_numbered(user_id, RECORD_EVENT, 0);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, end.bytes, end.count);
    rocksdb_iterator_t *at = rocksdb_create_iterator(r->db, r->read);
    for (rocksdb_iter_seek(at, first.bytes, first.count); rocksdb_iter_valid(at);
         rocksdb_iter_next(at)) {
        size_t bytes;
        uint64_t user, model;
        record_kind kind;
        const char *key = rocksdb_iter_key(at, &bytes);
        bool kept = !record_key_parse(key, bytes, &user, &kind, &model);
        for (size_t i = 0; i < keep->count && !kept; i++)
            kept = keep->models[i] == model;
        if (!kept)
            rocksdb_writebatch_wi_delete(r->batch, key, bytes);
    }
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, NULL, 0);
    return code_of(r, "read", user_id, message);
}

static store_code rocksdb_save(store *s, uint64_t user_id, const store_snapshot *snapshot,
                               const snapshot_keep *keep)
{
    rocksdb_store *r = (rocksdb_store *)s;
    history_info info;
    store_code code = rocksdb_info(s, user_id, &info);
    if (code != STORE_OK || info.born != snapshot->born || info.sequence < snapshot->sequence)
        return code;
    code = drop_snapshots(r, user_id, keep);
    if (code != STORE_OK)
        return code;
    const size_t bytes = RECORD_SNAPSHOT_HEAD_BYTES + snapshot->count;
    char *value = malloc(bytes);
    if (!value)
        return STORE_NO_MEMORY;
    const record_key key = record_key_numbered(user_id, RECORD_SNAPSHOT, snapshot->model);
    record_snapshot_write(snapshot, value);
    rocksdb_writebatch_wi_put(r->batch, key.bytes, key.count, value, bytes);
    free(value);
    return STORE_OK;
}

static store_code rocksdb_commit(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    char *message = NULL;
    if (rocksdb_writebatch_wi_count(r->batch) > 0)
        rocksdb_write_writebatch_wi(r->db, r->write, r->batch, &message);
    rocksdb_writebatch_wi_clear(r->batch);
    return code_of(r, "commit", 0, message);
}

/* All of a user's keys lie together. */
static store_code rocksdb_erase(store *s, uint64_t user_id, uint64_t *erased)
{
    rocksdb_store *r = (rocksdb_store *)s;
    history_info info;
    const store_code code = rocksdb_info(s, user_id, &info);
    if (code != STORE_OK)
        return code;
    *erased = info.sequence;
    if (info.sequence == 0)
        return STORE_OK;
    const record_key first = record_key_of(user_id, RECORD_HEAD);
    record_key end = record_key_of(user_id, RECORD_ID);
    end.bytes[RECORD_USER_BYTES]++;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_delete_range(batch, first.bytes, first.count, end.bytes, end.count);
    char *message = NULL;
    rocksdb_write(r->db, r->write, batch, &message);
    rocksdb_writebatch_destroy(batch);
    return code_of(r, "erase", user_id, message);
}

static void rocksdb_pin(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    r->pinned = rocksdb_create_snapshot(r->db);
    rocksdb_readoptions_set_snapshot(r->read, r->pinned);
}

static void rocksdb_unpin(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    rocksdb_readoptions_set_snapshot(r->read, NULL);
    rocksdb_release_snapshot(r->db, r->pinned);
    r->pinned = NULL;
}

/* Nothing stays in the batch that was not there before. */
static store_code rocksdb_drop_applied(store *s, uint64_t user_id, event *events, size_t *count)
{
    rocksdb_store *r = (rocksdb_store *)s;
    char *message = NULL;
    rocksdb_writebatch_wi_set_save_point(r->batch);
    const store_code code = apply_ids(r, user_id, events, count);
    rocksdb_writebatch_wi_rollback_to_save_point(r->batch, &message);
    return code != STORE_OK ? code : code_of(r, "roll back", user_id, message);
}

/*
 * Takes events of the record that the iterator stands at, from *sequence on. False: it is no such
 * record.
 */
static bool take_events(const rocksdb_iterator_t *at, uint64_t *sequence, event *out, size_t max,
                        size_t *taken)
{
    uint64_t user_id, last;
    record_kind kind;
    size_t key_bytes, bytes;
    const char *key = rocksdb_iter_key(at, &key_bytes);
    const char *value = rocksdb_iter_value(at, &bytes);
    const size_t count = record_events_count(bytes);
    if (!record_key_parse(key, key_bytes, &user_id, &kind, &last) || kind != RECORD_EVENT ||
        count == 0 || last < count || *sequence <= last - count)
        return false;
    for (size_t i = (size_t)(*sequence - 1 - (last - count)); i < count && *taken < max; i++) {
        out[(*taken)++] = record_event(value, i);
        (*sequence)++;
    }
    return true;
}

static store_code rocksdb_read(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                               size_t max, size_t *count)
{
    rocksdb_store *r = (rocksdb_store *)s;
    *count = 0;
    if (first_sequence == 0 || max == 0)
        return STORE_OK;
    const record_key first = record_key_numbered(user_id, RECORD_EVENT, first_sequence);
    const record_key end = record_key_of(user_id, RECORD_ID);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, end.bytes, end.count);
    rocksdb_iterator_t *at = rocksdb_create_iterator(r->db, r->read);
    bool whole = true;
    uint64_t sequence = first_sequence;
    for (rocksdb_iter_seek(at, first.bytes, first.count);
         whole && *count < max && rocksdb_iter_valid(at); rocksdb_iter_next(at))
        whole = take_events(at, &sequence, out, max, count);
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, NULL, 0);
    if (message)
        return code_of(r, "read", user_id, message);
    return whole ? STORE_OK : damaged("events", user_id);
}

/* One that is damaged is none: the events are all there. */
static store_code rocksdb_load(store *s, uint64_t user_id, uint64_t model, store_snapshot *out)
{
    char *value = NULL;
    size_t count = 0;
    *out = (store_snapshot){0};
    const store_code code =
        get((rocksdb_store *)s, user_id, record_key_numbered(user_id, RECORD_SNAPSHOT, model),
            &value, &count);
    if (code != STORE_OK || !value)
        return code == STORE_DAMAGED ? STORE_OK : code;
    store_snapshot found;
    store_code result = STORE_OK;
    if (record_snapshot_parse(value, count, &found)) {
        uint8_t *bytes = malloc(found.count + 1);
        if (bytes) {
            memcpy(bytes, found.bytes, found.count);
            *out = found;
            out->model = model;
            out->bytes = bytes;
        } else {
            result = STORE_NO_MEMORY;
        }
    } else {
        log_warn("a snapshot is damaged and left alone", log_u64("user_id", user_id));
    }
    rocksdb_free(value);
    return result;
}

static void rocksdb_close_store(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    rocksdb_readoptions_destroy(r->read);
    rocksdb_writeoptions_destroy(r->write);
    rocksdb_writebatch_wi_destroy(r->batch);
    free(r);
}

static const store_operations rocksdb_operations = {
    .append = rocksdb_append,
    .save = rocksdb_save,
    .erase = rocksdb_erase,
    .commit = rocksdb_commit,
    .pin = rocksdb_pin,
    .unpin = rocksdb_unpin,
    .drop_applied = rocksdb_drop_applied,
    .info = rocksdb_info,
    .read = rocksdb_read,
    .load = rocksdb_load,
    .close = rocksdb_close_store,
};

store *store_rocksdb_open(database *d)
{
    rocksdb_store *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->base = (store){.operations = &rocksdb_operations, .durability = database_durability(d)};
    r->database = d;
    r->db = database_handle(d);
    r->batch = rocksdb_writebatch_wi_create(0, 1);
    r->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->write, database_durability(d) == DURABILITY_SYNC);
    r->read = rocksdb_readoptions_create();
    return &r->base;
}
