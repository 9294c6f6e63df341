/*
 * Which events of users are kept: the last so many of each, or those that are younger than so much.
 * Sequence numbers go on. A shard has one; it works on one user at a time, with one errand, which
 * is the clerk's or is run at once where the store never blocks.
 *
 *   users that were appended to ─┐
 *   sweep, now and then, of all ─┴─> plan … ──> trim ──> purge …    for each user that is due
 *
 * plan finds the first event to keep, in the order of sequence numbers: one that is too old stays
 * for as long as one before it does. trim makes it the user's first, in one commit; caches with
 * what was before are made again. purge takes what was before out of the store, and with each event
 * its id.
 */
#ifndef VQL_SERVER_RETENTION_H
#define VQL_SERVER_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errand.h"
#include "limit.h"
#include "store.h"

typedef struct retention_rules {
    uint64_t max_events; /* of a user; 0: any number */
    int64_t max_age_ms;  /* 0: any age */
    uint32_t shard;      /* whose users they are: the post's number */
    uint32_t shards;     /* of so many */
} retention_rules;

typedef enum retain_step { RETAIN_SWEEP, RETAIN_PLAN, RETAIN_TRIM, RETAIN_PURGE } retain_step;

/* One step, with what the steps before have found. */
typedef struct retain_errand {
    errand errand; /* first, so that it is the step too */
    retain_step step;
    retention_rules rules;
    int64_t oldest_ms; /* events before are too old */
    bool more;         /* answer: the step is to be repeated */

    /* Of a sweep. */
    uint64_t cursor; /* what the store goes on from */
    uint64_t due[LIMIT_RETAIN_USERS];
    size_t due_count;

    /* Of a user. */
    uint64_t user_id;
    bool begun;
    uint64_t next;     /* the next event to look at */
    history_info left; /* first, times and sequence: what is to be left */
} retain_errand;

typedef struct retention {
    retain_errand errand;
    bool busy;                            /* the errand is under way */
    uint64_t waiting[LIMIT_RETAIN_USERS]; /* users that are due */
    size_t waiting_count;
    int64_t now_ms;
    int64_t next_pass_ms; /* when a sweep through all users may begin */
    bool sweeping;
} retention;

/* True when there is anything that is not kept. */
bool retention_is_on(const retention *r);

/* A user's history was appended to. */
void retention_appended(retention *r, uint64_t user_id, const history_info *info);

/*
 * Begins a step, at this time of the wall clock. NULL: there is nothing to do, or a step is under
 * way.
 */
retain_errand *retention_begin(retention *r, int64_t now_ms);

/*
 * A step is done. *trimmed: the user lost events. Returns the next step; NULL: retention_begin
 * knows when.
 */
retain_errand *retention_next(retention *r, bool *trimmed);

/* Does a step; errand_run calls it. */
store_code retention_run(retain_errand *e, store *s);

#endif
