/*
 * The requests that added or changed items, in the order in which they were applied and numbered
 * from 1 without gaps: a version that is loaded later is given them again in that order, so that
 * its rows are the same. They are in the database, or in memory where there is none.
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

/* How many there are. */
uint64_t upsert_log_count(const upsert_log *l);

/* What holds of a request that was appended. */
durability upsert_log_durability(const upsert_log *l);

/* Appends a request: it is as durable as the log says. After a failure it may or may not be there
 * when the log is opened again, but nothing is here. */
store_code upsert_log_append(upsert_log *l, const uint8_t *message, size_t bytes);

/* Goes through all from `first` on. STORE_DAMAGED: a number is missing; the log says which. */
store_code upsert_log_read(upsert_log *l, uint64_t first, upsert_visitor *visit, void *context);

#endif
