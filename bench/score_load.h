/*
 * A load of scores on a running vqld: requests that come on time whatever becomes of those before
 * (an open loop, Poisson), or as many at a time (a closed loop), of users who have a history.
 */
#ifndef VQL_BENCH_SCORE_LOAD_H
#define VQL_BENCH_SCORE_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

enum {
    SCORE_LOAD_CHANNELS = 8,
    SCORE_LOAD_USERS = 64,
    SCORE_LOAD_MOST_CANDIDATES = 10000,
};

typedef struct score_load {
    /* Set by the owner. */
    uint32_t users; /* who are asked about, 1 and on; 0: SCORE_LOAD_USERS */
    /* Is told, if not NULL, of each request that was served: when it was due and what it took. */
    void (*on_served)(void *context, uint64_t due_ns, uint64_t latency_ns);
    void *context;

    uv_loop_t loop;
    uv_timer_t timer;
    vqlc_channel *channels[SCORE_LOAD_CHANNELS];
    Vql__V1__ScoreRequest request;
    uint64_t items[SCORE_LOAD_MOST_CANDIDATES];
    uint64_t random;

    /* The load at hand. */
    double rate;                        /* requests a second; 0: a closed loop */
    uint64_t start_ns, end_ns, next_ns; /* counted from start_ns on */
    uint64_t sent, came, served, refused, late, failed;
    uint64_t *latencies; /* [served], sorted when the load is over */
    unsigned open;
} score_load;

/* Connects. Exits when there is no server. */
void score_load_init(score_load *b, const char *server, size_t candidates);

void score_load_clear(score_load *b);

/* Gives every user a history. Exits when that is refused. */
void score_load_append(score_load *b);

/* Runs one load for so many seconds. Returns how many requests were served a second. */
double score_load_run(score_load *b, double rate, double seconds);

/* The load ends now. */
void score_load_end(score_load *b);

#endif
