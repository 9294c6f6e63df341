#include "upsert_log.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_record.h"

/* A request in memory. */
typedef struct kept_request {
    uint64_t number;
    uint8_t *message; /* [bytes] */
    size_t bytes;
} kept_request;

struct upsert_log {
    uint64_t last; /* number */
    record_items compacted;

    database *database; /* NULL: requests are in memory */
    rocksdb_t *db;
    durability durability;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;

    kept_request *kept; /* [count], in memory */
    size_t count, capacity;
};

/* Logs an error of RocksDB's and frees its text. STORE_OK: there was none. */
static store_code code_of(const char *operation, char *message)
{
    if (!message)
        return STORE_OK;
    const bool damaged = strncmp(message, "Corruption", strlen("Corruption")) == 0;
    log_error("the store failed", log_str("operation", operation), log_str("error", message));
    rocksdb_free(message);
    return damaged ? STORE_DAMAGED : STORE_UNAVAILABLE;
}

static bool count_one(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    (void)message, (void)bytes;
    upsert_log *l = context;
    l->last = number;
    return true;
}

/* Finds out what there is. */
static bool look(upsert_log *l)
{
    database_error error;
    if (!database_read_items(l->database, &l->compacted, &error)) {
        log_error("the store is damaged", log_str("error", error.text));
        return false;
    }
    if (upsert_log_read(l, count_one, l) != STORE_OK)
        return false;
    if (l->last < l->compacted.through)
        l->last = l->compacted.through;
    return true;
}

upsert_log *upsert_log_open(database *d)
{
    upsert_log *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->durability = DURABILITY_MEMORY;
    if (!d)
        return l;
    l->database = d;
    l->durability = database_durability(d);
    l->db = database_handle(d);
    l->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(l->write, l->durability == DURABILITY_SYNC);
    l->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(l->read, "j", 1);
    if (look(l))
        return l;
    upsert_log_close(l);
    return NULL;
}

static void free_kept(kept_request *kept, size_t count)
{
    for (size_t i = 0; kept && i < count; i++)
        free(kept[i].message);
    free(kept);
}

void upsert_log_close(upsert_log *l)
{
    if (!l)
        return;
    if (l->db) {
        rocksdb_readoptions_destroy(l->read);
        rocksdb_writeoptions_destroy(l->write);
    }
    free_kept(l->kept, l->count);
    free(l);
}

uint64_t upsert_log_count(const upsert_log *l)
{
    return l->last;
}

uint64_t upsert_log_compactions(const upsert_log *l)
{
    return l->compacted.compactions;
}

bool upsert_log_is_written(const upsert_log *l)
{
    return !l->database || database_is_written(l->database);
}

durability upsert_log_durability(const upsert_log *l)
{
    return l->durability;
}

static store_code keep(upsert_log *l, const uint8_t *message, size_t bytes)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity > 0 ? 2 * l->capacity : 16;
        kept_request *bigger = realloc(l->kept, capacity * sizeof *bigger);
        if (!bigger)
            return STORE_NO_MEMORY;
        l->kept = bigger;
        l->capacity = capacity;
    }
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    if (!copy)
        return STORE_NO_MEMORY;
    memcpy(copy, message, bytes);
    l->kept[l->count++] = (kept_request){++l->last, copy, bytes};
    return STORE_OK;
}

store_code upsert_log_append(upsert_log *l, const uint8_t *message, size_t bytes)
{
    if (!l->db)
        return keep(l, message, bytes);
    const record_key key = record_key_items(l->last + 1);
    char *failure = NULL;
    rocksdb_put(l->db, l->write, key.bytes, key.count, (const char *)message, bytes, &failure);
    const store_code code = code_of("upsert", failure);
    l->last += code == STORE_OK;
    return code;
}

static store_code read_kept(const upsert_log *l, upsert_visitor *visit, void *context)
{
    bool more = true;
    for (size_t i = 0; more && i < l->count; i++)
        more = visit(context, l->kept[i].number, l->kept[i].message, l->kept[i].bytes);
    return STORE_OK;
}

store_code upsert_log_read(upsert_log *l, upsert_visitor *visit, void *context)
{
    if (!l->db)
        return read_kept(l, visit, context);
    rocksdb_iterator_t *at = rocksdb_create_iterator(l->db, l->read);
    const record_key from = record_key_items(0);
    record_items_walk walk = {.of = l->compacted};
    uint64_t number;
    bool whole = true, more = true;
    for (rocksdb_iter_seek(at, from.bytes, from.count); whole && more && rocksdb_iter_valid(at);
         rocksdb_iter_next(at)) {
        size_t key_bytes, bytes;
        const char *key = rocksdb_iter_key(at, &key_bytes);
        const char *value = rocksdb_iter_value(at, &bytes);
        whole = record_key_parse_items(key, key_bytes, &number) && record_items_pass(&walk, number);
        if (whole)
            more = visit(context, number, (const uint8_t *)value, bytes);
    }
    char *failure = NULL;
    rocksdb_iter_get_error(at, &failure);
    rocksdb_iter_destroy(at);
    if (failure)
        return code_of("read upserts", failure);
    if (whole && (!more || record_items_end(&walk)))
        return STORE_OK;
    log_error("the store is damaged: an upsert is missing", log_u64("last_number", walk.last));
    return STORE_DAMAGED;
}

/* ---- compaction ---- */

/* The log as it is to be. */
typedef struct compaction {
    upsert_filter *filter;
    void *context;
    uint64_t kept;
    rocksdb_writebatch_t *batch; /* on disk */
    upsert_log copy;             /* in memory */
    bool failed;                 /* there is no memory */
} compaction;

/* What the filter leaves, in a block of its own; NULL: no memory. */
static uint8_t *filter_one(compaction *c, const uint8_t *message, size_t bytes, size_t *left_bytes)
{
    uint8_t *left = malloc(bytes > 0 ? bytes : 1);
    *left_bytes = left ? c->filter(c->context, message, bytes, left) : 0;
    c->kept += *left_bytes > 0;
    c->failed = !left;
    return left;
}

static bool write_one(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    compaction *c = context;
    const record_key key = record_key_items(number);
    size_t left_bytes;
    uint8_t *left = filter_one(c, message, bytes, &left_bytes);
    if (left_bytes > 0)
        rocksdb_writebatch_put(c->batch, key.bytes, key.count, (const char *)left, left_bytes);
    else
        rocksdb_writebatch_delete(c->batch, key.bytes, key.count);
    free(left);
    return !c->failed;
}

static bool keep_one(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    compaction *c = context;
    size_t left_bytes;
    uint8_t *left = filter_one(c, message, bytes, &left_bytes);
    c->copy.last = number - 1;
    if (left_bytes > 0)
        c->failed = keep(&c->copy, left, left_bytes) != STORE_OK;
    free(left);
    return !c->failed;
}

/* Writes it, and that the log is compacted. */
static store_code commit(upsert_log *l, rocksdb_writebatch_t *batch, const record_items *compacted)
{
    char value[RECORD_COMPACTION_BYTES], *failure = NULL;
    record_items_write(compacted, value);
    rocksdb_writebatch_put(batch, record_items_key, strlen(record_items_key), value, sizeof value);
    rocksdb_writeoptions_t *synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(synced, 1);
    rocksdb_write(l->db, synced, batch, &failure);
    rocksdb_writeoptions_destroy(synced);
    database_note_write(l->database, !failure);
    return code_of("compact upserts", failure);
}

static store_code compact_disk(upsert_log *l, compaction *c, record_items *compacted)
{
    c->batch = rocksdb_writebatch_create();
    store_code code = upsert_log_read(l, write_one, c);
    if (code == STORE_OK && c->failed)
        code = STORE_NO_MEMORY;
    compacted->kept = c->kept;
    if (code == STORE_OK)
        code = commit(l, c->batch, compacted);
    rocksdb_writebatch_destroy(c->batch);
    return code;
}

static store_code compact_memory(upsert_log *l, compaction *c, record_items *compacted)
{
    (void)read_kept(l, keep_one, c);
    if (c->failed) {
        free_kept(c->copy.kept, c->copy.count);
        return STORE_NO_MEMORY;
    }
    free_kept(l->kept, l->count);
    l->kept = c->copy.kept;
    l->count = c->copy.count;
    l->capacity = c->copy.capacity;
    compacted->kept = c->kept;
    return STORE_OK;
}

store_code upsert_log_compact(upsert_log *l, upsert_filter *filter, void *context)
{
    compaction c = {.filter = filter, .context = context};
    record_items compacted = {.compactions = l->compacted.compactions + 1, .through = l->last};
    const store_code code =
        l->db ? compact_disk(l, &c, &compacted) : compact_memory(l, &c, &compacted);
    if (code == STORE_OK)
        l->compacted = compacted;
    return code;
}
