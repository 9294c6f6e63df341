/*
 * What an inspection came to, as JSON (docs/INSPECTING.md): one user's cache and, for a candidate,
 * how its score came about.
 */
#ifndef VQL_SERVER_EXPLAINED_USER_H
#define VQL_SERVER_EXPLAINED_USER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "inspection.h"

typedef struct explained_request {
    bool has_candidate;
    uint64_t candidate;
    int64_t time_ms;
} explained_request;

/*
 * Of an inspection that was answered, of a user with a history. NULL: no memory, or the copy is
 * none of the model's, as *error says. Takes as long as LIMIT_INSPECT_WORK allows.
 */
json_t *explained_user(const inspection *i, const explained_request *asked, vql_error *error);

/* The most events whose comparison stays within LIMIT_INSPECT_WORK for a model; at least one. */
uint32_t explained_events(const vql_model *model);

#endif
