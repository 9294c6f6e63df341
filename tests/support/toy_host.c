#include "toy_host.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

void toy_peer_flush(toy_peer *peer)
{
    uint8_t bytes[16384];
    size_t count;
    while ((count = toy_server_drain(peer->server, bytes, sizeof bytes)) > 0) {
        const uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
        ck_assert_int_eq(uv_try_write((uv_stream_t *)&peer->tcp, &buffer, 1), (int)count);
    }
}

void toy_peer_kill(toy_peer *peer)
{
    if (!peer->closed) {
        peer->closed = true;
        uv_close((uv_handle_t *)&peer->tcp, NULL);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    toy_peer *peer = stream->data;
    if (count > 0) {
        toy_server_feed(peer->server, (const uint8_t *)buffer->base, (size_t)count);
        peer->host->script(peer, peer->host->context);
        if (!peer->closed)
            toy_peer_flush(peer);
    } else if (count < 0) {
        toy_peer_kill(peer);
    }
    free(buffer->base);
}

static void on_connection(uv_stream_t *listener, int status)
{
    toy_host *h = listener->data;
    ck_assert_int_eq(status, 0);
    ck_assert_uint_lt(h->peer_count, TOY_MAX_PEERS);
    toy_peer *peer = &h->peers[h->peer_count++];
    peer->host = h;
    peer->closed = false;
    peer->server = toy_server_new(100, 65535);
    ck_assert_int_eq(uv_tcp_init(h->loop, &peer->tcp), 0);
    peer->tcp.data = peer;
    ck_assert_int_eq(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    ck_assert_int_eq(uv_read_start((uv_stream_t *)&peer->tcp, on_buffer, on_read), 0);
    toy_peer_flush(peer);
}

void toy_host_start(toy_host *h, uv_loop_t *loop, int port,
                    void (*script)(toy_peer *peer, void *context), void *context)
{
    h->loop = loop;
    h->script = script;
    h->context = context;
    h->peer_count = 0;
    struct sockaddr_in address;
    ck_assert_int_eq(uv_ip4_addr("127.0.0.1", port, &address), 0);
    ck_assert_int_eq(uv_tcp_init(loop, &h->listener), 0);
    h->listener.data = h;
    ck_assert_int_eq(uv_tcp_bind(&h->listener, (const struct sockaddr *)&address, 0), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&h->listener, 16, on_connection), 0);
    int length = sizeof address;
    ck_assert_int_eq(uv_tcp_getsockname(&h->listener, (struct sockaddr *)&address, &length), 0);
    h->port = ntohs(address.sin_port);
}

void toy_host_stop(toy_host *h)
{
    for (unsigned i = 0; i < h->peer_count; i++)
        toy_peer_kill(&h->peers[i]);
    uv_close((uv_handle_t *)&h->listener, NULL);
}

void toy_host_free(toy_host *h)
{
    for (unsigned i = 0; i < h->peer_count; i++)
        toy_server_free(h->peers[i].server);
}
