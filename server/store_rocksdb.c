#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "limit.h"
#include "log.h"
#include "store.h"
#include "store_heads.h"
#include "store_record.h"

/*
 * The batch holds what is not committed yet; an append sees what was before it there in the heads,
 * which only appends fill.
 */
typedef struct rocksdb_store {
    store base;
    database *database;
    rocksdb_t *db;
    rocksdb_writebatch_t *batch;
    store_heads heads;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *pinned; /* NULL: not */
} rocksdb_store;

/* Logs an error of RocksDB's and frees its text. */
static store_code code_of(rocksdb_store *r, const char *operation, uint64_t user_id, char *message)
{
    const bool damaged = record_is_damage(message);
    if (damaged || database_may_log(r->database))
        log_error("the store failed", log_str("operation", operation), log_u64("user_id", user_id),
                  log_str("error", message));
    rocksdb_free(message);
    return damaged ? STORE_DAMAGED : STORE_UNAVAILABLE;
}

/* The same of something read, or of none. */
static store_code read_code(rocksdb_store *r, uint64_t user_id, char *message)
{
    if (!message)
        return STORE_OK;
    const store_code code = code_of(r, "read", user_id, message);
    if (code == STORE_UNAVAILABLE)
        database_note_unread(r->database, user_id);
    return code;
}

/* Writes a batch. user_id: 0 if it is not one user's. */
static store_code write_batch(rocksdb_store *r, const char *operation, uint64_t user_id,
                              rocksdb_writebatch_t *batch)
{
    char *message = NULL;
    rocksdb_set_perf_level(rocksdb_disable);
    rocksdb_write(r->db, r->write, batch, &message);
    database_note_write(r->database, !message);
    return message ? code_of(r, operation, user_id, message) : STORE_OK;
}

static store_code damaged(const char *what, uint64_t user_id)
{
    log_error("the store is damaged", log_str("record", what), log_u64("user_id", user_id));
    return STORE_DAMAGED;
}

/* The value of a key; NULL in *value: there is none. */
static store_code get(rocksdb_store *r, uint64_t user_id, record_key key, char **value,
                      size_t *count)
{
    char *message = NULL;
    *value = rocksdb_get(r->db, r->read, key.bytes, key.count, count, &message);
    return read_code(r, user_id, message);
}

/* Frees an iterator. whole: what it came upon was what had to be there. */
static store_code end_reading(rocksdb_store *r, uint64_t user_id, rocksdb_iterator_t *at,
                              bool whole)
{
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, NULL, 0);
    const store_code code = read_code(r, user_id, message);
    return code == STORE_OK && !whole ? damaged("events", user_id) : code;
}

static void put(rocksdb_store *r, record_key key, const char *value, size_t count)
{
    rocksdb_writebatch_put(r->batch, key.bytes, key.count, value, count);
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
    return end_reading(r, user_id, at, whole);
}

static size_t stored_bytes(const event *e)
{
    return RECORD_EVENT_BYTES + (e->id != 0 ? sizeof(record_key) : 0);
}

/* What comes after the events. */
static history_info extend(history_info info, const event *events, size_t count)
{
    if (info.sequence == 0)
        info.first = info.cleared = 1;
    for (size_t i = 0; i < count; i++) {
        const bool only = info.first > info.sequence;
        if (only || events[i].time_ms < info.first_time_ms)
            info.first_time_ms = events[i].time_ms;
        if (only || events[i].time_ms > info.last_time_ms)
            info.last_time_ms = events[i].time_ms;
        info.sequence++;
        info.bytes += stored_bytes(&events[i]);
    }
    return info;
}

/* Reads a user's head: what its record says, and the events after that. *recorded: the last that
 * the record knows of. */
static store_code read_head(rocksdb_store *r, uint64_t user_id, history_info *info,
                            uint64_t *recorded)
{
    char *value = NULL;
    size_t count = 0;
    *info = (history_info){0};
    *recorded = 0;
    store_code code = get(r, user_id, record_key_of(user_id, RECORD_HEAD), &value, &count);
    if (code != STORE_OK || !value)
        return code;
    const bool whole = record_head_parse(value, count, info);
    rocksdb_free(value);
    if (!whole)
        return damaged("head", user_id);
    *recorded = info->sequence;
    event later[RECORD_HEAD_EVENTS];
    do {
        code =
            rocksdb_read(&r->base, user_id, info->sequence + 1, later, RECORD_HEAD_EVENTS, &count);
        *info = extend(*info, later, count);
    } while (code == STORE_OK && count == RECORD_HEAD_EVENTS);
    return code;
}

static store_code rocksdb_info(store *s, uint64_t user_id, history_info *info)
{
    rocksdb_store *r = (rocksdb_store *)s;
    const store_head *head = store_heads_find(&r->heads, user_id);
    uint64_t recorded;
    if (!head)
        return read_head(r, user_id, info, &recorded);
    *info = head->info;
    return STORE_OK;
}

/* What is remembered of the user from now on. */
static store_code remember(rocksdb_store *r, uint64_t user_id, store_head **head)
{
    history_info info;
    uint64_t recorded;
    *head = store_heads_find(&r->heads, user_id);
    if (*head)
        return STORE_OK;
    const store_code code = read_head(r, user_id, &info, &recorded);
    if (code != STORE_OK)
        return code;
    *head = store_heads_add(&r->heads, user_id, &info);
    if (!*head)
        return STORE_NO_MEMORY;
    (*head)->recorded = recorded;
    return STORE_OK;
}

static size_t count_ids(const event *events, size_t count)
{
    size_t ids = 0;
    for (size_t i = 0; i < count; i++)
        ids += events[i].id != 0;
    return ids;
}

/* Whether an id is the user's already. A user without a history has none. */
static store_code find_id(rocksdb_store *r, uint64_t user_id, const store_head *head, uint64_t id,
                          bool *found)
{
    char *value = NULL;
    size_t bytes;
    *found = head && id_map_get(&head->fresh, id);
    if (*found || (head && head->info.sequence == 0))
        return STORE_OK;
    const store_code code =
        get(r, user_id, record_key_numbered(user_id, RECORD_ID, id), &value, &bytes);
    *found = value != NULL;
    rocksdb_free(value);
    return code;
}

/* Takes out events whose id is the user's already, or stands earlier in the array. */
static store_code drop_repeated(rocksdb_store *r, uint64_t user_id, const store_head *head,
                                event *events, size_t *count)
{
    id_map seen = {0};
    size_t kept = 0;
    store_code code = STORE_OK;
    if (!id_map_reserve(&seen, count_ids(events, *count)))
        return STORE_NO_MEMORY;
    for (size_t i = 0; i < *count && code == STORE_OK; i++) {
        const uint64_t id = events[i].id;
        if (id != 0) {
            bool applied = id_map_get(&seen, id) != NULL;
            if (!applied)
                code = find_id(r, user_id, head, id, &applied);
            if (applied)
                continue;
            id_map_put(&seen, id, &seen);
        }
        events[kept++] = events[i];
    }
    id_map_clear(&seen);
    if (code == STORE_OK)
        *count = kept;
    return code;
}

static void put_events(rocksdb_store *r, uint64_t user_id, const event *events, size_t count,
                       uint64_t sequence)
{
    char value[RECORD_EVENTS * RECORD_EVENT_BYTES];
    for (size_t done = 0; done < count;) {
        const size_t n = count - done < RECORD_EVENTS ? count - done : RECORD_EVENTS;
        record_events_write(events + done, n, value);
        put(r, record_key_numbered(user_id, RECORD_EVENT, sequence + done + n), value,
            n * RECORD_EVENT_BYTES);
        done += n;
    }
}

/* The ids become fresh ones of the head, which has room for them. */
static void put_ids(rocksdb_store *r, uint64_t user_id, store_head *head, const event *events,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (events[i].id == 0)
            continue;
        put(r, record_key_numbered(user_id, RECORD_ID, events[i].id), "", 0);
        id_map_put(&head->fresh, events[i].id, head);
    }
}

static void put_head(rocksdb_store *r, uint64_t user_id, store_head *head)
{
    char value[RECORD_HEAD_BYTES];
    record_head_write(&head->info, value);
    put(r, record_key_of(user_id, RECORD_HEAD), value, sizeof value);
    head->recorded = head->info.sequence;
}

/*
 * Records are put in the order of their keys, which is how RocksDB finds their places fastest. The
 * head is one of them now and then: who reads it reads the events after it.
 */
static store_code rocksdb_append(store *s, uint64_t user_id, event *events, size_t *count,
                                 history_info *info, store_code *later)
{
    *later = STORE_OK;
    rocksdb_store *r = (rocksdb_store *)s;
    store_head *head;
    store_code code = remember(r, user_id, &head);
    if (code == STORE_OK)
        code = drop_repeated(r, user_id, head, events, count);
    if (code != STORE_OK)
        return code;
    if (!id_map_reserve(&head->fresh, count_ids(events, *count)))
        return STORE_NO_MEMORY;
    if (*count > 0) {
        if (head->info.sequence == 0)
            head->info.born = rocksdb_get_latest_sequence_number(r->db);
        const uint64_t before = head->info.sequence;
        head->info = extend(head->info, events, *count);
        if (before == 0 || head->info.sequence - head->recorded >= RECORD_HEAD_EVENTS)
            put_head(r, user_id, head);
        put_events(r, user_id, events, *count, before);
        put_ids(r, user_id, head, events, *count);
        store_heads_change(&r->heads, head);
    }
    *info = head->info;
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
            rocksdb_writebatch_delete(r->batch, key, bytes);
    }
    return end_reading(r, user_id, at, true);
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
    put(r, key, value, bytes);
    free(value);
    return STORE_OK;
}

static store_code rocksdb_commit(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    if (rocksdb_writebatch_count(r->batch) == 0)
        return STORE_OK;
    const store_code code = write_batch(r, "commit", 0, r->batch);
    rocksdb_writebatch_clear(r->batch);
    if (code == STORE_OK)
        store_heads_commit(&r->heads);
    else
        store_heads_clear(&r->heads);
    return code;
}

/* All of a user's keys lie together. */
static store_code rocksdb_erase(store *s, uint64_t user_id, uint64_t *erased)
{
    rocksdb_store *r = (rocksdb_store *)s;
    history_info info;
    const store_code code = rocksdb_info(s, user_id, &info);
    if (code != STORE_OK)
        return code;
    if (info.sequence == 0) {
        *erased = 0;
        return STORE_OK;
    }
    *erased = info.sequence - info.first + 1;
    const record_key first = record_key_of(user_id, RECORD_HEAD);
    const record_key end = record_key_end(user_id);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_delete_range(batch, first.bytes, first.count, end.bytes, end.count);
    const store_code written = write_batch(r, "erase", user_id, batch);
    rocksdb_writebatch_destroy(batch);
    store_heads_forget(&r->heads, user_id);
    return written;
}

static store_code rocksdb_trim(store *s, uint64_t user_id, const history_info *left)
{
    rocksdb_store *r = (rocksdb_store *)s;
    store_head *head;
    const store_code code = remember(r, user_id, &head);
    if (code != STORE_OK)
        return code;
    head->info.first = left->first;
    head->info.first_time_ms = left->first_time_ms;
    head->info.last_time_ms = left->last_time_ms;
    head->info.born = rocksdb_get_latest_sequence_number(r->db);
    put_head(r, user_id, head);
    store_heads_change(&r->heads, head);
    return drop_snapshots(r, user_id, &(snapshot_keep){0});
}

/*
 * Deletes the ids of the events in the record, and the record if no event of it is kept. False: it
 * is no such record.
 */
static bool purge_record(rocksdb_store *r, const rocksdb_iterator_t *at, history_info *info,
                         size_t *purged)
{
    uint64_t user_id, last;
    record_kind kind;
    size_t key_bytes, bytes;
    const char *key = rocksdb_iter_key(at, &key_bytes);
    const char *value = rocksdb_iter_value(at, &bytes);
    const size_t count = record_events_count(bytes);
    if (!record_key_parse(key, key_bytes, &user_id, &kind, &last) || kind != RECORD_EVENT ||
        count == 0 || last < count || info->cleared <= last - count)
        return false;
    while (info->cleared <= last && info->cleared < info->first) {
        const event e = record_event(value, (size_t)(info->cleared - 1 - (last - count)));
        const record_key id = record_key_numbered(user_id, RECORD_ID, e.id);
        if (e.id != 0)
            rocksdb_writebatch_delete(r->batch, id.bytes, id.count);
        info->bytes -= stored_bytes(&e);
        info->cleared++;
        (*purged)++;
    }
    if (last < info->first)
        rocksdb_writebatch_delete(r->batch, key, key_bytes);
    return true;
}

static store_code rocksdb_purge(store *s, uint64_t user_id, size_t max, bool *more)
{
    rocksdb_store *r = (rocksdb_store *)s;
    store_head *head;
    *more = false;
    store_code code = remember(r, user_id, &head);
    if (code != STORE_OK || head->info.sequence == 0)
        return code;
    history_info info = head->info;
    const record_key first = record_key_numbered(user_id, RECORD_EVENT, info.cleared);
    const record_key end = record_key_numbered(user_id, RECORD_ID, 0);
    rocksdb_readoptions_set_iterate_upper_bound(r->read, end.bytes, end.count);
    rocksdb_iterator_t *at = rocksdb_create_iterator(r->db, r->read);
    bool whole = true;
    size_t purged = 0;
    for (rocksdb_iter_seek(at, first.bytes, first.count);
         whole && purged < max && info.cleared < info.first && rocksdb_iter_valid(at);
         rocksdb_iter_next(at))
        whole = purge_record(r, at, &info, &purged);
    code = end_reading(r, user_id, at, whole);
    if (code != STORE_OK || purged == 0)
        return code;
    head->info = info;
    put_head(r, user_id, head);
    store_heads_change(&r->heads, head);
    *more = info.cleared < info.first;
    return STORE_OK;
}

static store_code rocksdb_users(store *s, uint64_t *cursor, uint64_t *out, size_t max,
                                size_t *count)
{
    rocksdb_store *r = (rocksdb_store *)s;
    rocksdb_iterator_t *at = rocksdb_create_iterator(r->db, r->read);
    record_key key = record_key_of(*cursor, RECORD_HEAD);
    bool whole = true;
    *count = 0;
    for (rocksdb_iter_seek(at, key.bytes, key.count);
         whole && *count < max && rocksdb_iter_valid(at);
         rocksdb_iter_seek(at, key.bytes, key.count)) {
        uint64_t number;
        record_kind kind;
        size_t bytes;
        const char *found = rocksdb_iter_key(at, &bytes);
        whole = record_key_parse(found, bytes, &out[*count], &kind, &number);
        key = record_key_end(out[*count]);
        *cursor = out[*count] + 1;
        *count += whole;
    }
    return end_reading(r, *cursor, at, whole);
}

static void rocksdb_pin(store *s)
{
    rocksdb_store *r = (rocksdb_store *)s;
    rocksdb_set_perf_level(rocksdb_disable);
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

static store_code rocksdb_drop_applied(store *s, uint64_t user_id, event *events, size_t *count)
{
    rocksdb_store *r = (rocksdb_store *)s;
    return drop_repeated(r, user_id, store_heads_find(&r->heads, user_id), events, count);
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
    rocksdb_writebatch_destroy(r->batch);
    store_heads_clear(&r->heads);
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
    .users = rocksdb_users,
    .trim = rocksdb_trim,
    .purge = rocksdb_purge,
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
    r->batch = rocksdb_writebatch_create();
    r->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->write, database_durability(d) == DURABILITY_SYNC);
    r->read = rocksdb_readoptions_create();
    return &r->base;
}
