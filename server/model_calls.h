/*
 * The calls of vql.v1.Models that are answered at once: they look at the registry, or change what
 * it says.
 */
#ifndef VQL_SERVER_MODEL_CALLS_H
#define VQL_SERVER_MODEL_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encode.h"
#include "grpc.h"
#include "model_view.h"

/*
 * Each carries out one request, brings the view up to date and writes the answer to out: the models
 * as they are then. Returns the status that *error was filled with.
 */
grpc_status model_calls_list(model_view *v, const uint8_t *message, size_t bytes,
                             message_buffer *out, grpc_error *error);
grpc_status model_calls_activate(model_view *v, const uint8_t *message, size_t bytes,
                                 message_buffer *out, grpc_error *error);
grpc_status model_calls_unload(model_view *v, const uint8_t *message, size_t bytes,
                               message_buffer *out, grpc_error *error);

/* The answer alone. */
grpc_status model_calls_answer(model_view *v, message_buffer *out, grpc_error *error);

#endif
