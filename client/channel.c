#include "channel.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "connector.h"
#include "list.h"
#include "transport.h"

/* A host name of DNS has at most 253 bytes, a port's number five. */
#define MAX_HOST_BYTES 254
#define MAX_PORT_BYTES 6
#define MAX_PATH_BYTES 108 /* as in struct sockaddr_un */

static const char bearer[] = "Bearer ";
static const char unix_prefix[] = "unix:";

/* A transport and its place in its channel. */
typedef struct member {
    list_link place;
    vqlc_channel *channel;
    transport *transport;
} member;

struct vqlc_channel {
    uv_loop_t *loop;
    vqlc_channel_options options;
    char server[MAX_HOST_BYTES + MAX_PORT_BYTES + 3]; /* as given */
    char host[MAX_HOST_BYTES];                        /* or the path of a Unix socket */
    char port[MAX_PORT_BYTES];                        /* "": of a Unix socket */
    transport_security security;
    char authorization[sizeof bearer + VQLC_MAX_TOKEN_BYTES]; /* "": none */
    list_link members;
    transport *current;  /* NULL only when there was no memory for one: retry makes it */
    connector *attempt;  /* under way, for current */
    uint64_t attempt_ms; /* when it began, on the loop's clock */
    uv_timer_t retry;    /* the next attempt */
    backoff backoff;
    bool closing;
    unsigned parts; /* members, attempts and the timer that the loop still has */
    void (*on_closed)(void *arg);
    void *closed_arg;
};

void vqlc_channel_defaults(vqlc_channel_options *options)
{
    *options = (vqlc_channel_options){
        .max_message_bytes = (4 << 20) + (64 << 10),
        .max_unsent_bytes = 1 << 20,
        .max_waiting_calls = 16384,
        .connect_timeout_ms = 20000,
        .min_backoff_ms = 1000,
        .max_backoff_ms = 120000,
    };
}

static bool is_unix(const vqlc_channel *channel)
{
    return channel->port[0] == '\0';
}

static void free_channel(vqlc_channel *channel)
{
    OPENSSL_cleanse(channel->authorization, sizeof channel->authorization);
    free(channel);
}

static void release(vqlc_channel *channel)
{
    if (--channel->parts == 0) {
        if (channel->on_closed != NULL)
            channel->on_closed(channel->closed_arg);
        free_channel(channel);
    }
}

static void on_retry(uv_timer_t *timer);

/* Connects again when the backoff allows, counted from when the last attempt began. */
static void schedule_retry(vqlc_channel *channel)
{
    uint32_t random = 0;
    (void)uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    const uint64_t pause_ms = backoff_next(&channel->backoff, random);
    const uint64_t since_ms = uv_now(channel->loop) - channel->attempt_ms;
    (void)uv_timer_start(&channel->retry, on_retry, pause_ms > since_ms ? pause_ms - since_ms : 0,
                         0);
}

/* The current connection cannot have a socket for now. */
static void set_unreachable(vqlc_channel *channel, const char *why)
{
    char text[512];
    (void)snprintf(text, sizeof text, "cannot connect to %s: %s", channel->server, why);
    engine_unreachable(transport_engine(channel->current), text);
}

static const transport_handler transport_callbacks;

/* Makes a new current transport; it is NULL when there is no memory. */
static void renew_current(vqlc_channel *channel)
{
    channel->current = NULL;
    member *m = malloc(sizeof *m);
    if (m == NULL)
        return;
    const engine_options options = {
        .authority = is_unix(channel) ? "localhost" : channel->server,
        .authorization = channel->authorization[0] != '\0' ? channel->authorization : NULL,
        .encrypted = channel->security.tls != NULL,
        .max_message_bytes = channel->options.max_message_bytes,
        .max_unsent_bytes = channel->options.max_unsent_bytes,
        .max_waiting_calls = channel->options.max_waiting_calls,
    };
    m->channel = channel;
    m->transport =
        transport_new(channel->loop, &options, &channel->security, &transport_callbacks, m);
    if (m->transport == NULL) {
        free(m);
        return;
    }
    list_init(&m->place);
    list_append(&channel->members, &m->place);
    channel->parts++;
    channel->current = m->transport;
}

/* Puts a new connection in the place of the current one, with the calls that wait there. */
static void replace_current(vqlc_channel *channel)
{
    engine *old = transport_engine(channel->current);
    if (engine_ready(old))
        backoff_reset(&channel->backoff);
    renew_current(channel);
    if (channel->current != NULL)
        engine_move_waiting(old, transport_engine(channel->current));
    schedule_retry(channel);
}

static void on_draining(void *context, transport *t)
{
    vqlc_channel *channel = ((member *)context)->channel;
    if (t == channel->current)
        replace_current(channel);
}

static void on_down(void *context, transport *t, const char *why)
{
    vqlc_channel *channel = ((member *)context)->channel;
    const bool was_ready = engine_ready(transport_engine(t));
    const char *error = engine_error(transport_engine(t));
    transport_close(t);
    if (t == channel->current) {
        replace_current(channel);
        if (!was_ready && channel->current != NULL)
            set_unreachable(channel, error != NULL ? error : why);
    }
}

static void on_transport_closed(void *context, transport *t)
{
    (void)t;
    member *m = context;
    list_remove(&m->place);
    release(m->channel);
    free(m);
}

static const transport_handler transport_callbacks = {
    .on_draining = on_draining,
    .on_down = on_down,
    .on_closed = on_transport_closed,
};

static void on_attempt_done(void *context, uv_stream_t *socket, const char *why)
{
    vqlc_channel *channel = context;
    channel->attempt = NULL;
    if (socket != NULL) {
        transport_attach(channel->current, socket);
        return;
    }
    schedule_retry(channel);
    set_unreachable(channel, why);
}

static void on_attempt_gone(void *context)
{
    release(context);
}

static const connector_handler connector_callbacks = {
    .on_done = on_attempt_done,
    .on_gone = on_attempt_gone,
};

static void begin_attempt(vqlc_channel *channel)
{
    channel->attempt_ms = uv_now(channel->loop);
    const int error = connector_start(
        channel->loop, channel->host, is_unix(channel) ? NULL : channel->port,
        channel->options.connect_timeout_ms, &connector_callbacks, channel, &channel->attempt);
    if (error == 0) {
        channel->parts++;
    } else {
        schedule_retry(channel);
        set_unreachable(channel, uv_strerror(error));
    }
}

static void on_retry(uv_timer_t *timer)
{
    vqlc_channel *channel = timer->data;
    if (channel->current == NULL)
        renew_current(channel);
    if (channel->current == NULL)
        schedule_retry(channel);
    else
        begin_attempt(channel);
}

/* Copies text[0 … length) to out, terminated. False when it is empty or too long. */
static bool copy(char *out, size_t capacity, const char *text, size_t length)
{
    if (length == 0 || length >= capacity)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* Splits "HOST:PORT" or "[IPV6]:PORT", or takes the path of "unix:/PATH". */
static bool parse_server(vqlc_channel *channel, const char *server)
{
    if (strncmp(server, unix_prefix, strlen(unix_prefix)) == 0) {
        const char *path = server + strlen(unix_prefix);
        return path[0] == '/' && strlen(path) < MAX_PATH_BYTES &&
               copy(channel->server, sizeof channel->server, server, strlen(server)) &&
               copy(channel->host, sizeof channel->host, path, strlen(path));
    }
    const char *colon = strrchr(server, ':');
    if (colon == NULL || !copy(channel->server, sizeof channel->server, server, strlen(server)) ||
        !copy(channel->port, sizeof channel->port, colon + 1, strlen(colon + 1)) ||
        strspn(channel->port, "0123456789") != strlen(channel->port))
        return false;
    const char *host = server;
    size_t length = (size_t)(colon - server);
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (strcspn(host, ":[]") != length) {
        return false;
    }
    return copy(channel->host, sizeof channel->host, host, length);
}

/* Keeps what the token makes of every call's authorization. False: it is no token. */
static bool set_token(vqlc_channel *channel, const char *token)
{
    if (token == NULL)
        return true;
    size_t length = 0;
    while (token[length] > ' ' && token[length] <= '~')
        length++;
    if (length == 0 || length > VQLC_MAX_TOKEN_BYTES || token[length] != '\0')
        return false;
    (void)snprintf(channel->authorization, sizeof channel->authorization, "%s%s", bearer, token);
    return true;
}

int vqlc_channel_open(uv_loop_t *loop, const char *server, const vqlc_channel_options *options,
                      vqlc_channel **channel_out)
{
    vqlc_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return UV_ENOMEM;
    int error = UV_EINVAL;
    if (!parse_server(channel, server))
        goto free_it;
    channel->loop = loop;
    if (options != NULL)
        channel->options = *options;
    else
        vqlc_channel_defaults(&channel->options);
    if (!set_token(channel, channel->options.token))
        goto free_it;
    if (channel->options.tls != NULL && is_unix(channel))
        goto free_it;
    channel->options.token = NULL; /* the caller's, and not needed any more */
    channel->security = (transport_security){
        .tls = channel->options.tls,
        .host = channel->host,
        .timeout_ms = channel->options.connect_timeout_ms,
    };
    channel->backoff = (backoff){
        .min_ms = channel->options.min_backoff_ms,
        .max_ms = channel->options.max_backoff_ms,
    };
    backoff_reset(&channel->backoff);
    list_init(&channel->members);
    renew_current(channel);
    if (channel->current == NULL) {
        error = UV_ENOMEM;
        goto free_it;
    }
    (void)uv_timer_init(loop, &channel->retry);
    channel->retry.data = channel;
    channel->parts++;
    begin_attempt(channel);
    *channel_out = channel;
    return 0;

free_it:
    free_channel(channel);
    return error;
}

static void on_retry_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void vqlc_channel_close(vqlc_channel *channel, void (*on_closed)(void *arg), void *arg)
{
    channel->closing = true;
    channel->on_closed = on_closed;
    channel->closed_arg = arg;
    uv_close((uv_handle_t *)&channel->retry, on_retry_closed);
    if (channel->attempt != NULL)
        connector_cancel(channel->attempt);
    for (list_link *place = channel->members.next; place != &channel->members; place = place->next)
        transport_close(LIST_ENTRY(place, member, place)->transport);
}

rpc *channel_start(vqlc_channel *channel, const vqlc_call_options *options, rpc_request *request)
{
    if (channel->closing || channel->current == NULL)
        return NULL;
    const uint64_t now_ns = uv_hrtime();
    request->deadline_ns = UINT64_MAX;
    request->wait_for_ready = false;
    if (options != NULL) {
        request->wait_for_ready = options->wait_for_ready;
        if (options->deadline_ms > 0)
            request->deadline_ns = now_ns + (uint64_t)options->deadline_ms * 1000000;
    }
    return rpc_start(transport_engine(channel->current), now_ns, request);
}
