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

#endif
