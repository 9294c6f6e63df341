#include "validate.h"

#include <stdio.h>
#include <string.h>

#include "limit.h"

static bool validate_event(job *j, size_t index, const request_limits *limits, int64_t wall_ms)
{
    event *e = &j->events[index];
    const uint32_t types = vql_model_shape(j->version->model)->event_types;
    if (e->type >= types) {
        grpc_fail_field(&j->error, GRPC_INVALID_ARGUMENT, "UNKNOWN_EVENT_TYPE",
                        "events[%zu].type: %u; model %s has types 0 to %u", index, e->type,
                        j->version->name, types - 1);
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

/* Writes the names of a set, quoted, as many as there is room for. */
static void write_names(const model_set *models, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < models->count && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s\"%s\"", i > 0 ? ", " : "",
                                 models->entries[i].version->name);
}

/* Gives the job the version that it asks for, or that its user gets. */
static bool choose_version(job *j, const model_set *models)
{
    char names[120];
    if (j->model[0] == '\0') {
        j->version = model_set_choose(models, j->user_id);
        return true;
    }
    const model_entry *entry = model_set_find(models, j->model);
    if (entry) {
        j->version = entry->version;
        return true;
    }
    write_names(models, names, sizeof names);
    grpc_fail_field(&j->error, GRPC_NOT_FOUND, "UNKNOWN_MODEL",
                    "model: \"%.*s\" is not loaded; %s %s", VQL_MAX_NAME_BYTES, j->model, names,
                    models->count > 1 ? "are" : "is");
    return false;
}

static bool validate_score(job *j, int64_t wall_ms)
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
    if (j->time_ms == 0)
        j->time_ms = wall_ms;
    return true;
}

bool validate(job *j, const request_limits *limits, const model_set *models, int64_t wall_ms)
{
    if (j->operation == OPERATION_SCORE && !validate_score(j, wall_ms))
        return false;
    if (!choose_version(j, models))
        return false;
    if (j->operation == OPERATION_GET && j->max_events > LIMIT_GET_EVENTS) {
        grpc_fail_field(&j->error, GRPC_RESOURCE_EXHAUSTED, "TOO_MANY_ELEMENTS",
                        "max_events: %u; at most %d", j->max_events, LIMIT_GET_EVENTS);
        return false;
    }
    for (size_t i = 0; i < j->event_count; i++)
        if (!validate_event(j, i, limits, wall_ms))
            return false;
    return true;
}
