/*
 * The server's end of an HTTP/2 connection for tests of the client, sans I/O: it records the calls
 * that come, and answers as the test says. What it is told to send is as right or as wrong as the
 * test wants it. Asserts (Check) that the client's HTTP/2 is acceptable.
 */
#ifndef VQL_TESTS_TOY_SERVER_H
#define VQL_TESTS_TOY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOY_MAX_CALLS 256

typedef struct toy_server toy_server;

/* A call as the server has seen it. */
typedef struct toy_call {
    int32_t stream_id;
    char method[8];
    char path[64];
    char content_type[32];
    char te[16];
    char timeout[16]; /* grpc-timeout; "": none */
    char user[24];    /* x-vql-user; "": none */
    char scheme[8];
    char authorization[64]; /* "": none */
    uint8_t *body;          /* owned by the server: all of the call's data so far */
    size_t body_bytes;
    bool half_closed;
    bool closed;
    uint32_t close_code;
    uint8_t *answer; /* owned by the server: data not yet sent */
    size_t answer_bytes;
    bool ending;          /* END_STREAM after the answer's data, perhaps by trailers: */
    const char *status;   /* grpc-status, NULL: no trailers */
    const char *message;  /* grpc-message */
    const char *pushback; /* grpc-retry-pushback-ms */
} toy_call;

/* max_streams is its SETTINGS_MAX_CONCURRENT_STREAMS; window its INITIAL_WINDOW_SIZE. */
toy_server *toy_server_new(uint32_t max_streams, uint32_t window);
void toy_server_free(toy_server *s);

/* Bytes from the client; bytes for the client, at most capacity, returning how many. */
void toy_server_feed(toy_server *s, const uint8_t *bytes, size_t count);
size_t toy_server_drain(toy_server *s, uint8_t *out, size_t capacity);

/* How many calls have come, and call i of them, in the order of their coming. */
size_t toy_server_calls(const toy_server *s);
toy_call *toy_server_call(toy_server *s, size_t i);

/* The response's headers, with this :status and (unless NULL) content-type. */
void toy_server_headers(toy_server *s, toy_call *c, const char *status, const char *content_type);

/* Data as it is; a message with its prefix, and the same of a text. Only after the headers. */
void toy_server_data(toy_server *s, toy_call *c, const uint8_t *bytes, size_t count);
void toy_server_bytes(toy_server *s, toy_call *c, const uint8_t *message, size_t count);
void toy_server_message(toy_server *s, toy_call *c, const char *message);

/* The end, with trailers, of which NULL ones are left out; all texts must outlive the call. */
void toy_server_trailers(toy_server *s, toy_call *c, const char *status, const char *message,
                         const char *pushback);

/* The end without trailers. */
void toy_server_end(toy_server *s, toy_call *c);

/* Headers and end in one, as a server does that answers no message. */
void toy_server_trailers_only(toy_server *s, toy_call *c, const char *status, const char *message,
                              const char *pushback);

/* 200, one message and OK. */
void toy_server_answer(toy_server *s, toy_call *c, const char *message);

void toy_server_reset(toy_server *s, toy_call *c, uint32_t error_code);

/* GOAWAY: calls with stream ids above last_stream_id are not looked at. */
void toy_server_goaway(toy_server *s, int32_t last_stream_id, uint32_t error_code,
                       const char *text);

#endif
