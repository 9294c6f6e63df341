/*
 * Streams: many requests, one answer each, in order.
 */
#include <stdlib.h>

#include "channel.h"
#include "message.h"

typedef struct stream_method {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *answer;
    void (*tell)(vqlc_stream *stream, const ProtobufCMessage *answer);
} stream_method;

struct vqlc_stream {
    rpc *rpc;
    const stream_method *method;
    const vqlc_stream_handler *handler;
    void *arg;
};

static void tell_score(vqlc_stream *stream, const ProtobufCMessage *answer)
{
    if (stream->handler->on_score != NULL) {
        const Vql__V1__ScoreResponse *score = (const void *)answer;
        stream->handler->on_score(stream, score, stream->arg);
    }
}

static void tell_append(vqlc_stream *stream, const ProtobufCMessage *answer)
{
    if (stream->handler->on_append != NULL) {
        const Vql__V1__AppendResponse *append = (const void *)answer;
        stream->handler->on_append(stream, append, stream->arg);
    }
}

static const stream_method score_stream = {
    .path = "/vql.v1.Scoring/ScoreStream",
    .request = &vql__v1__score_request__descriptor,
    .answer = &vql__v1__score_response__descriptor,
    .tell = tell_score,
};

static const stream_method append_stream = {
    .path = "/vql.v1.History/AppendStream",
    .request = &vql__v1__append_request__descriptor,
    .answer = &vql__v1__append_response__descriptor,
    .tell = tell_append,
};

static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    vqlc_stream *stream = context;
    ProtobufCMessage *answer = message_read(stream->rpc, stream->method->answer, message, bytes);
    if (answer != NULL) {
        stream->method->tell(stream, answer);
        protobuf_c_message_free_unpacked(answer, NULL);
    }
}

static void on_writable(void *context)
{
    vqlc_stream *stream = context;
    if (stream->handler->on_writable != NULL)
        stream->handler->on_writable(stream, stream->arg);
}

static void on_done(void *context, const vqlc_result *result)
{
    vqlc_stream *stream = context;
    stream->handler->on_done(stream, result, stream->arg);
    free(stream);
}

static const rpc_handler stream_rpc_handler = {
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

static vqlc_stream *open_stream(vqlc_channel *channel, const stream_method *method,
                                uint64_t user_id, const vqlc_call_options *options,
                                const vqlc_stream_handler *handler, void *arg)
{
    vqlc_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->method = method;
    stream->handler = handler;
    stream->arg = arg;
    rpc_request request = {
        .path = method->path,
        .has_user = true,
        .user_id = user_id,
        .handler = &stream_rpc_handler,
        .context = stream,
    };
    stream->rpc = channel_start(channel, options, &request);
    if (stream->rpc == NULL) {
        free(stream);
        return NULL;
    }
    return stream;
}

vqlc_stream *vqlc_score_stream(vqlc_channel *channel, uint64_t user_id,
                               const vqlc_call_options *options, const vqlc_stream_handler *handler,
                               void *arg)
{
    return open_stream(channel, &score_stream, user_id, options, handler, arg);
}

vqlc_stream *vqlc_append_stream(vqlc_channel *channel, uint64_t user_id,
                                const vqlc_call_options *options,
                                const vqlc_stream_handler *handler, void *arg)
{
    return open_stream(channel, &append_stream, user_id, options, handler, arg);
}

/* Queues a request, which must be one of the stream's method. */
static bool send_request(vqlc_stream *stream, const ProtobufCMessage *request)
{
    return request->descriptor == stream->method->request && rpc_writable(stream->rpc) &&
           message_send(stream->rpc, request);
}

bool vqlc_stream_send_score(vqlc_stream *stream, const Vql__V1__ScoreRequest *request)
{
    return send_request(stream, &request->base);
}

bool vqlc_stream_send_append(vqlc_stream *stream, const Vql__V1__AppendRequest *request)
{
    return send_request(stream, &request->base);
}

bool vqlc_stream_writable(const vqlc_stream *stream)
{
    return rpc_writable(stream->rpc);
}

void vqlc_stream_half_close(vqlc_stream *stream)
{
    rpc_half_close(stream->rpc);
}

void vqlc_stream_cancel(vqlc_stream *stream)
{
    rpc_fail(stream->rpc, VQLC_CANCELLED, "cancelled by the caller");
}
