/*
 * Encoding of answer messages by nanopb, from answered jobs and from the model.
 */
#ifndef VQL_SERVER_ENCODE_H
#define VQL_SERVER_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"
#include "registry.h"

/*
 * An encoded message. One buffer serves many messages and grows to the largest; zeros are an empty
 * one.
 */
typedef struct message_buffer {
    uint8_t *bytes;
    size_t count, capacity;
} message_buffer;

void message_buffer_clear(message_buffer *out);

/* Each writes one message to out, replacing what it held. False: no memory. */
bool encode_score(message_buffer *out, const job *j, const registry *models);
bool encode_append(message_buffer *out, const job *j, const registry *models);
bool encode_get(message_buffer *out, const job *j, const registry *models);
bool encode_delete(message_buffer *out, const job *j, const registry *models);
bool encode_models(message_buffer *out, const registry *models);

/* status: a grpc.health.v1.HealthCheckResponse.ServingStatus. */
bool encode_health(message_buffer *out, int status);

#endif
