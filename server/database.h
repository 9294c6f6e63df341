/*
 * The database under the stores of all shards that are kept on disk: one RocksDB in one folder, for
 * one process at a time. Any thread may use it.
 */
#ifndef VQL_SERVER_DATABASE_H
#define VQL_SERVER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

#include "store.h"
#include "store_record.h"

typedef struct database database;

typedef struct database_error {
    char text[512]; /* names the folder and what is wrong with it */
} database_error;

/*
 * Opens the folder, or makes it. What a write that was cut short has left at the end of the log is
 * dropped; anything else that is damaged, a newer format, and a folder in use are refused. NULL:
 * *error says why.
 */
database *database_open(const char *path, durability promise, database_error *error);

/* Opens it to be read only, as it is now, whether in use or not. */
database *database_open_to_read(const char *path, database_error *error);

/* Writes all out and frees it; no store of it is left. NULL is allowed. */
void database_close(database *d);

/*
 * Makes a copy of what is committed, in a folder that is not there yet: hard links on the same file
 * system. Any thread; others go on meanwhile.
 */
bool database_copy(database *d, const char *path, database_error *error);

/* What its items' records were compacted to. False: *error says why it cannot be told. */
bool database_read_items(database *d, record_items *out, database_error *error);

/* False: it was opened to be read only. */
bool database_is_written(const database *d);

/* What every store of it needs. */
rocksdb_t *database_handle(database *d);
durability database_durability(const database *d);

/* What the disk does not do at present: store_outages. Any thread. */
unsigned database_outages(const database *d);

/* What a store of it came upon, for that. Any thread. */
void database_note_write(database *d, bool ok);
void database_note_unread(database *d, uint64_t user_id);

/* True once a second at most: failures that come with every request are logged so often. */
bool database_may_log(database *d);

/* A store of the database, for one thread; NULL: no memory. */
store *store_rocksdb_open(database *d);

#endif
