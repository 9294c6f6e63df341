#include "model_calls.h"

#include "decode.h"
#include "log.h"
#include "registry.h"

grpc_status model_calls_answer(model_view *v, message_buffer *out, grpc_error *error)
{
    (void)model_view_refresh(v);
    if (encode_models(out, model_view_set(v)))
        return GRPC_OK;
    (void)grpc_fail(error, GRPC_UNAVAILABLE, "the server is out of memory");
    error->reason = "NO_MEMORY";
    return error->status;
}

grpc_status model_calls_list(model_view *v, const uint8_t *message, size_t bytes,
                             message_buffer *out, grpc_error *error)
{
    (void)message; /* ListModelsRequest has no fields */
    (void)bytes;
    return model_calls_answer(v, out, error);
}

grpc_status model_calls_activate(model_view *v, const uint8_t *message, size_t bytes,
                                 message_buffer *out, grpc_error *error)
{
    model_activation wanted;
    if (!decode_activate(message, bytes, &wanted, error) ||
        registry_activate(v->registry, &wanted, error) != GRPC_OK)
        return error->status;
    log_info("model activated", log_str("model", wanted.name),
             log_u64("shares", wanted.share_count));
    return model_calls_answer(v, out, error);
}

grpc_status model_calls_unload(model_view *v, const uint8_t *message, size_t bytes,
                               message_buffer *out, grpc_error *error)
{
    char name[VQL_MAX_NAME_BYTES + 1];
    if (!decode_unload(message, bytes, name, error) ||
        registry_remove(v->registry, name, error) != GRPC_OK)
        return error->status;
    log_info("model unloaded", log_str("model", name));
    return model_calls_answer(v, out, error);
}
