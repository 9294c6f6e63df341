/*
 * A client: an engine and its calls, on one connection after another. Its calls are unary ones and
 * streams by the world's dice; what it asks and sees goes to the records.
 */
#ifndef VQL_TESTS_CALLER_H
#define VQL_TESTS_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"
#include "record.h"

typedef struct caller caller;

/* Where the records of a user go; false from room: no more of this user now. */
typedef struct ledger {
    bool (*room)(void *context, uint64_t user_id);
    void (*enter)(void *context, record *r);
    void *context;
} ledger;

/* number: of the client, for the trace. */
caller *caller_new(host *h, const ledger *book, uint32_t number);

/* Reads, writes, connects, looks at the clock: whatever is due. False: nothing is. */
bool caller_turn(caller *c);

/* Begins a call, goes on with a stream, or cancels something. */
void caller_act(caller *c);

/* Something happens to its connection. */
void caller_suffer(caller *c);

/* No more is asked: streams are half-closed. */
void caller_settle(caller *c);

/* Calls that have not ended. */
uint32_t caller_open(const caller *c);

/* Ends it, whatever is under way; every call has been told so. */
void caller_free(caller *c);

#endif
