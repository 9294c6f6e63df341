/*
 * Behaviour logs in the layout of examples/retail: gzip, tab separated, with a header line.
 */
#ifndef VQL_BENCH_LOG_FILE_H
#define VQL_BENCH_LOG_FILE_H

#include "vql/cache.h"

/* Every user's events: user u's are events[starts[u] … starts[u + 1]), in order of time. */
typedef struct bench_histories {
    vql_cache_event *events;
    size_t count;
    uint64_t *user_ids; /* [users] */
    size_t *starts;     /* [users + 1] */
    size_t users;
} bench_histories;

/* Reads events.tsv.gz: user_id, item_id, event_type, timestamp_ms; the model names the types. */
bench_histories bench_histories_read(const char *path, const vql_catalog *catalog);
void bench_histories_free(bench_histories *histories);

enum { BENCH_MOST_TASKS = 4 };

typedef struct bench_impression {
    uint64_t user_id, item_id;
    int64_t time_ms;
    uint8_t labels[BENCH_MOST_TASKS]; /* of the model's tasks, in their order */
} bench_impression;

/*
 * Reads impressions.tsv.gz: user_id, item_id, timestamp_ms, split, and a column of 0 or 1 for each
 * task, in the model's order; those of one split.
 */
bench_impression *bench_impressions_read(const char *path, const char *split, uint32_t tasks,
                                         size_t *count);

#endif
