#include "call_log.h"

#include <stdbool.h>

#include "log.h"

static const uint64_t ns_per_s = 1000000000;

/* A client that goes away is no failure. */
static bool is_wanted(const call_log *l, const call_end *end)
{
    const bool failed = end->status != GRPC_OK && end->status != GRPC_CANCELLED;
    const bool slow = l->slow_ns > 0 && end->duration_ns >= l->slow_ns;
    return failed || slow || end->trace->sampled;
}

/* Whether there is room for one more line in this second. */
static bool has_room(call_log *l, uint64_t now_ns)
{
    const uint64_t second = now_ns / ns_per_s;
    if (second != l->second) {
        l->second = second;
        l->lines = 0;
    }
    return l->lines < l->per_second;
}

void call_log_end(call_log *l, const call_end *end, uint64_t now_ns)
{
    if (!l || l->per_second == 0 || !is_wanted(l, end))
        return;
    if (!has_room(l, now_ns)) {
        l->left_out++;
        return;
    }
    l->lines++;
    log_info("call", log_str("method", end->path ? end->path : "unknown"),
             log_str("status", grpc_status_name(end->status)),
             log_u64("duration_us", end->duration_ns / 1000), log_str("error", end->message),
             log_str("trace_id", end->trace->trace_id), log_str("parent_id", end->trace->parent_id),
             log_u64("left_out", l->left_out));
    l->left_out = 0;
}
