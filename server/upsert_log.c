#include "upsert_log.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_record.h"

/* A request in memory. */
typedef struct kept_request {
    uint8_t *message; /* [bytes] */
    size_t bytes;
} kept_request;

struct upsert_log {
    uint64_t count;

    rocksdb_t *db; /* NULL: requests are in memory */
    durability durability;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;

    kept_request *kept; /* [count], in memory */
    size_t capacity;
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
    l->count = number;
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
    l->durability = database_durability(d);
    l->db = database_handle(d);
    l->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(l->write, l->durability == DURABILITY_SYNC);
    l->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(l->read, "j", 1);
    if (upsert_log_read(l, 1, count_one, l) == STORE_OK)
        return l;
    upsert_log_close(l);
    return NULL;
}

void upsert_log_close(upsert_log *l)
{
    if (!l)
        return;
    if (l->db) {
        rocksdb_readoptions_destroy(l->read);
        rocksdb_writeoptions_destroy(l->write);
    }
    for (size_t i = 0; l->kept && i < l->count; i++)
        free(l->kept[i].message);
    free(l->kept);
    free(l);
}

uint64_t upsert_log_count(const upsert_log *l)
{
    return l->count;
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
    l->kept[l->count++] = (kept_request){copy, bytes};
    return STORE_OK;
}

store_code upsert_log_append(upsert_log *l, const uint8_t *message, size_t bytes)
{
    if (!l->db)
        return keep(l, message, bytes);
    const record_key key = record_key_items(l->count + 1);
    char *failure = NULL;
    rocksdb_put(l->db, l->write, key.bytes, key.count, (const char *)message, bytes, &failure);
    const store_code code = code_of("upsert", failure);
    l->count += code == STORE_OK;
    return code;
}

static store_code read_kept(const upsert_log *l, uint64_t first, upsert_visitor *visit,
                            void *context)
{
    bool more = true;
    for (uint64_t number = first; more && number <= l->count; number++) {
        const kept_request *k = &l->kept[number - 1];
        more = visit(context, number, k->message, k->bytes);
    }
    return STORE_OK;
}

store_code upsert_log_read(upsert_log *l, uint64_t first, upsert_visitor *visit, void *context)
{
    if (!l->db)
        return read_kept(l, first, visit, context);
    const record_key from = record_key_items(first);
    rocksdb_iterator_t *at = rocksdb_create_iterator(l->db, l->read);
    uint64_t number, expected = first;
    bool whole = true, more = true;
    for (rocksdb_iter_seek(at, from.bytes, from.count); whole && more && rocksdb_iter_valid(at);
         rocksdb_iter_next(at)) {
        size_t key_bytes, bytes;
        const char *key = rocksdb_iter_key(at, &key_bytes);
        const char *value = rocksdb_iter_value(at, &bytes);
        whole = record_key_parse_items(key, key_bytes, &number) && number == expected;
        if (whole)
            more = visit(context, expected++, (const uint8_t *)value, bytes);
    }
    char *failure = NULL;
    rocksdb_iter_get_error(at, &failure);
    rocksdb_iter_destroy(at);
    if (failure)
        return code_of("read upserts", failure);
    if (whole)
        return STORE_OK;
    log_error("the store is damaged: an upsert is missing", log_u64("number", expected));
    return STORE_DAMAGED;
}
