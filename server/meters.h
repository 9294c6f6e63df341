/*
 * What one thread counts of its work, for the admin port (docs/METRICS.md). The thread counts in
 * cells of its own, without locks; the admin thread adds all threads' up when it is asked.
 *
 * Where a function takes meters, NULL is allowed: nobody counts.
 */
#ifndef VQL_SERVER_METERS_H
#define VQL_SERVER_METERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell.h"
#include "clerk.h"
#include "grpc.h"
#include "histogram.h"
#include "job.h"
#include "lane.h"

/* Counters, those of one family together: key, family, label and its value or "", help. */
/* clang-format off */
#define METERS_COUNTERS(X)                                                                         \
    X(CONNECTIONS_OPENED, "vql_connections_opened_total", "", "", "Connections accepted.")         \
    X(REFUSED_MOST, "vql_connections_refused_total", "limit", "max-connections",                   \
      "Connections closed at once, by the limit.")                                                 \
    X(REFUSED_ADDRESS, "vql_connections_refused_total", "limit", "max-connections-per-address", "")\
    X(BYTES_RECEIVED, "vql_network_io_bytes_total", "direction", "receive",                        \
      "Bytes of gRPC connections, TLS included.")                                                  \
    X(BYTES_SENT, "vql_network_io_bytes_total", "direction", "transmit", "")                       \
    X(CALLS_OPENED, "vql_calls_opened_total", "", "", "Calls begun, streams among them.")          \
    X(CALLS_CLOSED, "vql_calls_closed_total", "", "", "Calls ended.")                              \
    X(RESET_BY_CLIENT, "vql_streams_reset_total", "by", "client",                                  \
      "HTTP/2 streams that were reset, but for NO_ERROR.")                                         \
    X(RESET_BY_SERVER, "vql_streams_reset_total", "by", "server", "")                              \
    X(GOAWAY_PROTOCOL, "vql_connection_errors_total", "code", "protocol",                          \
      "Connections ended with a GOAWAY for an error: of the protocol, for what the client wasted " \
      "or made wait (ENHANCE_YOUR_CALM), or another.")                                             \
    X(GOAWAY_CALM, "vql_connection_errors_total", "code", "enhance_your_calm", "")                 \
    X(GOAWAY_OTHER, "vql_connection_errors_total", "code", "other", "")                            \
    X(SHED_WAITED, "vql_requests_shed_total", "reason", "waited",                                  \
      "Requests refused for overload: they waited too long, would have, or found something full.") \
    X(SHED_EARLY, "vql_requests_shed_total", "reason", "would_wait", "")                           \
    X(SHED_JOBS, "vql_requests_shed_total", "reason", "pending", "")                               \
    X(SHED_SHARD, "vql_requests_shed_total", "reason", "shard_full", "")                           \
    X(SHED_MAILBOX, "vql_requests_shed_total", "reason", "mailbox_full", "")                       \
    X(QUOTA_RATE, "vql_quota_refusals_total", "quota", "rate",                                     \
      "Requests and calls beyond a tenant's quota.")                                               \
    X(QUOTA_IN_FLIGHT, "vql_quota_refusals_total", "quota", "in_flight", "")                       \
    X(CACHE_HITS, "vql_cache_lookups_total", "result", "hit",                                      \
      "Scores by how the user's cache was found: in memory, made first, or without a history.")    \
    X(CACHE_MISSES, "vql_cache_lookups_total", "result", "miss", "")                               \
    X(CACHE_EMPTY, "vql_cache_lookups_total", "result", "unknown_user", "")                        \
    X(UNKNOWN_ITEMS, "vql_unknown_items_total", "", "", "Candidates that the model does not have.")\
    X(EVENTS_APPENDED, "vql_events_appended_total", "", "", "Events appended to histories.")       \
    X(EVENTS_DUPLICATE, "vql_events_duplicate_total", "", "",                                      \
      "Events that were not appended, since their id was known.")                                  \
    X(TRACES_VALID, "vql_traceparents_total", "result", "valid",                                   \
      "Calls with a traceparent field; one that is not valid is ignored.")                         \
    X(TRACES_INVALID, "vql_traceparents_total", "result", "invalid", "")                           \
    X(SERIES_LOST, "vql_metrics_dropped_total", "", "",                                            \
      "Calls that no histogram counts, for want of room or memory.")
/* clang-format on */

typedef enum meter {
#define METERS_ENUM(key, family, label, value, help) METER_##key,
    METERS_COUNTERS(METERS_ENUM)
#undef METERS_ENUM
        METERS
} meter;

typedef struct meter_name {
    const char *family, *label, *value, *help;
} meter_name;

extern const meter_name meter_names[METERS];

enum {
    METERS_SERIES = 1024, /* slots for histograms of calls; a power of two; half are used */
    METERS_MODELS = 64,   /* names of versions, the last one for all others */
    METERS_REASONS = 48,  /* of errors, the last one for all others */
};

/* How long the calls of a method, model and status took. Never changes but for its histogram. */
typedef struct call_series {
    const char *path; /* of the rpc; NULL: of no service */
    unsigned model;   /* index of meters.models; 0: none */
    grpc_status status;
    histogram duration;
} call_series;

/* What a shard is like at a moment; the thread sets them when it is asked to. */
typedef struct shard_gauges {
    cell users, bytes, budget_bytes, evictions; /* of caches */
    cell queued[LANES];                         /* jobs of a lane */
    cell away;                                  /* jobs that the store has */
    _Atomic(const clerk_meters *) store;        /* NULL: it is in memory */
    cell pending_bytes, pending_jobs;           /* of the thread's requests and answers */
} shard_gauges;

typedef struct meters {
    uint64_t now_ns; /* the thread's own: the time when what ends now ended */
    cell counters[METERS];
    _Atomic(call_series *) series[METERS_SERIES]; /* by a hash */
    size_t series_count;
    char models[METERS_MODELS][VQL_MAX_NAME_BYTES + 1];
    atomic_bool has_model[METERS_MODELS];
    _Atomic(const char *) reasons[METERS_REASONS];
    cell reason_counts[METERS_REASONS];
    histogram queue_wait[LANES], score_time, candidates;
    shard_gauges shard;
} meters;

/* Frees the series. */
void meters_clear(meters *m);

static inline void meters_add(meters *m, meter which, uint64_t count)
{
    if (m)
        cell_add(&m->counters[which], count);
}

static inline void meters_count(meters *m, meter which)
{
    meters_add(m, which, 1);
}

/* The index of a version's name, for meters_call. */
unsigned meters_model(meters *m, const version *v);

/* A call has ended that took so long. path: static; NULL: of no service. */
void meters_call(meters *m, const char *path, unsigned model, grpc_status status,
                 uint64_t duration_ns);

/* A call failed for a reason, as programs are told it; static. */
void meters_reason(meters *m, const char *reason);

/* Counts what an answered job is about. */
void meters_answer(meters *m, const job *j);

/* A GOAWAY is sent with an error code of HTTP/2 (RFC 9113 §7). */
void meters_goaway(meters *m, uint32_t code);

#endif
