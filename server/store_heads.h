/*
 * What the store on disk remembers of users between appends, so that it need not read it again:
 * their heads, and the ids of events that are not committed yet. Only the store that writes a
 * user's records may remember it. A bounded number of users; no I/O.
 */
#ifndef VQL_SERVER_STORE_HEADS_H
#define VQL_SERVER_STORE_HEADS_H

#include <stdbool.h>
#include <stdint.h>

#include "id_map.h"
#include "store.h"

/* One user. */
typedef struct store_head {
    history_info info;
    uint64_t recorded;       /* the sequence number in the record of the head */
    bool changed;            /* since the last commit */
    id_map fresh;            /* ids since then; the values mean nothing */
    struct store_head *next; /* of those that changed */
} store_head;

/* Zeros at first. */
typedef struct store_heads {
    id_map users; /* -> store_head */
    store_head *changed;
} store_heads;

/* NULL: it is not remembered. */
store_head *store_heads_find(const store_heads *h, uint64_t user_id);

/* Remembers a user that is not. NULL: no memory. */
store_head *store_heads_add(store_heads *h, uint64_t user_id, const history_info *info);

/* The user's head is not what is committed. */
void store_heads_change(store_heads *h, store_head *head);

/* All is committed. If there is not much room left all users are forgotten. */
void store_heads_commit(store_heads *h);

/* Forgets a user. */
void store_heads_forget(store_heads *h, uint64_t user_id);

/* Forgets all users. */
void store_heads_clear(store_heads *h);

#endif
