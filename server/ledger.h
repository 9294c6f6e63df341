/*
 * The bytes that the requests and answers of one thread take: partly received messages, decoded
 * requests, answers that were not read. Each holder says how many it has now; who would begin
 * something new looks whether the limit is reached. One thread.
 */
#ifndef VQL_SERVER_LEDGER_H
#define VQL_SERVER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"

typedef struct ledger {
    size_t used;
    size_t limit; /* constant */
} ledger;

/*
 * True when a part of what the whole counts, NULL for none, has reached its own limit or its share
 * of what the whole has room for: see LIMIT_SHARE. A part that has nothing has not.
 */
static inline bool ledger_has_share(const ledger *part, const ledger *whole)
{
    if (part->used == 0)
        return false;
    const size_t room = whole && whole->limit > whole->used ? whole->limit - whole->used : 0;
    return part->used >= part->limit || (whole && part->used >= room / LIMIT_SHARE);
}

/* A holder that counted for *counted bytes has `bytes` now. */
static inline void ledger_set(ledger *l, size_t *counted, size_t bytes)
{
    l->used += bytes - *counted;
    *counted = bytes;
}

#endif
