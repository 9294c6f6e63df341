/*
 * A peer for vqlbench that costs as little as can be: it answers every call with the same scores,
 * reads no headers and no messages, and says each answer in one copy. What vqlbench reaches against
 * it is what vqlbench can do.
 *
 *   bench_answerer PORT [CANDIDATES]
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRAME_HEADER = 9,
    PREFACE_BYTES = 24,
    READ_BYTES = 256 << 10,
    MOST_FRAME = 16384,
    MOST_CANDIDATES = 4000, /* of an answer in one frame */
    OUTPUT_BYTES = 4 << 20,
    REFRESH_BYTES = 30000, /* of the connection's window, which is 65,535 */
    EVENTS = 64,
    MOST_PEERS = 1024,
};

/* HTTP/2's frame types and flags (RFC 9113 §6). */
enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

typedef struct peer {
    int fd;
    bool greeted;  /* the preface has come */
    uint32_t used; /* of the window */
    size_t in_bytes, out_at, out_end;
    uint8_t in[READ_BYTES + FRAME_HEADER + MOST_FRAME];
    uint8_t out[OUTPUT_BYTES];
} peer;

static peer *peers[MOST_PEERS]; /* by their sockets */

/* An answer, in which only the stream's ids differ: headers, data, trailers. */
static uint8_t answer[FRAME_HEADER * 3 + 64 + MOST_FRAME];
static size_t answer_bytes, data_at, trailers_at;

static void put_32(uint8_t *out, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (24 - 8 * i));
}

static size_t put_header(uint8_t *out, size_t bytes, uint8_t type, uint8_t flags, uint32_t id)
{
    put_32(out, (uint32_t)bytes << 8 | type);
    out[4] = flags;
    put_32(out + 5, id);
    return FRAME_HEADER;
}

/* A ScoreResponse: scores of one half each, and one task's name. */
static size_t make_message(uint8_t *out, size_t candidates)
{
    static const uint8_t half[4] = {0, 0, 0, 0x3f};
    static const uint8_t task[] = {0x12, 1, 't'};
    size_t at = 0;
    out[at++] = 0x0a;
    size_t length = 4 * candidates;
    for (; length >= 0x80; length >>= 7)
        out[at++] = (uint8_t)(length | 0x80);
    out[at++] = (uint8_t)length;
    for (size_t i = 0; i < candidates; i++, at += 4)
        memcpy(out + at, half, 4);
    memcpy(out + at, task, sizeof task);
    return at + sizeof task;
}

static void make_answer(size_t candidates)
{
    /* :status 200, and content-type, not indexed; grpc-status 0, not indexed. */
    static const char headers[] = "\x88\x0f\x10\x10"
                                  "application/grpc";
    static const char trailers[] = "\x00\x0bgrpc-status\x01"
                                   "0";
    size_t at = put_header(answer, sizeof headers - 1, HEADERS, END_HEADERS, 0);
    memcpy(answer + at, headers, sizeof headers - 1);
    data_at = at += sizeof headers - 1;
    const size_t message = make_message(answer + at + FRAME_HEADER + 5, candidates);
    (void)put_header(answer + at, 5 + message, DATA, 0, 0);
    answer[at + FRAME_HEADER] = 0;
    put_32(answer + at + FRAME_HEADER + 1, (uint32_t)message);
    trailers_at = at += FRAME_HEADER + 5 + message;
    at += put_header(answer + at, sizeof trailers - 1, HEADERS, END_HEADERS | END_STREAM, 0);
    memcpy(answer + at, trailers, sizeof trailers - 1);
    answer_bytes = at + sizeof trailers - 1;
}

/* Sends what is waiting. Returns whether all of it went. */
static bool send_all(peer *p)
{
    while (p->out_at < p->out_end) {
        const ssize_t sent = send(p->fd, p->out + p->out_at, p->out_end - p->out_at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p->out_at += (size_t)sent;
    }
    p->out_at = p->out_end = 0;
    return true;
}

static uint8_t *reserve(peer *p, size_t bytes)
{
    while (p->out_end + bytes > OUTPUT_BYTES) {
        (void)send_all(p);
        memmove(p->out, p->out + p->out_at, p->out_end - p->out_at);
        p->out_end -= p->out_at;
        p->out_at = 0;
    }
    p->out_end += bytes;
    return p->out + p->out_end - bytes;
}

static void say_answer(peer *p, const uint8_t *id)
{
    uint8_t *out = reserve(p, answer_bytes);
    memcpy(out, answer, answer_bytes);
    memcpy(out + 5, id, 4);
    memcpy(out + data_at + 5, id, 4);
    memcpy(out + trailers_at + 5, id, 4);
}

static void take_frame(peer *p, const uint8_t *frame, size_t bytes)
{
    if (frame[3] == SETTINGS && (frame[4] & ACK) == 0)
        (void)put_header(reserve(p, FRAME_HEADER), 0, SETTINGS, ACK, 0);
    if (frame[3] != DATA)
        return;
    p->used += (uint32_t)bytes;
    if (p->used > REFRESH_BYTES) {
        uint8_t *out = reserve(p, FRAME_HEADER + 4);
        put_32(out + put_header(out, 4, WINDOW_UPDATE, 0, 0), p->used);
        p->used = 0;
    }
    if (frame[4] & END_STREAM)
        say_answer(p, frame + 5);
}

/* Takes whole frames; the rest stays. */
static void take_input(peer *p)
{
    size_t at = 0;
    if (!p->greeted && p->in_bytes >= PREFACE_BYTES) {
        p->greeted = true;
        at = PREFACE_BYTES;
        (void)put_header(reserve(p, FRAME_HEADER), 0, SETTINGS, 0, 0);
    }
    while (p->greeted && p->in_bytes - at >= FRAME_HEADER) {
        const uint8_t *f = p->in + at;
        const size_t bytes = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        if (p->in_bytes - at < FRAME_HEADER + bytes)
            break;
        take_frame(p, f, bytes);
        at += FRAME_HEADER + bytes;
    }
    p->in_bytes -= at;
    memmove(p->in, p->in + at, p->in_bytes);
}

static void serve(peer *p)
{
    const ssize_t count = recv(p->fd, p->in + p->in_bytes, READ_BYTES, MSG_DONTWAIT);
    if (count == 0) {
        (void)close(p->fd);
        peers[p->fd] = NULL;
        free(p);
        return;
    }
    if (count > 0) {
        p->in_bytes += (size_t)count;
        take_input(p);
    }
    (void)send_all(p);
}

static void accept_peer(int listener, int epoll)
{
    const int on = 1;
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0 || fd >= MOST_PEERS || (peers[fd] = calloc(1, sizeof *peers[fd])) == NULL) {
        (void)fprintf(stderr, "bench_answerer: a connection is too much\n");
        exit(1);
    }
    peers[fd]->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    const long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    const long candidates = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    if (port < 1 || port > 65535 || candidates < 1 || candidates > MOST_CANDIDATES) {
        (void)fprintf(stderr, "usage: bench_answerer PORT [CANDIDATES of 1 to %d]\n",
                      MOST_CANDIDATES);
        return 2;
    }
    make_answer((size_t)candidates);
    const int on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 128) != 0) {
        perror("bench_answerer");
        return 1;
    }
    const int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        const int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_peer(listener, epoll);
            else
                serve(peers[events[i].data.fd]);
    }
}
