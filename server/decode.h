/*
 * Decoding of request messages by nanopb into jobs. Nothing is allocated beyond the limits: an
 * array's element that is one too many ends the decoding.
 *
 * Each function returns true, or false with the job's error set: INVALID_ARGUMENT for what is no
 * such message, RESOURCE_EXHAUSTED for more elements than the limit (named), UNAVAILABLE for no
 * memory.
 */
#ifndef VQL_SERVER_DECODE_H
#define VQL_SERVER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc.h"
#include "job.h"
#include "registry.h"
#include "upsert.h"

/* What one request may hold. */
typedef struct request_limits {
    uint32_t max_candidates;
    uint32_t max_events;
    int64_t max_future_ms; /* how far an event may lie ahead of the server's clock */
} request_limits;

bool decode_score(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
bool decode_append(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
bool decode_get(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
bool decode_delete(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);

/* The message goes to the job as it is: who applies it decodes it. */
bool decode_upsert_later(const uint8_t *message, size_t bytes, const request_limits *limits,
                         job *j);

/*
 * UpsertItemsRequest, of at most max_items items; *out is empty after a failure, and *error says
 * why.
 */
bool decode_upsert(const uint8_t *message, size_t bytes, uint32_t max_items, upsert *out,
                   grpc_error *error);

/* Of Models: the name goes to the job's model; what is to be active, or which model is to go. */
bool decode_load(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
bool decode_activate(const uint8_t *message, size_t bytes, model_activation *out,
                     grpc_error *error);
bool decode_unload(const uint8_t *message, size_t bytes, char name[VQL_MAX_NAME_BYTES + 1],
                   grpc_error *error);

/*
 * What can be told of a request without decoding it: its user, if that is its first field, as
 * encoders write it (false: it is not), and the most candidates that it can have.
 */
bool decode_user(const uint8_t *message, size_t bytes, uint64_t *user_id);
size_t decode_most_candidates(const uint8_t *message, size_t bytes);

enum { HEALTH_SERVICE_BYTES = 128 }; /* longer service names are unknown anyhow, and cut */

/* grpc.health.v1.HealthCheckRequest: service is set to the name asked for, terminated. */
bool decode_health(const uint8_t *message, size_t bytes, char service[HEALTH_SERVICE_BYTES],
                   grpc_error *error);

#endif
