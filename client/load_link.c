#include "load_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "address.h"
#include "tunnel.h"

enum {
    READ_BYTES = 256 << 10,
    CIPHER_BYTES = 64 << 10,
};

#define RETRY_NS UINT64_C(100000000)

struct load_link {
    const load_target *target;
    load_connection_options options;
    load_connection *connection; /* NULL: none */
    int fd;                      /* -1: none */
    bool waits_to_write;
    uint64_t retry_ns; /* when to connect again */
    uint64_t connected;
    char error[256];

    /* With TLS. */
    tunnel *tunnel;
    uint8_t *cipher; /* [CIPHER_BYTES]: what is to be sent */
    size_t cipher_at, cipher_end;
};

static bool resolve_path(load_target *target, const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    memcpy(local.sun_path, path, strlen(path) + 1);
    memcpy(&target->address, &local, sizeof local);
    target->address_bytes = sizeof local;
    (void)snprintf(target->host, sizeof target->host, "localhost");
    return true;
}

bool load_target_resolve(load_target *target, const char *server, char *error, size_t error_bytes)
{
    address parsed;
    if (!address_parse(server, &parsed)) {
        (void)snprintf(error, error_bytes, "is \"%.100s\", but takes HOST:PORT or unix:/PATH",
                       server);
        return false;
    }
    if (parsed.path[0] != '\0')
        return resolve_path(target, parsed.path);
    char port[8];
    (void)snprintf(port, sizeof port, "%u", parsed.port);
    (void)snprintf(target->host, sizeof target->host, "%s", parsed.host);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const int code = getaddrinfo(parsed.host, port, &hints, &found);
    if (code != 0) {
        (void)snprintf(error, error_bytes, "%.100s: %s", server, gai_strerror(code));
        return false;
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

load_link *load_link_new(const load_target *target, const load_connection_options *options)
{
    load_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->target = target;
    l->options = *options;
    l->fd = -1;
    if (target->tls == NULL || (l->cipher = malloc(CIPHER_BYTES)) != NULL)
        return l;
    free(l);
    return NULL;
}

void load_link_free(load_link *l)
{
    if (l == NULL)
        return;
    load_link_drop(l, VQLC_CANCELLED, "");
    free(l->cipher);
    free(l);
}

load_connection *load_link_connection(load_link *l)
{
    return l->connection;
}

const char *load_link_error(const load_link *l)
{
    return l->error;
}

uint64_t load_link_connected(const load_link *l)
{
    return l->connected;
}

void load_link_drop(load_link *l, vqlc_status status, const char *why)
{
    if (l->connection != NULL)
        load_connection_fail(l->connection, status, why);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    load_connection_free(l->connection);
    l->connection = NULL;
    tunnel_free(l->tunnel);
    l->tunnel = NULL;
    l->cipher_at = l->cipher_end = 0;
}

/* The connection has ended by itself. */
static void lose(load_link *l, const char *why)
{
    const char *error = l->connection != NULL ? load_connection_error(l->connection) : "";
    if (error[0] == '\0' && l->tunnel != NULL && tunnel_error(l->tunnel) != NULL)
        error = tunnel_error(l->tunnel);
    (void)snprintf(l->error, sizeof l->error, "%s", error[0] != '\0' ? error : why);
    load_link_drop(l, VQLC_UNAVAILABLE, l->error);
}

/* Whether to be told when the socket takes more. */
static void wait_to_write(load_link *l, bool wait)
{
    if (wait == l->waits_to_write)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0u), .data.ptr = l};
    (void)epoll_ctl(l->target->epoll, EPOLL_CTL_MOD, l->fd, &event);
    l->waits_to_write = wait;
}

static bool open_socket(load_link *l)
{
    const int family = l->target->address.ss_family;
    const int on = 1;
    l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return false;
    if (family != AF_UNIX)
        (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(l->fd, (const struct sockaddr *)&l->target->address, l->target->address_bytes) !=
            0 &&
        errno != EINPROGRESS)
        return false;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = l};
    l->waits_to_write = true;
    return epoll_ctl(l->target->epoll, EPOLL_CTL_ADD, l->fd, &event) == 0;
}

void load_link_connect(load_link *l, uint64_t now_ns)
{
    if (l->fd >= 0 || now_ns < l->retry_ns)
        return;
    l->retry_ns = now_ns + RETRY_NS;
    if (!open_socket(l)) {
        lose(l, strerror(errno));
        return;
    }
    l->connection = load_connection_new(&l->options);
    if (l->target->tls != NULL)
        l->tunnel = tunnel_new(l->target->tls, l->target->host);
    if (l->connection == NULL || (l->target->tls != NULL && l->tunnel == NULL))
        lose(l, "no memory for a connection");
    else
        l->connected++;
}

/* Gives what was read to the connection. False: it is lost. */
static bool feed(load_link *l, const uint8_t *bytes, size_t count)
{
    if (l->tunnel == NULL)
        return load_connection_feed(l->connection, bytes, count);
    const uint8_t *plain;
    tunnel_feed(l->tunnel, bytes, count);
    while ((count = tunnel_read(l->tunnel, &plain)) > 0)
        if (!load_connection_feed(l->connection, plain, count))
            return false;
    return tunnel_error(l->tunnel) == NULL;
}

void load_link_receive(load_link *l, void (*before_feed)(void *context), void *context)
{
    static uint8_t bytes[READ_BYTES];
    if (l->fd < 0)
        return;
    const ssize_t count = recv(l->fd, bytes, sizeof bytes, 0);
    if (count > 0) {
        before_feed(context);
        if (!feed(l, bytes, (size_t)count) || load_connection_done(l->connection))
            lose(l, "the server closes connections");
    } else if (count == 0) {
        lose(l, "the server closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
        lose(l, strerror(errno));
    }
}

/* tunnel_source's drain. */
static size_t drain_connection(void *context, uint8_t *out, size_t capacity)
{
    const uint8_t *bytes;
    size_t count = load_connection_output(context, &bytes);
    count = count < capacity ? count : capacity;
    memcpy(out, bytes, count);
    load_connection_sent(context, count);
    return count;
}

/* What goes to the socket next. */
static size_t output(load_link *l, const uint8_t **bytes)
{
    if (l->tunnel == NULL)
        return load_connection_output(l->connection, bytes);
    if (l->cipher_at == l->cipher_end) {
        const tunnel_source source = {drain_connection, l->connection};
        l->cipher_at = 0;
        l->cipher_end = tunnel_drain(l->tunnel, &source, l->cipher, CIPHER_BYTES);
    }
    *bytes = l->cipher + l->cipher_at;
    return l->cipher_end - l->cipher_at;
}

void load_link_send(load_link *l)
{
    const uint8_t *bytes;
    size_t count;
    while (l->fd >= 0 && (count = output(l, &bytes)) > 0) {
        const ssize_t sent = send(l->fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            lose(l, strerror(errno));
            return;
        }
        if (sent < 0) {
            wait_to_write(l, true);
            return;
        }
        if (l->tunnel == NULL)
            load_connection_sent(l->connection, (size_t)sent);
        else
            l->cipher_at += (size_t)sent;
    }
    if (l->fd >= 0)
        wait_to_write(l, false);
}
