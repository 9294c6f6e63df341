/*
 * A real redis-server, alone and on a free port, with nothing on disk.
 */
#ifndef VQL_TESTS_REDIS_SERVER_H
#define VQL_TESTS_REDIS_SERVER_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "check_main.h"

typedef struct redis_server {
    pid_t pid;
    int port;
    char url[64];
} redis_server;

/* A port that nobody has at the moment. */
static inline int redis_server_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

/* Starts it and waits until it answers. A peer that is gone ends nothing. */
static inline void redis_server_start(redis_server *s)
{
    char port[8];
    redisContext *c = NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    s->port = redis_server_free_port();
    (void)snprintf(port, sizeof port, "%d", s->port);
    (void)snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d", s->port);
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0) {
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
                     "--save", "", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000; i++) {
        c = redisConnect("127.0.0.1", s->port);
        if (c && c->err == 0)
            break;
        redisFree(c);
        c = NULL;
        (void)usleep(10000);
    }
    ck_assert_ptr_nonnull(c);
    redisFree(c);
}

static inline void redis_server_stop(redis_server *s)
{
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
}

#endif
