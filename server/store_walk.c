#include "store_walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "decode.h"
#include "store_record.h"

typedef struct walk {
    rocksdb_iterator_t *at;
    walk_visitor *visit;
    void *context;
    walk_totals *totals;
    database_error *error;
    record_items_walk items;

    /* The user whose records are being passed. */
    bool begun;
    uint64_t user_id;
    history_info head; /* zeros: it has none */
    bool any;          /* an event record was passed */
    uint64_t last;     /* the sequence number of its last event */
    uint64_t ids, ids_of_events;
} walk;

static bool fail(walk *w, const char *what)
{
    (void)snprintf(w->error->text, sizeof w->error->text, "store: user_id %llu: %s",
                   (unsigned long long)w->user_id, what);
    return false;
}

/* The last record of a user has been passed. */
static bool end_user(walk *w)
{
    if (!w->begun)
        return true;
    if (w->any ? w->last < w->head.sequence || w->last - w->head.sequence >= RECORD_HEAD_EVENTS
               : w->head.first <= w->head.sequence)
        return fail(w, "the head is not that of the last events");
    if (w->ids != w->ids_of_events)
        return fail(w, "the ids that were applied are not those of the events");
    w->totals->users++;
    w->totals->events += (w->any ? w->last : w->head.sequence) - w->head.first + 1;
    w->totals->ids += w->ids;
    return true;
}

static bool begin_user(walk *w, uint64_t user_id)
{
    if (w->begun && w->user_id == user_id)
        return true;
    if (!end_user(w))
        return false;
    w->begun = true;
    w->user_id = user_id;
    w->head = (history_info){0};
    w->any = false;
    w->last = w->ids = w->ids_of_events = 0;
    return true;
}

/* Whether an event record may be the next, before whose events this one stands. */
static bool follows(const walk *w, uint64_t before)
{
    return w->any ? before == w->last : before < w->head.cleared;
}

static bool pass_events(walk *w, const char *value, size_t bytes, uint64_t last)
{
    const size_t count = record_events_count(bytes);
    if (count == 0 || count > last || !follows(w, last - count))
        return fail(w, "events are missing or damaged");
    w->any = true;
    w->last = last;
    for (size_t i = 0; i < count; i++) {
        const event e = record_event(value, i);
        const uint64_t sequence = last - count + 1 + i;
        w->ids_of_events += e.id != 0 && sequence >= w->head.cleared;
        if (w->visit && sequence >= w->head.first && !w->visit(w->context, w->user_id, &e))
            return false;
    }
    return true;
}

static bool pass_snapshot(walk *w, const char *value, size_t bytes)
{
    store_snapshot snapshot;
    const bool whole = record_snapshot_parse(value, bytes, &snapshot);
    w->totals->snapshots += whole;
    w->totals->bad_snapshots += !whole;
    return true;
}

static bool fail_items(walk *w, uint64_t number, const char *what)
{
    (void)snprintf(w->error->text, sizeof w->error->text, "store: upsert %llu %s",
                   (unsigned long long)number, what);
    return false;
}

/* A request for items. */
static bool pass_items(walk *w, uint64_t number, const char *value, size_t bytes)
{
    upsert u;
    grpc_error cause;
    const char *what = "is out of its order";
    bool whole = record_items_pass(&w->items, number);
    if (whole) {
        what = "is damaged";
        whole = decode_upsert((const uint8_t *)value, bytes, UINT32_MAX, &u, &cause);
        upsert_clear(&u);
    }
    w->totals->upserts++;
    return whole || fail_items(w, number, what);
}

/* The record of a user that the iterator stands at. */
static bool pass_user(walk *w, const char *key, size_t key_bytes)
{
    uint64_t user_id, number;
    record_kind kind;
    size_t bytes;
    const char *value = rocksdb_iter_value(w->at, &bytes);
    if (!record_key_parse(key, key_bytes, &user_id, &kind, &number))
        return fail(w, "the key after its records is none of a store's");
    if (!begin_user(w, user_id))
        return false;
    switch (kind) {
    case RECORD_HEAD:
        return record_head_parse(value, bytes, &w->head) || fail(w, "the head is damaged");
    case RECORD_SNAPSHOT:
        return pass_snapshot(w, value, bytes);
    case RECORD_EVENT:
        return pass_events(w, value, bytes, number);
    case RECORD_ID:
        w->ids++;
        return true;
    }
    return false;
}

/* The record that the iterator stands at. */
static bool pass(walk *w)
{
    uint64_t number;
    size_t key_bytes, bytes;
    const char *key = rocksdb_iter_key(w->at, &key_bytes);
    const char *value = rocksdb_iter_value(w->at, &bytes);
    if (record_key_parse_items(key, key_bytes, &number))
        return pass_items(w, number, value, bytes);
    if (key_bytes > 0 && key[0] == 'm')
        return true; /* database_open has checked it */
    return pass_user(w, key, key_bytes);
}

bool store_walk(database *d, walk_visitor *visit, void *context, walk_totals *totals,
                database_error *error)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(options, 1);
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_iterator_t *at = rocksdb_create_iterator(database_handle(d), options);
    walk w = {.at = at, .visit = visit, .context = context, .totals = totals, .error = error};
    *totals = (walk_totals){0};
    error->text[0] = '\0';
    bool ok = database_read_items(d, &w.items.of, error);
    for (rocksdb_iter_seek_to_first(at); ok && rocksdb_iter_valid(at); rocksdb_iter_next(at))
        ok = pass(&w);
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    if (message) {
        ok = fail(&w, message);
        rocksdb_free(message);
    }
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(options);
    if (ok && !record_items_end(&w.items))
        ok = fail_items(&w, w.items.of.through, "is missing");
    return ok && end_user(&w);
}
