#include "test_service.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "grpc/testing/test.pb.h"

#define ECHO_HEADER  "x-grpc-test-echo-initial"
#define ECHO_TRAILER "x-grpc-test-echo-trailing-bin"

enum {
    LARGEST_ANSWER = 4 << 20, /* bytes of a payload */
    MAX_ANSWERS = 1024,       /* of one call, not sent yet */
    METADATA_BYTES = 1024,    /* of an echoed value, decoded */
    US_PER_MS = 1000,
};

typedef enum kind { EMPTY, UNARY, INPUT, OUTPUT, FULL_DUPLEX, HALF_DUPLEX } kind;

static const kind empty = EMPTY, unary = UNARY, input = INPUT, output = OUTPUT,
                  full_duplex = FULL_DUPLEX, half_duplex = HALF_DUPLEX;

/* One call, from on_call until the loop has closed its timer. */
typedef struct exchange {
    call *call; /* NULL: it is over */
    kind kind;
    test_service *service;
    bool half_closed;
    int64_t received; /* INPUT: bytes of payloads */
    uv_timer_t timer;
    bool waiting; /* for the timer */
    size_t answer_count, answered;
    grpc_testing_ResponseParameters answers[MAX_ANSWERS];
} exchange;

const char *const test_service_metadata[] = {ECHO_HEADER, ECHO_TRAILER, NULL};

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

/* The call is over, or about to be. */
static call *release(exchange *x)
{
    call *c = x->call;
    x->call = NULL;
    uv_close((uv_handle_t *)&x->timer, on_timer_closed);
    return c;
}

static void finish(exchange *x, grpc_status status, const char *message)
{
    call_finish(release(x), status, message, -1);
}

/* Adds a payload's size to the int64_t of the argument. */
static bool count_payload(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    *(int64_t *)*argument += (int64_t)stream->bytes_left;
    return pb_read(stream, NULL, stream->bytes_left);
}

static bool write_zeros(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    static const pb_byte_t zeros[4096];
    size_t left = *(const size_t *)*argument;
    if (!pb_encode_tag_for_field(stream, field) || !pb_encode_varint(stream, left))
        return false;
    while (left > 0) {
        const size_t count = left < sizeof zeros ? left : sizeof zeros;
        if (!pb_write(stream, zeros, count))
            return false;
        left -= count;
    }
    return true;
}

/* Sends an answer. False: the call has ended for want of memory. */
static bool send_message(exchange *x, const pb_msgdesc_t *type, const void *answer)
{
    message_buffer *out = &x->service->message;
    if (message_buffer_encode(out, type, answer) && call_send(x->call, out->bytes, out->count))
        return true;
    finish(x, GRPC_RESOURCE_EXHAUSTED, "no memory");
    return false;
}

/* What SimpleResponse and StreamingOutputCallResponse have in common: a payload in field 1. */
static bool send_payload(exchange *x, size_t size, bool compressed)
{
    const grpc_testing_StreamingOutputCallResponse answer = {
        .has_payload = true,
        .payload = {.body = {.funcs.encode = write_zeros, .arg = &size}},
    };
    call_compress_above(x->call, compressed ? 1 : 0);
    return send_message(x, grpc_testing_StreamingOutputCallResponse_fields, &answer);
}

static bool decode(exchange *x, const uint8_t *message, size_t bytes, const pb_msgdesc_t *type,
                   void *out)
{
    pb_istream_t stream = pb_istream_from_buffer(message, bytes);
    if (pb_decode(&stream, type, out))
        return true;
    finish(x, GRPC_INVALID_ARGUMENT, PB_GET_ERROR(&stream));
    return false;
}

/* Whether the message came as the client says. False: the call has ended. */
static bool check_compression(exchange *x, bool said, const grpc_testing_BoolValue *expected)
{
    if (!said || expected->value == call_was_compressed(x->call))
        return true;
    finish(x, GRPC_INVALID_ARGUMENT,
           expected->value ? "expect_compressed: the message came uncompressed"
                           : "expect_compressed: the message came compressed");
    return false;
}

/* True: the client asked for another status than OK, and the call has ended with it. */
static bool echo_status(exchange *x, bool said, const grpc_testing_EchoStatus *status)
{
    if (!said || status->code == 0)
        return false;
    finish(x, (grpc_status)status->code, status->message);
    return true;
}

static bool check_size(exchange *x, int32_t size)
{
    if (size >= 0 && size <= LARGEST_ANSWER)
        return true;
    finish(x, GRPC_INVALID_ARGUMENT, "size: negative or above 4 MiB");
    return false;
}

static void answer_unary(exchange *x, const uint8_t *message, size_t bytes)
{
    grpc_testing_SimpleRequest request = grpc_testing_SimpleRequest_init_zero;
    if (!decode(x, message, bytes, grpc_testing_SimpleRequest_fields, &request) ||
        !check_compression(x, request.has_expect_compressed, &request.expect_compressed) ||
        echo_status(x, request.has_response_status, &request.response_status) ||
        !check_size(x, request.response_size))
        return;
    const bool compressed = request.has_response_compressed && request.response_compressed.value;
    if (send_payload(x, (size_t)request.response_size, compressed))
        finish(x, GRPC_OK, NULL);
}

static void take_input(exchange *x, const uint8_t *message, size_t bytes)
{
    grpc_testing_StreamingInputCallRequest request = {
        .payload = {.body = {.funcs.decode = count_payload, .arg = &x->received}},
    };
    if (decode(x, message, bytes, grpc_testing_StreamingInputCallRequest_fields, &request))
        (void)check_compression(x, request.has_expect_compressed, &request.expect_compressed);
}

static void on_timer(uv_timer_t *timer);

/* Sends the answers that are due, and ends the call when it has asked for all. */
static void go_on(exchange *x)
{
    while (!x->waiting && x->answered < x->answer_count) {
        const grpc_testing_ResponseParameters *next = &x->answers[x->answered];
        if (next->interval_us > 0) {
            x->waiting = true;
            const uint64_t ms = ((uint64_t)next->interval_us + US_PER_MS - 1) / US_PER_MS;
            (void)uv_timer_start(&x->timer, on_timer, ms, 0);
            return;
        }
        x->answered++;
        if (!send_payload(x, (size_t)next->size, next->has_compressed && next->compressed.value))
            return;
    }
    if (!x->waiting && (x->half_closed || x->kind == OUTPUT))
        finish(x, GRPC_OK, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    exchange *x = timer->data;
    peer *p = call_peer(x->call);
    x->waiting = false;
    x->answers[x->answered].interval_us = 0;
    go_on(x);
    p->wake(p);
}

static void take_output(exchange *x, const uint8_t *message, size_t bytes)
{
    grpc_testing_StreamingOutputCallRequest request =
        grpc_testing_StreamingOutputCallRequest_init_zero;
    if (!decode(x, message, bytes, grpc_testing_StreamingOutputCallRequest_fields, &request) ||
        echo_status(x, request.has_response_status, &request.response_status))
        return;
    for (size_t i = 0; i < request.response_parameters_count; i++) {
        if (!check_size(x, request.response_parameters[i].size))
            return;
        if (x->answer_count == MAX_ANSWERS) {
            finish(x, GRPC_RESOURCE_EXHAUSTED, "response_parameters: more than 1024 in one call");
            return;
        }
        x->answers[x->answer_count++] = request.response_parameters[i];
    }
    if (x->kind != HALF_DUPLEX)
        go_on(x);
}

/* Says two fields of the request again. False: one of them is bad, and the call has ended. */
static bool echo_metadata(call *c)
{
    const char *header = call_metadata(c, ECHO_HEADER);
    const char *trailer = call_metadata(c, ECHO_TRAILER);
    if (header && !call_add_header(c, ECHO_HEADER, header)) {
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "no memory", -1);
        return false;
    }
    if (!trailer)
        return true;
    uint8_t bytes[METADATA_BYTES];
    char text[BASE64_LENGTH(METADATA_BYTES) + 1];
    size_t count;
    if (strlen(trailer) >= sizeof text || !base64_decode(trailer, strlen(trailer), bytes, &count)) {
        call_finish(c, GRPC_INVALID_ARGUMENT, ECHO_TRAILER ": not Base64, or too long", -1);
        return false;
    }
    base64_encode(bytes, count, text);
    if (call_add_trailer(c, ECHO_TRAILER, text))
        return true;
    call_finish(c, GRPC_RESOURCE_EXHAUSTED, "no memory", -1);
    return false;
}

static void on_call(void *context, call *c, const char *path)
{
    (void)path;
    test_service *s = context;
    if (!echo_metadata(c))
        return;
    exchange *x = calloc(1, sizeof *x);
    if (!x) {
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "no memory", -1);
        return;
    }
    x->call = c;
    x->kind = *(const kind *)call_rpc(c)->data;
    x->service = s;
    (void)uv_timer_init(s->loop, &x->timer);
    x->timer.data = x;
    call_set_data(c, x);
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    (void)context;
    exchange *x = call_data(c);
    switch (x->kind) {
    case EMPTY:
        if (send_message(x, grpc_testing_Empty_fields, &(grpc_testing_Empty){0}))
            finish(x, GRPC_OK, NULL);
        break;
    case UNARY:
        answer_unary(x, message, bytes);
        break;
    case INPUT:
        take_input(x, message, bytes);
        break;
    case OUTPUT:
    case FULL_DUPLEX:
    case HALF_DUPLEX:
        take_output(x, message, bytes);
        break;
    }
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    (void)context;
    (void)release(call_data(c));
    call_fail(c, error);
}

static void on_half_close(void *context, call *c)
{
    (void)context;
    exchange *x = call_data(c);
    x->half_closed = true;
    if (x->kind == INPUT) {
        const grpc_testing_StreamingInputCallResponse answer = {
            .aggregated_payload_size = (int32_t)x->received,
        };
        if (send_message(x, grpc_testing_StreamingInputCallResponse_fields, &answer))
            finish(x, GRPC_OK, NULL);
    } else {
        go_on(x);
    }
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    (void)release(call_data(c));
}

static const session_handler handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_refused = on_refused,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

static const rpc rpcs[] = {
    {"/grpc.testing.TestService/EmptyCall", &handler, false, &empty},
    {"/grpc.testing.TestService/UnaryCall", &handler, false, &unary},
    {"/grpc.testing.TestService/StreamingOutputCall", &handler, false, &output},
    {"/grpc.testing.TestService/StreamingInputCall", &handler, true, &input},
    {"/grpc.testing.TestService/FullDuplexCall", &handler, true, &full_duplex},
    {"/grpc.testing.TestService/HalfDuplexCall", &handler, true, &half_duplex},
};

void test_service_add(test_service *s, router *r)
{
    router_add(r, "grpc.testing.TestService", rpcs, sizeof rpcs / sizeof *rpcs, s);
}

void test_service_clear(test_service *s)
{
    message_buffer_clear(&s->message);
}
