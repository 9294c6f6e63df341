/*
 * The bytes that the requests and answers of one thread take: partly received messages, decoded
 * requests, answers that were not read. Each holder says how many it has now; who would begin
 * something new looks whether the limit is reached. One thread.
 */
#ifndef VQL_SERVER_LEDGER_H
#define VQL_SERVER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ledger {
    size_t used;
    size_t limit; /* constant */
} ledger;

/* True when nothing new may begin. */
static inline bool ledger_is_full(const ledger *l)
{
    return l->used >= l->limit;
}

/* A holder that counted for *counted bytes has `bytes` now. */
static inline void ledger_set(ledger *l, size_t *counted, size_t bytes)
{
    l->used += bytes - *counted;
    *counted = bytes;
}

#endif
