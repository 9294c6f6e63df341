/*
 * The thread that looks after the database: it writes the log out where commits do not wait for
 * that, and finds out whether the disk can be written and read. While it can, that is what commits
 * say; when there is none, or one has failed, a record is written now and then to see. A read that
 * failed is tried again.
 */
#ifndef VQL_SERVER_KEEPER_H
#define VQL_SERVER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

typedef struct keeper keeper;

/*
 * syncs: commits do not wait until the log is on disk, so that it is written out every
 * LIMIT_SYNC_MS. NULL: no memory, or no thread.
 */
keeper *keeper_start(rocksdb_t *db, bool syncs);

/* Ends the thread. NULL is allowed. */
void keeper_stop(keeper *k);

/* Something was written, or could not be. Any thread. */
void keeper_note_write(keeper *k, bool ok);

/* Something of a user could not be read, though it is not damaged. Any thread. */
void keeper_note_unread(keeper *k, uint64_t user_id);

/* What the disk does not do: store_outages. Any thread. */
unsigned keeper_outages(const keeper *k);

#endif
