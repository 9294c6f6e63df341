/*
 * Goes through a whole database, user by user, and checks all of it: checksums, that requests for
 * items are numbered from 1 and can be read, that no other key is there, and that each
 * history is whole: numbered from 1 to its head's sequence, with the ids of its events, and without
 * any record that belongs to none.
 */
#ifndef VQL_SERVER_STORE_WALK_H
#define VQL_SERVER_STORE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "event.h"

typedef struct walk_totals {
    uint64_t upserts, users, events, ids, snapshots;
    uint64_t bad_snapshots; /* which harm nothing: they are made again */
} walk_totals;

/* Gets each event, in order. False: stop. */
typedef bool walk_visitor(void *context, uint64_t user_id, const event *e);

/*
 * visit: NULL to check only. False: *error names the user and what is wrong with it, or is empty
 * when the visitor stopped.
 */
bool store_walk(database *d, walk_visitor *visit, void *context, walk_totals *totals,
                database_error *error);

#endif
