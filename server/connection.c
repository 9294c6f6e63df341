#include "connection.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "id_map.h"
#include "limit.h"
#include "log.h"
#include "meters.h"
#include "tls.h"

struct connection {
    peer peer; /* the session's context; first, so that it is the connection too */
    connections *owner;
    connection *next, **link; /* in owner->all */
    connection *next_dirty;
    TAILQ_ENTRY(connection) in_handshakes; /* while tls is there and session is not */
    bool is_dirty;
    bool closing;
    bool broken;       /* no more input is wanted */
    turns_place place; /* among those that wait to read */
    bool counted;      /* in owner->census, under key */
    census_key key;
    tls *tls;                  /* NULL: the session's bytes are the socket's */
    session *session;          /* NULL until TLS's handshake is done */
    uint64_t handshake_due_ns; /* for TLS and the client's SETTINGS; UINT64_MAX: any time */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
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

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

bool connections_init(connections *all)
{
    TAILQ_INIT(&all->handshakes);
    all->read_buffer = malloc(LIMIT_READ_BYTES);
    all->write_buffer = malloc(LIMIT_WRITE_BYTES);
    all->plain_buffer = malloc(LIMIT_WRITE_BYTES);
    if (all->read_buffer && all->write_buffer && all->plain_buffer)
        return true;
    connections_clear(all);
    return false;
}

void connections_clear(connections *all)
{
    assert(!all->all);
    free(all->read_buffer);
    free(all->write_buffer);
    free(all->plain_buffer);
    all->read_buffer = NULL;
    all->write_buffer = NULL;
    all->plain_buffer = NULL;
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

static bool is_shaking_hands(const connection *c)
{
    return c->tls && !c->session;
}

static void begin_handshake(connection *c)
{
    connections *all = c->owner;
    TAILQ_INSERT_TAIL(&all->handshakes, c, in_handshakes);
    all->handshake_count++;
}

static void end_handshake(connection *c)
{
    TAILQ_REMOVE(&c->owner->handshakes, c, in_handshakes);
    c->owner->handshake_count--;
}

static void on_handle_closed(uv_handle_t *handle)
{
    connection *c = handle->data;
    if (--c->open_handles > 0)
        return;
    tls_free(c->tls);
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
    if (is_shaking_hands(c))
        end_handshake(c);
    if (c->counted)
        census_leave(c->owner->census, &c->key);
    session_free(c->session);
    c->session = NULL;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->owner->count--;
    turns_leave(&c->owner->turns, &c->place);
    uv_close(&c->socket.handle, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

/*
 * An age within a tenth of the mean, another one for each connection: clients that came together do
 * not go, and come back, together.
 */
static uint64_t spread(uint64_t mean_ns, const connection *c)
{
    const uint64_t tenth = mean_ns / 10;
    const uint64_t hash = id_hash(uv_hrtime() ^ (uint64_t)(uintptr_t)c);
    return mean_ns - tenth + hash % (2 * tenth + 1);
}

/* What is left of the time for the handshake, at least a millisecond; 0: it has no limit. */
static uint64_t handshake_left_ms(const connection *c, uint64_t now)
{
    if (c->handshake_due_ns == UINT64_MAX)
        return 0;
    return c->handshake_due_ns > now ? (c->handshake_due_ns - now) / NS_PER_MS + 1 : 1;
}

/* Makes the session, with which the connection serves. False: no memory. */
static bool begin_session(connection *c)
{
    const uint64_t now = uv_hrtime();
    session_options options = c->owner->options;
    options.lifetime.max_age_ns = spread(options.lifetime.max_age_ns, c);
    options.patience_ms[PATIENCE_HANDSHAKE] = handshake_left_ms(c, now);
    c->session = session_new(&options, &router_handler, &c->peer);
    if (!c->session)
        return false;
    session_tick(c->session, now);
    return true;
}

/* No room makes on_read come with UV_ENOBUFS, and what is there wait for the next turn. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    connection *c = handle->data;
    const unsigned room = c->owner->busy ? LIMIT_BUSY_READ_BYTES : LIMIT_READ_BYTES;
    const bool may_read = turns_take(&c->owner->turns, &c->place, uv_hrtime());
    *buffer = uv_buf_init((char *)c->owner->read_buffer, may_read ? room : 0);
}

/* The handshake may be done: then the session begins. */
static void check_handshake(connection *c)
{
    if (!is_shaking_hands(c) || tls_get_state(c->tls) != TLS_OPEN)
        return;
    if (!begin_session(c)) {
        close_connection(c);
        return;
    }
    end_handshake(c);
}

/* Sets the times that the owner's services look at. */
static uint64_t tell_time(const connections *all)
{
    const uint64_t now = uv_hrtime();
    if (all->wall)
        *all->wall = all->wall_ms();
    if (all->now)
        *all->now = now;
    return now;
}

static void take_plaintext(connection *c, const uint8_t *bytes, size_t count)
{
    if (!c->broken && !session_feed(c->session, tell_time(c->owner), bytes, count))
        c->broken = true;
}

static void take_ciphertext(connection *c, const uint8_t *bytes, size_t count)
{
    uint8_t *plain = c->owner->plain_buffer;
    tls_feed(c->tls, bytes, count);
    for (;;) {
        const size_t decrypted = tls_read(c->tls, plain, LIMIT_WRITE_BYTES);
        check_handshake(c);
        if (c->closing || decrypted == 0)
            break;
        take_plaintext(c, plain, decrypted);
    }
    const tls_state state = tls_get_state(c->tls);
    if (state == TLS_FAILED)
        log_debug("TLS failed", log_str("error", tls_error(c->tls)));
    if (state == TLS_FAILED || state == TLS_ENDED)
        c->broken = true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    connection *c = stream->data;
    if (count < 0 && count != UV_ENOBUFS) {
        close_connection(c);
        return;
    }
    if (count <= 0 || c->broken)
        return;
    meters_add(c->owner->options.meters, METER_BYTES_RECEIVED, (uint64_t)count);
    if (c->tls)
        take_ciphertext(c, (const uint8_t *)buffer->base, (size_t)count);
    else
        take_plaintext(c, (const uint8_t *)buffer->base, (size_t)count);
    mark_dirty(c);
}

static void on_timer(uv_timer_t *timer)
{
    connection *c = timer->data;
    const uint64_t now = uv_hrtime();
    c->timer_due = UINT64_MAX;
    if (c->session) {
        session_tick(c->session, now);
        if (session_lost(c->session)) {
            close_connection(c);
            return;
        }
    } else if (now >= c->handshake_due_ns) {
        log_debug("TLS handshake timed out",
                  log_u64("handshake_ms", c->owner->options.patience_ms[PATIENCE_HANDSHAKE]));
        close_connection(c);
        return;
    }
    mark_dirty(c);
}

/* Makes the timer go off when the next deadline, of the session or the handshake, has passed. */
static void set_timer(connection *c)
{
    const uint64_t due = c->session ? session_due(c->session) : c->handshake_due_ns;
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
    if (uv_write(&c->write, &c->socket.stream, &buffer, 1, on_written) != 0) {
        free(c->unwritten);
        c->unwritten = NULL;
        close_connection(c);
    }
}

/* Writes the next bytes for the socket to out of LIMIT_WRITE_BYTES. 0: there are none for now. */
static size_t produce(connection *c, uint8_t *out)
{
    if (!c->tls)
        return session_drain(c->session, out, LIMIT_WRITE_BYTES);
    const size_t said = tls_drain(c->tls, out, LIMIT_WRITE_BYTES);
    if (said > 0 || !c->session || tls_get_state(c->tls) == TLS_FAILED)
        return said;
    uint8_t *plain = c->owner->plain_buffer;
    const size_t count = session_drain(c->session, plain, tls_room(LIMIT_WRITE_BYTES));
    return count > 0 ? tls_write(c->tls, plain, count, out, LIMIT_WRITE_BYTES) : 0;
}

/* Writes until there is nothing to say or the socket takes no more. */
static void write_all(connection *c)
{
    uint8_t *bytes = c->owner->write_buffer;
    while (!c->closing && !c->unwritten) {
        const size_t count = produce(c, bytes);
        if (count == 0)
            break;
        meters_add(c->owner->options.meters, METER_BYTES_SENT, count);
        const uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
        const int written = uv_try_write(&c->socket.stream, &buffer, 1);
        if (written < 0 && written != UV_EAGAIN)
            close_connection(c);
        else if (written < 0)
            write_later(c, bytes, count);
        else if ((size_t)written < count)
            write_later(c, bytes + written, count - (size_t)written);
    }
}

/* Whether everything that there will be has been said. */
static bool is_over(const connection *c)
{
    return c->broken || (c->tls && tls_get_state(c->tls) == TLS_FAILED) ||
           (c->session && session_done(c->session));
}

static void flush(connection *c)
{
    write_all(c);
    if (c->closing)
        return;
    if (c->unwritten || !is_over(c)) {
        set_timer(c); /* deadlines pass for a client that does not read, too */
        return;
    }
    if (c->tls) {
        tls_close(c->tls);
        write_all(c);
    }
    if (!c->unwritten)
        close_connection(c);
}

void connections_flush(connections *all)
{
    turns_end(&all->turns);
    while (all->dirty) {
        connection *c = all->dirty;
        all->dirty = c->next_dirty;
        c->is_dirty = false;
        if (!c->closing)
            flush(c);
    }
    for (uint32_t count = all->waiting_count; count > 0; count--) {
        uv_stream_t *listener = all->waiting[0];
        all->waiting_count--;
        memmove(all->waiting, all->waiting + 1, all->waiting_count * sizeof *all->waiting);
        connections_accept(all, listener);
    }
}

/* Counts the connection under its peer's address. False: there are too many from there. */
static bool enter_census(connection *c)
{
    struct sockaddr_storage where;
    int bytes = sizeof where;
    if (!c->owner->census || c->socket.handle.type != UV_TCP)
        return true;
    if (uv_tcp_getpeername(&c->socket.tcp, (struct sockaddr *)&where, &bytes) != 0)
        return false;
    if (where.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&where;
        c->key = census_key_v6(v6->sin6_addr.s6_addr);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&where;
        c->key = census_key_v4((const uint8_t *)&v4->sin_addr);
    }
    c->counted = census_enter(c->owner->census, &c->key);
    return c->counted;
}

/* Says, at most once a second, that connections are refused, and how many since it last did. */
static void complain(connections *all, const char *limit)
{
    const uint64_t now = uv_hrtime();
    all->refused++;
    if (all->complained_ns != 0 && now - all->complained_ns < NS_PER_S)
        return;
    log_warn("connections refused", log_str("limit", limit), log_u64("count", all->refused));
    all->complained_ns = now;
    all->refused = 0;
}

/* The socket of a connection that was accepted, and what speaks on it. False: it cannot be used. */
static bool start(connection *c, uv_stream_t *listener)
{
    connections *all = c->owner;
    if (uv_accept(listener, &c->socket.stream) != 0)
        return false;
    if (all->count > all->max_count) {
        meters_count(all->options.meters, METER_REFUSED_MOST);
        complain(all, "max-connections");
        return false;
    }
    if (!enter_census(c)) {
        meters_count(all->options.meters, METER_REFUSED_ADDRESS);
        complain(all, "max-connections-per-address");
        return false;
    }
    meters_count(all->options.meters, METER_CONNECTIONS_OPENED);
    if (c->socket.handle.type == UV_TCP) {
        (void)uv_tcp_nodelay(&c->socket.tcp, 1);
        (void)uv_tcp_keepalive(&c->socket.tcp, 1, LIMIT_KEEPALIVE_S);
    }
    if (c->socket.handle.type == UV_TCP && all->credentials) {
        c->tls = tls_new(all->credentials);
        if (!c->tls)
            return false;
        begin_handshake(c);
        if (all->handshake_count > all->max_handshakes)
            close_connection(TAILQ_FIRST(&all->handshakes));
    } else if (!begin_session(c)) {
        return false;
    }
    return uv_read_start(&c->socket.stream, on_alloc, on_read) == 0;
}

void connections_accept(connections *all, uv_stream_t *listener)
{
    connection *c = calloc(1, sizeof *c);
    if (!c) {
        assert(all->waiting_count < LIMIT_LISTENERS);
        all->waiting[all->waiting_count++] = listener;
        return;
    }
    c->peer = (peer){.router = all->router, .wake = on_wake};
    c->owner = all;
    c->timer_due = UINT64_MAX;
    const uint64_t handshake_ms = all->options.patience_ms[PATIENCE_HANDSHAKE];
    c->handshake_due_ns = handshake_ms > 0 ? uv_hrtime() + handshake_ms * NS_PER_MS : UINT64_MAX;
    c->open_handles = 2;
    if (listener->type == UV_TCP)
        (void)uv_tcp_init(all->loop, &c->socket.tcp);
    else
        (void)uv_pipe_init(all->loop, &c->socket.pipe, 0);
    (void)uv_timer_init(all->loop, &c->timer);
    c->socket.handle.data = c;
    c->timer.data = c;
    c->next = all->all;
    c->link = &all->all;
    if (all->all)
        all->all->link = &c->next;
    all->all = c;
    all->count++;
    if (start(c, listener))
        mark_dirty(c);
    else
        close_connection(c);
}

void connections_drain(connections *all)
{
    all->waiting_count = 0;
    for (connection *c = all->all, *next; c; c = next) {
        next = c->next;
        if (!c->session) {
            close_connection(c);
            continue;
        }
        session_shutdown(c->session);
        mark_dirty(c);
    }
}

void connections_close(connections *all)
{
    all->waiting_count = 0;
    while (all->all)
        close_connection(all->all);
}
