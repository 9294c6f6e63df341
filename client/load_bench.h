/*
 * A measurement, as the settings have it: what runs are made of, and what they came to.
 */
#ifndef VQL_CLIENT_LOAD_BENCH_H
#define VQL_CLIENT_LOAD_BENCH_H

#include "dialing.h"
#include "load_run.h"
#include "load_settings.h"
#include "load_timeline.h"

typedef struct load_bench {
    const load_settings *settings;
    uint32_t shares[LOAD_KIND_COUNT];
    dialing dialing;
    load_target target;
    load_users users;
    load_ids items;
    load_requests *requests;
    char authorization[VQLC_MAX_TOKEN_BYTES + 16];
    char timeout[16];
} load_bench;

/* What a run came to. */
typedef struct load_result {
    double rate; /* planned at its start; 0: a closed loop */
    load_outcome outcome;
    load_timeline *timeline;
    load_histogram due, sent; /* of all kinds */
} load_result;

/* False: error says what is wrong, and there is nothing to clear. settings must outlive it. */
bool load_bench_init(load_bench *b, const load_settings *settings, settings_error *error);
void load_bench_clear(load_bench *b);

/* The options of a run at this rate, without hooks. */
load_run_options load_bench_options(const load_bench *b, double rate);

/* NULL when there is no memory. */
load_result *load_result_new(bool keeps_histograms);
void load_result_free(load_result *r);

/* Runs it into a new result. False when there is no memory. */
bool load_bench_run(const load_run_options *options, load_result *result);

#endif
