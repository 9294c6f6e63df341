/*
 * Unary calls: one request, one answer.
 */
#include <stdlib.h>

#include "channel.h"
#include "message.h"

/* A callback of any of the vqlc_..._done types; a method's tell knows which. */
typedef void (*any_done)(void);

typedef struct call_method {
    const char *path;
    const ProtobufCMessageDescriptor *answer;
    void (*tell)(const vqlc_call *call, const vqlc_result *result);
} call_method;

struct vqlc_call {
    rpc *rpc;
    const call_method *method;
    ProtobufCMessage *answer; /* owned; NULL: none yet */
    any_done on_done;
    void *arg;
};

static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    vqlc_call *call = context;
    if (call->answer != NULL) {
        rpc_fail(call->rpc, VQLC_INTERNAL, "%s got more than one answer", call->method->path);
        return;
    }
    call->answer = message_read(call->rpc, call->method->answer, message, bytes);
}

static void free_answer(vqlc_call *call)
{
    if (call->answer != NULL) {
        protobuf_c_message_free_unpacked(call->answer, NULL);
        call->answer = NULL;
    }
}

static void on_done(void *context, const vqlc_result *result)
{
    vqlc_call *call = context;
    vqlc_result told = *result;
    if (told.status != VQLC_OK) {
        free_answer(call);
    } else if (call->answer == NULL) {
        told.status = VQLC_INTERNAL;
        told.from_server = false;
        told.message = "the status is OK but there is no answer";
    }
    call->method->tell(call, &told);
    free_answer(call);
    free(call);
}

static const rpc_handler unary_handler = {.on_message = on_message, .on_done = on_done};

/* Starts a call; user_id is NULL for a method that has no user. */
static vqlc_call *start(vqlc_channel *channel, const call_method *method,
                        const ProtobufCMessage *request, const uint64_t *user_id,
                        const vqlc_call_options *options, any_done on_answer, void *arg)
{
    vqlc_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->method = method;
    call->on_done = on_answer;
    call->arg = arg;
    rpc_request r = {
        .path = method->path,
        .has_user = user_id != NULL,
        .user_id = user_id != NULL ? *user_id : 0,
        .handler = &unary_handler,
        .context = call,
    };
    call->rpc = channel_start(channel, options, &r);
    if (call->rpc == NULL) {
        free(call);
        return NULL;
    }
    if (!message_send(call->rpc, request)) {
        rpc_fail(call->rpc, VQLC_RESOURCE_EXHAUSTED, "no memory for the request of %s",
                 method->path);
    }
    rpc_half_close(call->rpc);
    return call;
}

void vqlc_call_cancel(vqlc_call *call)
{
    rpc_fail(call->rpc, VQLC_CANCELLED, "cancelled by the caller");
}

/* A method, and the function that calls the callback of its type. */
#define METHOD(name, method_path, answer_type, descriptor)                                         \
    static void tell_##name(const vqlc_call *call, const vqlc_result *result)                      \
    {                                                                                              \
        ((vqlc_##name##_done)call->on_done)(                                                       \
            result, (const answer_type *)(const void *)call->answer, call->arg);                   \
    }                                                                                              \
    static const call_method name##_method = {method_path, &descriptor, tell_##name};

METHOD(score, "/vql.v1.Scoring/Score", Vql__V1__ScoreResponse, vql__v1__score_response__descriptor)
METHOD(append, "/vql.v1.History/Append", Vql__V1__AppendResponse,
       vql__v1__append_response__descriptor)
METHOD(get, "/vql.v1.History/Get", Vql__V1__GetResponse, vql__v1__get_response__descriptor)
METHOD(delete, "/vql.v1.History/Delete", Vql__V1__DeleteResponse,
       vql__v1__delete_response__descriptor)
METHOD(models, "/vql.v1.Models/List", Vql__V1__ListModelsResponse,
       vql__v1__list_models_response__descriptor)
METHOD(upsert_items, "/vql.v1.Models/UpsertItems", Vql__V1__UpsertItemsResponse,
       vql__v1__upsert_items_response__descriptor)
METHOD(health, "/grpc.health.v1.Health/Check", Grpc__Health__V1__HealthCheckResponse,
       grpc__health__v1__health_check_response__descriptor)

/* Those that answer as List does. */
static const call_method load_model_method = {
    "/vql.v1.Models/Load", &vql__v1__list_models_response__descriptor, tell_models};
static const call_method activate_model_method = {
    "/vql.v1.Models/Activate", &vql__v1__list_models_response__descriptor, tell_models};
static const call_method unload_model_method = {
    "/vql.v1.Models/Unload", &vql__v1__list_models_response__descriptor, tell_models};

vqlc_call *vqlc_load_model(vqlc_channel *channel, const Vql__V1__LoadModelRequest *request,
                           const vqlc_call_options *options, vqlc_models_done on_models, void *arg)
{
    return start(channel, &load_model_method, &request->base, NULL, options, (any_done)on_models,
                 arg);
}

vqlc_call *vqlc_activate_model(vqlc_channel *channel, const Vql__V1__ActivateModelRequest *request,
                               const vqlc_call_options *options, vqlc_models_done on_models,
                               void *arg)
{
    return start(channel, &activate_model_method, &request->base, NULL, options,
                 (any_done)on_models, arg);
}

vqlc_call *vqlc_unload_model(vqlc_channel *channel, const Vql__V1__UnloadModelRequest *request,
                             const vqlc_call_options *options, vqlc_models_done on_models,
                             void *arg)
{
    return start(channel, &unload_model_method, &request->base, NULL, options, (any_done)on_models,
                 arg);
}

vqlc_call *vqlc_score(vqlc_channel *channel, const Vql__V1__ScoreRequest *request,
                      const vqlc_call_options *options, vqlc_score_done on_score, void *arg)
{
    return start(channel, &score_method, &request->base, &request->user_id, options,
                 (any_done)on_score, arg);
}

vqlc_call *vqlc_append(vqlc_channel *channel, const Vql__V1__AppendRequest *request,
                       const vqlc_call_options *options, vqlc_append_done on_append, void *arg)
{
    return start(channel, &append_method, &request->base, &request->user_id, options,
                 (any_done)on_append, arg);
}

vqlc_call *vqlc_get(vqlc_channel *channel, const Vql__V1__GetRequest *request,
                    const vqlc_call_options *options, vqlc_get_done on_get, void *arg)
{
    return start(channel, &get_method, &request->base, &request->user_id, options, (any_done)on_get,
                 arg);
}

vqlc_call *vqlc_delete(vqlc_channel *channel, const Vql__V1__DeleteRequest *request,
                       const vqlc_call_options *options, vqlc_delete_done on_delete, void *arg)
{
    return start(channel, &delete_method, &request->base, &request->user_id, options,
                 (any_done)on_delete, arg);
}

vqlc_call *vqlc_models(vqlc_channel *channel, const vqlc_call_options *options,
                       vqlc_models_done on_models, void *arg)
{
    const Vql__V1__ListModelsRequest request = VQL__V1__LIST_MODELS_REQUEST__INIT;
    return start(channel, &models_method, &request.base, NULL, options, (any_done)on_models, arg);
}

vqlc_call *vqlc_upsert_items(vqlc_channel *channel, const Vql__V1__UpsertItemsRequest *request,
                             const vqlc_call_options *options, vqlc_upsert_items_done on_upserted,
                             void *arg)
{
    return start(channel, &upsert_items_method, &request->base, NULL, options,
                 (any_done)on_upserted, arg);
}

vqlc_call *vqlc_health(vqlc_channel *channel, const char *service, const vqlc_call_options *options,
                       vqlc_health_done on_health, void *arg)
{
    Grpc__Health__V1__HealthCheckRequest request;
    grpc__health__v1__health_check_request__init(&request);
    request.service = (char *)(uintptr_t)service; /* protobuf-c declares it without const */
    return start(channel, &health_method, &request.base, NULL, options, (any_done)on_health, arg);
}
