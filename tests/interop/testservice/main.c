/*
 * testservice PORT_FILE: serves grpc.testing.TestService, health and reflection on a free port of
 * 127.0.0.1 until SIGTERM, by the server's connections, sessions and router. HOST:PORT is written
 * to PORT_FILE, whole at once.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "connection.h"
#include "health.h"
#include "limit.h"
#include "reflection.h"
#include "test_service.h"
#include "testservice_descriptors.h"

enum { MAX_MESSAGE_BYTES = 4 << 20, MAX_STREAMS = 256, MAX_CONNECTIONS = 64 };

typedef struct program {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t terminate;
    uv_prepare_t turn_start;
    uv_check_t turn_end;
    router router;
    test_service service;
    health health;
    reflection reflection;
    connections connections;
} program;

static void on_connection(uv_stream_t *listener, int status)
{
    program *p = listener->data;
    if (status == 0)
        connections_accept(&p->connections, listener);
}

static void on_turn_start(uv_prepare_t *prepare)
{
    connections_flush(&((program *)prepare->data)->connections);
}

static void on_turn_end(uv_check_t *check)
{
    connections_flush(&((program *)check->data)->connections);
}

static void on_terminate(uv_signal_t *signal, int number)
{
    (void)number;
    program *p = signal->data;
    health_drain(&p->health);
    reflection_drain(&p->reflection);
    connections_close(&p->connections);
    uv_close((uv_handle_t *)&p->listener, NULL);
    uv_close((uv_handle_t *)&p->terminate, NULL);
    uv_close((uv_handle_t *)&p->turn_start, NULL);
    uv_close((uv_handle_t *)&p->turn_end, NULL);
}

static void init_handles(program *p)
{
    (void)uv_loop_init(&p->loop);
    (void)uv_tcp_init(&p->loop, &p->listener);
    (void)uv_signal_init(&p->loop, &p->terminate);
    (void)uv_prepare_init(&p->loop, &p->turn_start);
    (void)uv_check_init(&p->loop, &p->turn_end);
    p->listener.data = p;
    p->terminate.data = p;
    p->turn_start.data = p;
    p->turn_end.data = p;
    (void)uv_signal_start(&p->terminate, on_terminate, SIGTERM);
    (void)uv_prepare_start(&p->turn_start, on_turn_start);
    (void)uv_check_start(&p->turn_end, on_turn_end);
}

static void add_services(program *p)
{
    p->service.loop = &p->loop;
    p->reflection.descriptors.bytes =
        (wire_span){testservice_descriptors, sizeof testservice_descriptors};
    test_service_add(&p->service, &p->router);
    health_add(&p->health, &p->router);
    reflection_add(&p->reflection, &p->router);
    p->connections.loop = &p->loop;
    p->connections.router = &p->router;
    p->connections.max_count = MAX_CONNECTIONS;
    p->connections.options = (session_options){
        .max_streams = MAX_STREAMS,
        .max_header_bytes = LIMIT_HEADER_BYTES,
        .stream_window = LIMIT_STREAM_WINDOW,
        .connection_window = LIMIT_CONNECTION_WINDOW,
        .max_message_bytes = MAX_MESSAGE_BYTES,
        .max_unsent_bytes = LIMIT_UNSENT_BYTES,
        .compress_above = 1,
        .metadata = test_service_metadata,
    };
}

/* Listens, and says where. */
static bool listen_on(program *p, const char *port_file)
{
    struct sockaddr_in address;
    int length = sizeof address;
    (void)uv_ip4_addr("127.0.0.1", 0, &address);
    if (uv_tcp_bind(&p->listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&p->listener, LIMIT_BACKLOG, on_connection) != 0 ||
        uv_tcp_getsockname(&p->listener, (struct sockaddr *)&address, &length) != 0)
        return false;
    char temporary[4096];
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", port_file);
    FILE *file = fopen(temporary, "w");
    if (!file)
        return false;
    const bool written = fprintf(file, "127.0.0.1:%d\n", ntohs(address.sin_port)) > 0;
    return fclose(file) == 0 && written && rename(temporary, port_file) == 0;
}

int main(int argc, char **argv)
{
    static program p;
    if (argc != 2) {
        (void)fprintf(stderr, "Usage: testservice PORT_FILE\n");
        return EXIT_FAILURE;
    }
    init_handles(&p);
    add_services(&p);
    if (!connections_init(&p.connections) || !listen_on(&p, argv[1])) {
        (void)fprintf(stderr, "testservice: cannot serve\n");
        return EXIT_FAILURE;
    }
    (void)uv_run(&p.loop, UV_RUN_DEFAULT);
    connections_clear(&p.connections);
    test_service_clear(&p.service);
    health_clear(&p.health);
    reflection_clear(&p.reflection);
    return uv_loop_close(&p.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
