#include "connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "log.h"

struct connection {
    peer peer; /* the session's context; first, so that it is the connection too */
    connections *owner;
    connection *next, **link; /* in owner->all */
    connection *next_dirty;
    bool is_dirty;
    bool closing;
    bool broken; /* the session wants no more input */
    bool denied; /* reading: it had to leave what is there to the next turn */
    session *session;
    uv_tcp_t socket;
    uv_timer_t timer;
    uint64_t timer_due; /* UINT64_MAX: not running */
    int open_handles;

    /*
     * What the socket did not take at once; NULL: no write is under way, and the session may be
     * drained.
     */
    uint8_t *unwritten;
    uv_write_t write;
};

enum { NS_PER_MS = 1000000 };

bool connections_init(connections *all)
{
    all->read_buffer = malloc(LIMIT_READ_BYTES);
    all->write_buffer = malloc(LIMIT_WRITE_BYTES);
    if (all->read_buffer && all->write_buffer)
        return true;
    connections_clear(all);
    return false;
}

void connections_clear(connections *all)
{
    assert(!all->all);
    free(all->read_buffer);
    free(all->write_buffer);
    all->read_buffer = NULL;
    all->write_buffer = NULL;
}

static void mark_dirty(connection *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = c->owner->dirty;
    c->owner->dirty = c;
}

static void on_wake(peer *p)
{
    mark_dirty((connection *)p);
}

static void on_handle_closed(uv_handle_t *handle)
{
    connection *c = handle->data;
    if (--c->open_handles > 0)
        return;
    free(c->unwritten);
    free(c);
}

/*
 * Ends the connection: its calls are cancelled now, its memory goes when the loop has closed the
 * handles.
 */
static void close_connection(connection *c)
{
    if (c->closing)
        return;
    c->closing = true;
    session_free(c->session);
    c->session = NULL;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->owner->count--;
    c->owner->denied -= c->denied;
    uv_close((uv_handle_t *)&c->socket, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

/*
 * Whether the connection may read now. A turn reads for as long as it works on the shard, so that
 * what arrives waits where its wait is measured, and what is denied goes first in the next turn.
 */
static bool may_read(connection *c)
{
    connections *all = c->owner;
    const uint64_t now = uv_hrtime();
    if (all->turn_end_ns == 0)
        all->turn_end_ns = now + (uint64_t)LIMIT_TURN_US * 1000;
    const bool denied = now >= all->turn_end_ns || (all->denied > 0 && !c->denied);
    all->denied += denied;
    all->denied -= c->denied;
    c->denied = denied;
    return !denied;
}

/* No room makes on_read come with UV_ENOBUFS, and what is there wait for the next turn. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    connection *c = handle->data;
    const unsigned room = c->owner->busy ? LIMIT_BUSY_READ_BYTES : LIMIT_READ_BYTES;
    *buffer = uv_buf_init((char *)c->owner->read_buffer, may_read(c) ? room : 0);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    connection *c = stream->data;
    if (count < 0 && count != UV_ENOBUFS) {
        close_connection(c);
        return;
    }
    if (count < 0 || c->broken || count == 0)
        return;
    c->owner->service->wall_ms = c->owner->wall_ms();
    c->owner->service->now_ns = uv_hrtime();
    if (!session_feed(c->session, c->owner->service->now_ns, (const uint8_t *)buffer->base,
                      (size_t)count))
        c->broken = true;
    mark_dirty(c);
}

static void on_timer(uv_timer_t *timer)
{
    connection *c = timer->data;
    c->timer_due = UINT64_MAX;
    session_tick(c->session, uv_hrtime());
    if (session_lost(c->session)) {
        close_connection(c);
        return;
    }
    mark_dirty(c);
}

/* Makes the timer go off when the session's next deadline has passed. */
static void set_timer(connection *c)
{
    const uint64_t due = session_due(c->session);
    if (due == UINT64_MAX || due >= c->timer_due)
        return;
    const uint64_t now = uv_hrtime();
    const uint64_t wait_ms = due > now ? (due - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    c->timer_due = due;
    (void)uv_timer_start(&c->timer, on_timer, wait_ms, 0);
}

static void on_written(uv_write_t *request, int status)
{
    connection *c = request->data;
    free(c->unwritten);
    c->unwritten = NULL;
    if (c->closing)
        return;
    if (status < 0)
        close_connection(c);
    else
        mark_dirty(c);
}

/* Leaves bytes that the socket did not take to the loop. */
static void write_later(connection *c, const uint8_t *bytes, size_t count)
{
    c->unwritten = malloc(count);
    if (!c->unwritten) {
        close_connection(c);
        return;
    }
    memcpy(c->unwritten, bytes, count);
    c->write.data = c;
    const uv_buf_t buffer = uv_buf_init((char *)c->unwritten, (unsigned)count);
    if (uv_write(&c->write, (uv_stream_t *)&c->socket, &buffer, 1, on_written) != 0) {
        free(c->unwritten);
        c->unwritten = NULL;
        close_connection(c);
    }
}

/* Writes until the session has nothing to say or the socket takes no more. */
static void flush(connection *c)
{
    uint8_t *bytes = c->owner->write_buffer;
    while (!c->closing && !c->unwritten) {
        const size_t count = session_drain(c->session, bytes, LIMIT_WRITE_BYTES);
        if (count == 0)
            break;
        const uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
        const int written = uv_try_write((uv_stream_t *)&c->socket, &buffer, 1);
        if (written < 0 && written != UV_EAGAIN)
            close_connection(c);
        else if (written < 0)
            write_later(c, bytes, count);
        else if ((size_t)written < count)
            write_later(c, bytes + written, count - (size_t)written);
    }
    if (c->closing)
        return;
    if (!c->unwritten && (c->broken || session_done(c->session)))
        close_connection(c);
    else
        set_timer(c); /* deadlines pass for a client that does not read, too */
}

void connections_flush(connections *all)
{
    all->turn_end_ns = 0;
    while (all->dirty) {
        connection *c = all->dirty;
        all->dirty = c->next_dirty;
        c->is_dirty = false;
        if (!c->closing)
            flush(c);
    }
    if (all->waiting)
        connections_accept(all, all->waiting);
}

/* The socket and the session of a connection that was accepted. False: it cannot be used. */
static bool start(connection *c, uv_stream_t *listener)
{
    if (uv_accept(listener, (uv_stream_t *)&c->socket) != 0)
        return false;
    (void)uv_tcp_nodelay(&c->socket, 1);
    (void)uv_tcp_keepalive(&c->socket, 1, LIMIT_KEEPALIVE_S);
    c->session = session_new(&c->owner->options, &service_handler, &c->peer);
    if (!c->session)
        return false;
    return uv_read_start((uv_stream_t *)&c->socket, on_alloc, on_read) == 0;
}

void connections_accept(connections *all, uv_stream_t *listener)
{
    connection *c = calloc(1, sizeof *c);
    all->waiting = c ? NULL : listener;
    if (!c)
        return;
    c->peer = (peer){.service = all->service, .wake = on_wake};
    c->owner = all;
    c->timer_due = UINT64_MAX;
    c->open_handles = 2;
    (void)uv_tcp_init(all->loop, &c->socket);
    (void)uv_timer_init(all->loop, &c->timer);
    c->socket.data = c;
    c->timer.data = c;
    c->next = all->all;
    c->link = &all->all;
    if (all->all)
        all->all->link = &c->next;
    all->all = c;
    all->count++;
    if (!start(c, listener)) {
        close_connection(c);
    } else if (all->count > all->max_count) {
        log_warn("connection refused", log_u64("max_connections", all->max_count));
        close_connection(c);
    } else {
        mark_dirty(c);
    }
}

void connections_drain(connections *all)
{
    all->waiting = NULL;
    for (connection *c = all->all; c; c = c->next) {
        session_shutdown(c->session);
        mark_dirty(c);
    }
}

void connections_close(connections *all)
{
    all->waiting = NULL;
    while (all->all)
        close_connection(all->all);
}
