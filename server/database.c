#include "database.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keeper.h"
#include "limit.h"

/* RocksDB's WALRecoveryMode::kTolerateCorruptedTailRecords: only a torn end is no error. */
enum { TOLERATE_TORN_TAIL = 0, BLOOM_BITS = 10 };

/*
 * RocksDB's own log has only what it says at its start: Debian builds RocksDB with assertions, and
 * the second line that finds the disk full would end the process.
 */
enum { FATAL_LEVEL = 4 };

/* The part of a table in memory that its filter takes: most ids that are looked up are new. */
#define MEMTABLE_BLOOM 0.05

struct database {
    rocksdb_t *handle;
    rocksdb_options_t *options;
    durability durability;
    keeper *keeper;     /* NULL: it is only read */
    atomic_long logged; /* when a failure last was, in seconds */
};

/*
 * Filters and indexes are in the cache, so that they are bounded with it, and in parts: the filter
 * of a whole file is more than a shard of the cache takes, and would be read at every lookup.
 */
static void set_table_options(rocksdb_options_t *options)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru((size_t)LIMIT_BLOCK_CACHE_BYTES);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_index_type(
        table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_cache_destroy(cache);
    rocksdb_block_based_options_destroy(table);
}

/* Compactions run when nothing else wants the processor; their threads are the process's. */
static void yield_to_scoring(void)
{
    rocksdb_env_t *env = rocksdb_create_default_env();
    rocksdb_env_lower_thread_pool_cpu_priority(env);
    rocksdb_env_destroy(env);
}

static rocksdb_options_t *make_options(durability promise)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_wal_recovery_mode(options, TOLERATE_TORN_TAIL);
    rocksdb_options_set_manual_wal_flush(options, promise == DURABILITY_MEMORY);
    rocksdb_options_set_write_buffer_size(options, LIMIT_MEMTABLE_BYTES);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_BLOOM);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_info_log_level(options, FATAL_LEVEL);
    rocksdb_options_set_keep_log_file_num(options, 4);
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_min_blob_size(options, LIMIT_BLOB_BYTES);
    rocksdb_options_set_enable_blob_gc(options, 1);
    set_table_options(options);
    yield_to_scoring();
    return options;
}

static bool fail(database_error *error, const char *path, const char *what)
{
    (void)snprintf(error->text, sizeof error->text, "store: %.160s: %.300s", path, what);
    return false;
}

/* The same with a message of RocksDB's, which is freed. */
static bool fail_with(database_error *error, const char *path, char *message)
{
    (void)fail(error, path, message);
    rocksdb_free(message);
    return false;
}

/* Refuses a format that is not known, and marks what is to be written as of the present one. */
static bool check_format(database *d, const char *path, bool writable, database_error *error)
{
    char *message = NULL;
    size_t count = 0;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    char *value = rocksdb_get(d->handle, read, record_format_key, strlen(record_format_key), &count,
                              &message);
    rocksdb_readoptions_destroy(read);
    if (message)
        return fail_with(error, path, message);
    if (value) {
        uint32_t found = 0;
        for (size_t i = 0; i < count && i < 4; i++)
            found |= (uint32_t)(uint8_t)value[i] << (8 * i);
        rocksdb_free(value);
        if (count != 4 || found < RECORD_FORMAT_OLDEST || found > RECORD_FORMAT) {
            char text[96];
            (void)snprintf(text, sizeof text, "format %u; this vqld knows formats %d to %d", found,
                           RECORD_FORMAT_OLDEST, RECORD_FORMAT);
            return fail(error, path, text);
        }
        if (found == RECORD_FORMAT || !writable)
            return true;
    } else if (!writable) {
        return fail(error, path, "no store of vqld");
    }
    const char format[4] = {RECORD_FORMAT};
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(write, 1);
    rocksdb_put(d->handle, write, record_format_key, strlen(record_format_key), format,
                sizeof format, &message);
    rocksdb_writeoptions_destroy(write);
    return message ? fail_with(error, path, message) : true;
}

static database *open_with(const char *path, durability promise, bool writable,
                           database_error *error)
{
    char *message = NULL;
    database *d = calloc(1, sizeof *d);
    if (!d) {
        (void)fail(error, path, "no memory");
        return NULL;
    }
    d->durability = promise;
    d->options = make_options(promise);
    d->handle = writable ? rocksdb_open(d->options, path, &message)
                         : rocksdb_open_for_read_only(d->options, path, 0, &message);
    if (message) {
        d->handle = NULL;
        (void)fail_with(error, path, message);
    } else if (check_format(d, path, writable, error)) {
        if (writable)
            d->keeper = keeper_start(d->handle, promise != DURABILITY_SYNC);
        if (!writable || d->keeper)
            return d;
        (void)fail(error, path, "no thread to look after it");
    }
    database_close(d);
    return NULL;
}

database *database_open(const char *path, durability promise, database_error *error)
{
    return open_with(path, promise, true, error);
}

database *database_open_to_read(const char *path, database_error *error)
{
    return open_with(path, DURABILITY_SYNC, false, error);
}

void database_close(database *d)
{
    if (!d)
        return;
    keeper_stop(d->keeper);
    if (d->handle)
        rocksdb_close(d->handle);
    rocksdb_options_destroy(d->options);
    free(d);
}

bool database_copy(database *d, const char *path, database_error *error)
{
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(d->handle, &message);
    if (!message) {
        rocksdb_checkpoint_create(checkpoint, path, 0, &message);
        rocksdb_checkpoint_object_destroy(checkpoint);
    }
    return message ? fail_with(error, path, message) : true;
}

bool database_read_items(database *d, record_items *out, database_error *error)
{
    char *message = NULL;
    size_t count = 0;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    char *value =
        rocksdb_get(d->handle, read, record_items_key, strlen(record_items_key), &count, &message);
    rocksdb_readoptions_destroy(read);
    *out = (record_items){0};
    if (message)
        return fail_with(error, "items", message);
    const bool whole = !value || record_items_parse(value, count, out);
    rocksdb_free(value);
    return whole || fail(error, "items", "the record of their compaction is damaged");
}

bool database_is_written(const database *d)
{
    return d->keeper != NULL;
}

rocksdb_t *database_handle(database *d)
{
    return d->handle;
}

unsigned database_outages(const database *d)
{
    return keeper_outages(d->keeper);
}

void database_note_write(database *d, bool ok)
{
    keeper_note_write(d->keeper, ok);
}

void database_note_unread(database *d, uint64_t user_id)
{
    if (d->keeper)
        keeper_note_unread(d->keeper, user_id);
}

bool database_may_log(database *d)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const long second = (long)now.tv_sec;
    long last = atomic_load_explicit(&d->logged, memory_order_relaxed);
    return second != last && atomic_compare_exchange_strong(&d->logged, &last, second);
}

durability database_durability(const database *d)
{
    return d->durability;
}
