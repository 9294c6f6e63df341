/*
 * What became of calls: counts, and histograms of how long those took that were answered with OK,
 * from the moment that they were due, and from the moment that they were sent.
 *
 *   due = sent + skipped,  sent = the sum of statuses + unanswered
 */
#ifndef VQL_CLIENT_LOAD_TALLY_H
#define VQL_CLIENT_LOAD_TALLY_H

#include "load_connection.h"
#include "load_histogram.h"

enum { LOAD_STATUSES = VQLC_UNAUTHENTICATED + 1 };

typedef struct load_counts {
    uint64_t due, sent, skipped, unanswered;
    uint64_t statuses[LOAD_STATUSES]; /* calls that ended, by vqlc_status */
} load_counts;

typedef struct load_tally {
    load_counts counts;
    load_histogram due[LOAD_KIND_COUNT];  /* answered with OK: since the call was due */
    load_histogram sent[LOAD_KIND_COUNT]; /* … since it was sent */
    load_histogram failed;                /* ended otherwise: since the call was due */
} load_tally;

/* NULL when there is no memory. */
load_tally *load_tally_new(void);

void load_tally_clear(load_tally *t);

/* Adds what the other has. */
void load_tally_merge(load_tally *to, const load_tally *from);

/* A call that was sent has ended. */
static inline void load_tally_end(load_tally *t, const load_call *call, vqlc_status status,
                                  uint64_t now_ns)
{
    t->counts.statuses[status]++;
    if (status != VQLC_OK) {
        load_histogram_add(&t->failed, now_ns - call->due_ns);
        return;
    }
    load_histogram_add(&t->due[call->kind], now_ns - call->due_ns);
    load_histogram_add(&t->sent[call->kind], now_ns - call->sent_ns);
}

/* Calls that ended, and those of them that did not with OK. */
uint64_t load_counts_ended(const load_counts *c);
uint64_t load_counts_failed(const load_counts *c);

#endif
