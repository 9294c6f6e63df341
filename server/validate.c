#include "validate.h"

#include <string.h>

#include "limit.h"

static bool validate_event(job *j, size_t index, const request_limits *limits,
                           const registry *models, int64_t wall_ms)
{
    event *e = &j->events[index];
    const uint32_t types = vql_model_shape(models->model)->event_types;
    if (e->type >= types) {
        grpc_fail_field(&j->error, GRPC_INVALID_ARGUMENT, "UNKNOWN_EVENT_TYPE",
                        "events[%zu].type: %u; model %s has types 0 to %u", index, e->type,
                        registry_name(models), types - 1);
        return false;
    }
    if (e->time_ms < 0) {
        grpc_fail_field(&j->error, GRPC_INVALID_ARGUMENT, "NEGATIVE_TIME",
                        "events[%zu].time_ms: %lld is negative", index, (long long)e->time_ms);
        return false;
    }
    if (e->time_ms > wall_ms && e->time_ms - wall_ms > limits->max_future_ms) {
        grpc_fail_field(
            &j->error, GRPC_INVALID_ARGUMENT, "TIME_IN_THE_FUTURE",
            "events[%zu].time_ms: %lld is %lld ms ahead of the server's clock; at most %lld", index,
            (long long)e->time_ms, (long long)(e->time_ms - wall_ms),
            (long long)limits->max_future_ms);
        return false;
    }
    if (e->time_ms == 0)
        e->time_ms = wall_ms;
    return true;
}

static bool validate_score(job *j, const registry *models, int64_t wall_ms)
{
    if (j->item_count == 0) {
        grpc_fail_field(&j->error, GRPC_INVALID_ARGUMENT, "NO_CANDIDATES",
                        "item_ids: no candidates; at least 1");
        return false;
    }
    if (j->time_ms < 0) {
        grpc_fail_field(&j->error, GRPC_INVALID_ARGUMENT, "NEGATIVE_TIME",
                        "time_ms: %lld is negative", (long long)j->time_ms);
        return false;
    }
    if (j->model[0] != '\0' && strcmp(j->model, registry_name(models)) != 0) {
        grpc_fail_field(&j->error, GRPC_NOT_FOUND, "UNKNOWN_MODEL",
                        "model: \"%.*s\" is not loaded; \"%s\" is", VQL_MAX_NAME_BYTES, j->model,
                        registry_name(models));
        return false;
    }
    if (j->time_ms == 0)
        j->time_ms = wall_ms;
    return true;
}

bool validate(job *j, const request_limits *limits, const registry *models, int64_t wall_ms)
{
    if (j->operation == OPERATION_SCORE && !validate_score(j, models, wall_ms))
        return false;
    if (j->operation == OPERATION_GET && j->max_events > LIMIT_GET_EVENTS) {
        grpc_fail_field(&j->error, GRPC_RESOURCE_EXHAUSTED, "TOO_MANY_ELEMENTS",
                        "max_events: %u; at most %d", j->max_events, LIMIT_GET_EVENTS);
        return false;
    }
    for (size_t i = 0; i < j->event_count; i++)
        if (!validate_event(j, i, limits, models, wall_ms))
            return false;
    return true;
}
