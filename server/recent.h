/*
 * Some of the requests that were scored last, for a version that is loaded to be tried with before
 * it serves. Any thread.
 */
#ifndef VQL_SERVER_RECENT_H
#define VQL_SERVER_RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "job.h"
#include "limit.h"

typedef struct recent recent;

/* What is kept of one: its first candidates and its time. */
typedef struct recent_request {
    uint64_t item_ids[LIMIT_WARM_UP_CANDIDATES]; /* [item_count] */
    size_t item_count;
    int64_t time_ms;
} recent_request;

/* NULL: no memory. */
recent *recent_new(void);

/* NULL is allowed. */
void recent_free(recent *r);

/*
 * Keeps a validated Score in the place of the oldest, unless another thread is at it: never waits.
 */
void recent_note(recent *r, const job *j);

/* Copies what is kept to out of LIMIT_WARM_UP_REQUESTS. Returns how many there are. */
size_t recent_copy(recent *r, recent_request *out);

#endif
