/*
 * Encoding of answer messages by nanopb: any, and those from answered jobs and sets of models.
 */
#ifndef VQL_SERVER_ENCODE_H
#define VQL_SERVER_ENCODE_H

#include <pb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"
#include "model_set.h"
#include "upsert.h"

/*
 * An encoded message. One buffer serves many messages and grows to the largest; zeros are an empty
 * one.
 */
typedef struct message_buffer {
    uint8_t *bytes;
    size_t count, capacity;
    bool lent; /* bytes are someone else's: no memory for more than they have room for */
} message_buffer;

void message_buffer_clear(message_buffer *out);

/* Writes a message of nanopb's to out, replacing what it held. False: no memory. */
bool message_buffer_encode(message_buffer *out, const pb_msgdesc_t *type, const void *message);

/* Room for count bytes at the end, which the buffer then holds. NULL: no memory. */
uint8_t *message_buffer_extend(message_buffer *out, size_t count);

/* Each writes one message to out, replacing what it held. False: no memory. */
bool encode_score(message_buffer *out, const job *j);
/* The most bytes that encode_score writes for the job. */
size_t encode_score_most(const job *j);

bool encode_append(message_buffer *out, const job *j);
bool encode_get(message_buffer *out, const job *j);
bool encode_delete(message_buffer *out, const job *j);
bool encode_upserted(message_buffer *out, const job *j);
bool encode_models(message_buffer *out, const model_set *models);

#endif
