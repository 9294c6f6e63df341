#include "session_rig.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef enum behaviour { UNARY, STREAM, EARLY, REFUSE, LARGE, HOLD, SILENT, BEHAVIOURS } behaviour;

static const char *const paths[BEHAVIOURS] = {
    [UNARY] = "/test/Unary",   [STREAM] = "/test/Stream", [EARLY] = "/test/Early",
    [REFUSE] = "/test/Refuse", [LARGE] = "/test/Large",   [HOLD] = "/test/Hold",
    [SILENT] = "/test/Silent",
};

/* The handler's side of a call. */
typedef struct echo {
    behaviour behaviour;
    uint8_t *message; /* UNARY: the last */
    size_t bytes;
} echo;

const session_options rig_options = {
    .max_streams = 100,
    .max_header_bytes = 8192,
    .stream_window = 65535,
    .connection_window = 1 << 20,
    .max_message_bytes = 1 << 18,
    .max_unsent_bytes = 1 << 16,
};

/* The call's own things, at its end. */
static void forget(session_rig *rig, call *c)
{
    echo *e = call_data(c);
    if (e)
        free(e->message);
    free(e);
    if (rig->latest == c)
        rig->latest = NULL;
}

static void finish(session_rig *rig, call *c, grpc_status status, const char *message,
                   int64_t pushback_ms)
{
    forget(rig, c);
    rig->finished++;
    call_finish(c, status, message, pushback_ms);
}

static void answer(session_rig *rig, call *c, const uint8_t *message, size_t bytes)
{
    if (!call_send(c, message, bytes))
        finish(rig, c, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer", -1);
}

static void answer_large(session_rig *rig, call *c, const uint8_t *message, size_t bytes)
{
    if (bytes != 4) {
        finish(rig, c, GRPC_INVALID_ARGUMENT, "the message has not 4 bytes", -1);
        return;
    }
    const size_t length = (size_t)message[1] << 16 | (size_t)message[2] << 8 | (size_t)message[3];
    uint8_t *large = malloc(length + 1);
    if (!large) {
        finish(rig, c, GRPC_RESOURCE_EXHAUSTED, NULL, -1);
        return;
    }
    memset(large, 'x', length);
    answer(rig, c, large, length);
    free(large);
}

static void keep(session_rig *rig, call *c, const uint8_t *message, size_t bytes)
{
    echo *e = call_data(c);
    free(e->message);
    e->message = malloc(bytes + 1);
    e->bytes = bytes;
    if (!e->message)
        finish(rig, c, GRPC_RESOURCE_EXHAUSTED, NULL, -1);
    else if (bytes > 0)
        memcpy(e->message, message, bytes);
}

static void on_call(void *context, call *c, const char *path)
{
    session_rig *rig = context;
    rig->begun++;
    rig->latest = c;
    behaviour b = 0;
    while (b < BEHAVIOURS && strcmp(paths[b], path) != 0)
        b++;
    echo *e = b < BEHAVIOURS && b != REFUSE ? calloc(1, sizeof *e) : NULL;
    if (e) {
        e->behaviour = b;
        call_set_data(c, e);
    } else if (b == REFUSE) {
        finish(rig, c, GRPC_UNAVAILABLE, "busy: 100 %", 250);
    } else {
        finish(rig, c, b < BEHAVIOURS ? GRPC_RESOURCE_EXHAUSTED : GRPC_UNIMPLEMENTED, path, -1);
    }
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    session_rig *rig = context;
    rig->messages++;
    rig->message_bytes += bytes;
    rig->ledger_used = rig->ledger ? rig->ledger->used : 0;
    switch (((const echo *)call_data(c))->behaviour) {
    case UNARY:
        keep(rig, c, message, bytes);
        break;
    case STREAM:
        answer(rig, c, message, bytes);
        break;
    case EARLY:
        finish(rig, c, GRPC_FAILED_PRECONDITION, "enough", -1);
        break;
    case LARGE:
        answer_large(rig, c, message, bytes);
        break;
    case HOLD:
        call_hold(c);
        break;
    case REFUSE:
    case SILENT:
    case BEHAVIOURS:
        break;
    }
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    session_rig *rig = context;
    rig->refused++;
    finish(rig, c, error->status, error->message, error->pushback_ms);
}

static void on_half_close(void *context, call *c)
{
    session_rig *rig = context;
    rig->half_closed++;
    const echo *e = call_data(c);
    if (e->behaviour == SILENT)
        return;
    if (e->behaviour == UNARY && !call_send(c, e->message, e->bytes))
        finish(rig, c, GRPC_RESOURCE_EXHAUSTED, NULL, -1);
    else
        finish(rig, c, GRPC_OK, NULL, -1);
}

static void on_cancel(void *context, call *c)
{
    session_rig *rig = context;
    forget(rig, c);
    rig->cancelled++;
}

const session_handler rig_handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_refused = on_refused,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

void session_rig_start(session_rig *rig, const session_options *options,
                       const h2_client_options *client_options)
{
    *rig = (session_rig){0};
    rig->session = session_new(options ? options : &rig_options, &rig_handler, rig);
    rig->client = h2_client_new(client_options ? client_options : &H2_CLIENT_OPTIONS);
    if (!rig->session)
        abort();
}

void session_rig_stop(session_rig *rig)
{
    session_free(rig->session);
    h2_client_free(rig->client);
}

void session_rig_finish(session_rig *rig)
{
    finish(rig, rig->latest, GRPC_OK, NULL, -1);
}

static bool carry_to_server(session_rig *rig)
{
    uint8_t bytes[16384];
    const size_t count = h2_client_drain(rig->client, bytes, sizeof bytes);
    if (count > 0)
        (void)session_feed(rig->session, rig->now_ns, bytes, count);
    return count > 0;
}

static bool carry_to_client(session_rig *rig)
{
    uint8_t bytes[16384];
    const size_t count = session_drain(rig->session, bytes, sizeof bytes);
    if (count > 0 && !h2_client_feed(rig->client, bytes, count))
        abort();
    return count > 0;
}

void session_rig_run_client(session_rig *rig)
{
    while (carry_to_server(rig))
        continue;
}

void session_rig_run_server(session_rig *rig)
{
    while (carry_to_client(rig))
        continue;
}

void session_rig_run(session_rig *rig)
{
    bool busy = true;
    while (busy) {
        busy = carry_to_server(rig);
        busy |= carry_to_client(rig);
    }
}
