/*
 * The methods of the services: how their requests are read and their answers written, and what a
 * caller's token must allow.
 */
#ifndef VQL_SERVER_METHOD_H
#define VQL_SERVER_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"
#include "encode.h"
#include "job.h"
#include "model_view.h"
#include "token.h"

/* What happens to the calls of an rpc, whose data it is. */
typedef struct method {
    bool streaming;    /* any number of requests, one answer each */
    token_scope scope; /* that a caller's token must have */

    /* Methods that need a shard. */
    bool (*decode)(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
    bool (*encode)(message_buffer *out, const job *j);

    /* The most bytes that encode writes, where that is cheaper to tell than a copy; may be NULL. */
    size_t (*most)(const job *j);

    bool controls; /* jobs of which are no shard's, but who controls the models' */

    /* Methods of models that are answered at once. */
    grpc_status (*answer)(model_view *models, const uint8_t *message, size_t bytes,
                          message_buffer *out, grpc_error *error);
} method;

extern const method method_score;
extern const method method_score_stream;
extern const method method_append;
extern const method method_append_stream;
extern const method method_get;
extern const method method_delete;
extern const method method_upsert_many;
extern const method method_list_models;
extern const method method_load_model;
extern const method method_activate_model;
extern const method method_unload_model;

#endif
