/*
 * The world of one seed: its plan, its dice, its clock and its trace. Everything that happens is
 * drawn from the seed, and nothing else is looked at: the same seed gives the same trace.
 */
#ifndef VQL_TESTS_WORLD_H
#define VQL_TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define NS_PER_MS UINT64_C(1000000)

/* What a seed decides for the whole of its run. Probabilities are of 1,000. */
typedef struct plan {
    uint32_t threads, clients, users;
    uint32_t budget_bytes; /* of a shard's caches; 0: none */
    uint32_t max_streams, max_message_bytes, max_unsent_bytes;
    uint32_t stream_window, connection_window;
    uint32_t max_candidates, max_events;
    uint32_t client_unsent_bytes;
    uint32_t cable_bytes;    /* that a cable holds each way */
    uint32_t most_chunk;     /* bytes read or written at a time */
    uint32_t delay_us;       /* the most that bytes are on their way */
    uint32_t cuts, stalls;   /* of a connection, each step */
    uint32_t write_faults;   /* of a write */
    uint32_t allocation_gap; /* about every so many allocations one fails; 0: none does */
    uint32_t cancels, deadlines, flaws, repeats, streams, deletes, clock_jumps;
} plan;

typedef struct world {
    uint64_t seed;
    plan plan;
    random_stream random;
    uint64_t now_ns;
    int64_t wall_ms;
    bool calm; /* nothing goes wrong any more: what is under way is to end */
    bool draining;
    bool verbose;
    uint64_t hash;          /* of all notes so far */
    uint64_t cables;        /* that were ever laid */
    uint32_t until_failure; /* allocations before the next one that fails */
    uint64_t moments;       /* counts notes: an order of all that happens */

    /* What happened, for the summary. */
    uint64_t calls, answers, checked, undecided, failed_allocations, cut;
} world;

extern world sim;

/* Begins the world of a seed. */
void world_begin(uint64_t seed, bool verbose);

/* A number below bound > 0; whether something that happens so often of 1,000 times happens now. */
uint32_t below(uint32_t bound);
bool chance(uint32_t per_mille);

/* Adds to the trace. what is a word. */
void note(const char *what, uint64_t a, uint64_t b, uint64_t c);

/* The clock of the shards, which work takes time on. */
uint64_t world_clock(void);

/* Time passes. */
void world_pass(uint64_t ns);

/* The seed has found something: says what, and how to see it again, and ends the program. */
_Noreturn void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What world_fail writes beside the reason, and with what the program ends. */
void world_on_failure(const char *program, uint32_t steps, int exit_status);

#endif
