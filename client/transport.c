#include "transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tunnel.h"

#define READ_BYTES  (64 << 10)
#define WRITE_BYTES (64 << 10)

/* Seconds of silence after which the kernel probes whether the server is still there. */
#define KEEPALIVE_SECONDS 60

struct transport {
    engine *engine;
    const transport_security *security;
    tunnel *tunnel;            /* NULL: the engine's bytes are the socket's */
    uint64_t handshake_due_ns; /* UINT64_MAX: there is none, or it is done */
    const transport_handler *handler;
    void *context;
    uv_stream_t *socket; /* NULL before transport_attach and once it is being closed */
    uv_timer_t deadline; /* engine_due */
    uint64_t armed_ns;   /* what deadline is set to; UINT64_MAX: stopped */
    uv_idle_t turn;      /* active while there is something to do in the next turn */
    uv_write_t write;
    bool writing;
    bool more; /* there may be more to send when the write is done */
    bool told_draining;
    bool closing;
    unsigned handles; /* of the loop's, that are not closed yet */
    uint8_t in[READ_BYTES];
    uint8_t out[WRITE_BYTES];
};

static void release(transport *t)
{
    if (--t->handles == 0) {
        engine_free(t->engine);
        tunnel_free(t->tunnel);
        t->handler->on_closed(t->context, t);
        free(t);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
    transport *t = handle->data;
    free(handle);
    release(t);
}

static void take_down(transport *t, const char *why)
{
    if (t->socket == NULL)
        return;
    uv_close((uv_handle_t *)t->socket, on_socket_closed);
    t->socket = NULL;
    engine_lost(t->engine, why);
    if (!t->closing)
        t->handler->on_down(t->context, t, why);
}

static void on_turn(uv_idle_t *idle);

/* There is something to do: see to it in the next turn. */
static void wake(void *context)
{
    transport *t = context;
    if (!t->closing)
        (void)uv_idle_start(&t->turn, on_turn);
}

/* Sees whether the engine has come to its end, or to the beginning of it. */
static void check_end(transport *t)
{
    if (!t->closing && !t->told_draining && engine_draining(t->engine)) {
        t->told_draining = true;
        t->handler->on_draining(t->context, t);
    }
    if (!t->closing && !t->writing && engine_done(t->engine))
        take_down(t, "the server closed it");
}

static void on_written(uv_write_t *request, int status)
{
    transport *t = request->data;
    t->writing = false;
    if (t->closing)
        return;
    if (status < 0) {
        take_down(t, uv_strerror(status));
        return;
    }
    if (t->more)
        wake(t);
    check_end(t);
}

/* tunnel_source's drain. */
static size_t drain_engine(void *context, uint8_t *out, size_t capacity)
{
    return engine_drain(context, out, capacity);
}

/* Sends what the engine has to send, one buffer of it at a time. */
static void flush(transport *t)
{
    if (t->socket == NULL || t->writing) {
        t->more = t->writing;
        return;
    }
    const tunnel_source source = {drain_engine, t->engine};
    const size_t bytes = t->tunnel != NULL ? tunnel_drain(t->tunnel, &source, t->out, sizeof t->out)
                                           : engine_drain(t->engine, t->out, sizeof t->out);
    t->more = bytes + TUNNEL_RECORD_BYTES > sizeof t->out;
    if (bytes == 0 || t->closing)
        return;
    t->write.data = t;
    const uv_buf_t buffer = uv_buf_init((char *)t->out, (unsigned)bytes);
    const int error = uv_write(&t->write, t->socket, &buffer, 1, on_written);
    if (error != 0) {
        take_down(t, uv_strerror(error));
        return;
    }
    t->writing = true;
}

static void on_deadline(uv_timer_t *timer);

/* Sets the timer to the engine's next deadline. */
static void arm(transport *t)
{
    const uint64_t engine_due_ns = engine_due(t->engine);
    const uint64_t due_ns =
        engine_due_ns < t->handshake_due_ns ? engine_due_ns : t->handshake_due_ns;
    if (t->closing || due_ns == t->armed_ns)
        return;
    t->armed_ns = due_ns;
    if (due_ns == UINT64_MAX) {
        (void)uv_timer_stop(&t->deadline);
        return;
    }
    const uint64_t now_ns = uv_hrtime();
    const uint64_t delay_ms = due_ns > now_ns ? (due_ns - now_ns + 999999) / 1000000 : 0;
    (void)uv_timer_start(&t->deadline, on_deadline, delay_ms, 0);
}

/* The server has not done its part of the handshake in time. */
static void end_handshake(transport *t)
{
    char why[64];
    (void)snprintf(why, sizeof why, "no TLS handshake within %" PRIu32 " ms",
                   t->security->timeout_ms);
    t->handshake_due_ns = UINT64_MAX;
    take_down(t, why);
}

/* One turn: what is due, what is to be sent, and what comes of it. */
static void see_to(transport *t)
{
    const uint64_t now_ns = uv_hrtime();
    engine_tick(t->engine, now_ns);
    if (now_ns >= t->handshake_due_ns)
        end_handshake(t);
    flush(t);
    check_end(t);
    arm(t);
}

static void on_turn(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle);
    see_to(idle->data);
}

static void on_deadline(uv_timer_t *timer)
{
    transport *t = timer->data;
    t->armed_ns = UINT64_MAX;
    see_to(t);
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    transport *t = handle->data;
    *buffer = uv_buf_init((char *)t->in, sizeof t->in);
}

/* Gives the engine what the tunnel makes of the bytes that were read. */
static void read_tunnel(transport *t, size_t count)
{
    tunnel_feed(t->tunnel, t->in, count);
    while (t->socket != NULL) {
        const uint8_t *bytes;
        const size_t decrypted = tunnel_read(t->tunnel, &bytes);
        if (t->handshake_due_ns != UINT64_MAX && tunnel_ready(t->tunnel)) {
            t->handshake_due_ns = UINT64_MAX;
            engine_open(t->engine, uv_hrtime());
        }
        if (decrypted == 0)
            break;
        engine_feed(t->engine, uv_hrtime(), bytes, decrypted);
    }
    if (tunnel_error(t->tunnel) != NULL)
        take_down(t, tunnel_error(t->tunnel));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    transport *t = stream->data;
    if (count > 0) {
        if (t->tunnel != NULL)
            read_tunnel(t, (size_t)count);
        else
            engine_feed(t->engine, uv_hrtime(), t->in, (size_t)count);
        wake(t);
    } else if (count < 0) {
        const int error = (int)count;
        take_down(t, error == UV_EOF ? "the server closed it" : uv_strerror(error));
    }
}

transport *transport_new(uv_loop_t *loop, const engine_options *options,
                         const transport_security *security, const transport_handler *handler,
                         void *context)
{
    transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->handler = handler;
    t->context = context;
    t->armed_ns = UINT64_MAX;
    t->security = security;
    t->handshake_due_ns = UINT64_MAX;
    t->engine = engine_new(options, wake, t);
    if (t->engine == NULL) {
        free(t);
        return NULL;
    }
    (void)uv_timer_init(loop, &t->deadline);
    t->deadline.data = t;
    (void)uv_idle_init(loop, &t->turn);
    t->turn.data = t;
    t->handles = 2;
    return t;
}

/* Begins the handshake, after which the engine opens. False: no memory. */
static bool begin_handshake(transport *t)
{
    t->tunnel = tunnel_new(t->security->tls, t->security->host);
    t->handshake_due_ns = uv_hrtime() + (uint64_t)t->security->timeout_ms * 1000000;
    return t->tunnel != NULL;
}

void transport_attach(transport *t, uv_stream_t *socket)
{
    socket->data = t;
    t->socket = socket;
    t->handles++;
    if (socket->type == UV_TCP) {
        (void)uv_tcp_nodelay((uv_tcp_t *)socket, 1);
        (void)uv_tcp_keepalive((uv_tcp_t *)socket, 1, KEEPALIVE_SECONDS);
    }
    int error = 0;
    if (t->security->tls == NULL)
        engine_open(t->engine, uv_hrtime());
    else if (!begin_handshake(t))
        error = UV_ENOMEM;
    if (error == 0)
        error = uv_read_start(socket, on_buffer, on_read);
    if (error != 0) {
        take_down(t, uv_strerror(error));
        return;
    }
    wake(t);
}

engine *transport_engine(transport *t)
{
    return t->engine;
}

void transport_close(transport *t)
{
    if (t->closing)
        return;
    t->closing = true;
    if (t->socket != NULL) {
        uv_close((uv_handle_t *)t->socket, on_socket_closed);
        t->socket = NULL;
    }
    uv_close((uv_handle_t *)&t->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&t->turn, on_handle_closed);
}
