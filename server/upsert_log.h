/*
 * The requests that added or changed items, in the order in which they were applied and numbered
 * from 1: a version that is loaded later is given them again in that order, so that its rows are
 * the same. They are in the database, or in memory where there is none. What later ones have made
 * void is taken out now and then; a version that is loaded after that has other rows than one from
 * before.
 *
 * One thread at a time. A function may block as long as the disk does.
 */
#ifndef VQL_SERVER_UPSERT_LOG_H
#define VQL_SERVER_UPSERT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"
#include "store.h"

typedef struct upsert_log upsert_log;

/* Gets one request, in order. False: stop. */
typedef bool upsert_visitor(void *context, uint64_t number, const uint8_t *message, size_t bytes);

/* d: NULL for one in memory; it must outlive the log. NULL: no memory, or logged. */
upsert_log *upsert_log_open(database *d);

/* NULL is allowed. */
void upsert_log_close(upsert_log *l);

/* The number of the last one; 0: there is none. */
uint64_t upsert_log_count(const upsert_log *l);

/* How often it was compacted, in all its life on disk. */
uint64_t upsert_log_compactions(const upsert_log *l);

/* False: its database is only read. */
bool upsert_log_is_written(const upsert_log *l);

/* What holds of a request that was appended. */
durability upsert_log_durability(const upsert_log *l);

/* Appends a request: it is as durable as the log says. After a failure it may or may not be there
 * when the log is opened again, but nothing is here. */
store_code upsert_log_append(upsert_log *l, const uint8_t *message, size_t bytes);

/* Goes through all. STORE_DAMAGED: one is missing; the server's log says which. */
store_code upsert_log_read(upsert_log *l, upsert_visitor *visit, void *context);

/*
 * Gets one request, in order, and writes what is left of it to out, which has room for as many
 * bytes. Returns how many they are; 0: nothing is.
 */
typedef size_t upsert_filter(void *context, const uint8_t *message, size_t bytes, uint8_t *out);

/*
 * Puts what the filter leaves of each request into its place, of all at once and, on disk, synced:
 * whenever the process or the machine stops, the log is as it was before or as it is after. After a
 * failure it is as it was, but on disk it may be either when the log is opened again.
 */
store_code upsert_log_compact(upsert_log *l, upsert_filter *filter, void *context);

#endif
