/*
 * A gRPC client for tests, sans I/O, on nghttp2's client side: requests in, bytes out; bytes in,
 * answers collected. It says what it is told to, right or wrong, and aborts when it has no memory.
 */
#ifndef VQL_TESTS_H2_CLIENT_H
#define VQL_TESTS_H2_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct h2_client h2_client;

typedef struct h2_client_options {
    uint32_t stream_window; /* what the server may send on a stream before it is read */
    bool reads;             /* false: windows are never opened again, nothing counts as read */
} h2_client_options;

/* One that reads, with HTTP/2's default window. */
#define H2_CLIENT_OPTIONS ((h2_client_options){.stream_window = 65535, .reads = true})

/* What came back on one stream. */
typedef struct h2_answer {
    char headers[512];   /* the first block, "name: value\n" a field, terminated */
    char trailers[2048]; /* the block with END_STREAM, which may be the first */
    uint8_t *body;
    size_t body_bytes;
    unsigned blocks; /* HEADERS received */
    bool ended;      /* END_STREAM was received */
    bool reset;      /* RST_STREAM was received, with reset_code */
    uint32_t reset_code;
    bool closed;
} h2_answer;

h2_client *h2_client_new(const h2_client_options *options);
void h2_client_free(h2_client *client);

typedef struct h2_header {
    const char *name, *value;
} h2_header;

/* Opens a stream with exactly these fields, closed by a NULL name. */
int32_t h2_client_open(h2_client *client, const h2_header *fields);

/* Opens a stream for a gRPC call of path; a timeout of NULL sends none. */
int32_t h2_client_call(h2_client *client, const char *path, const char *timeout);

/* The same with one more field of any name. */
int32_t h2_client_call_with(h2_client *client, const char *path, const char *name,
                            const char *value);

/* Sends bytes on a stream, and END_STREAM behind them if end. */
void h2_client_send(h2_client *client, int32_t stream_id, const void *bytes, size_t count,
                    bool end);

/* Sends a message with its prefix. */
void h2_client_message(h2_client *client, int32_t stream_id, const void *bytes, size_t count,
                       bool end);

/* Resets a stream with CANCEL. */
void h2_client_cancel(h2_client *client, int32_t stream_id);

/* Opens the window of a stream, or of the connection (0), by hand. */
void h2_client_open_window(h2_client *client, int32_t stream_id, int32_t bytes);

/* Says good-bye. */
void h2_client_goaway(h2_client *client);

/* As session_feed and session_drain. feed is false when the server's bytes make no sense. */
bool h2_client_feed(h2_client *client, const uint8_t *bytes, size_t count);
size_t h2_client_drain(h2_client *client, uint8_t *out, size_t capacity);

/* The answer on a stream, valid until the client is freed. */
const h2_answer *h2_client_answer(const h2_client *client, int32_t stream_id);

/* How many bytes the client still has to send on a stream: its window is closed. */
size_t h2_client_unsent(const h2_client *client, int32_t stream_id);

/* GOAWAYs received, and what the last one said. */
typedef struct h2_goaway {
    unsigned count;
    int32_t last_stream_id;
    uint32_t code;
} h2_goaway;

h2_goaway h2_client_goaways(const h2_client *client);

/* A setting of the server's; see nghttp2_settings_id. */
uint32_t h2_client_setting(const h2_client *client, int id);

/* A field of a block, copied to out and terminated; false: it is not there. */
bool h2_field(const char *block, const char *name, char *out, size_t capacity);

/* The grpc-status of the trailers; -1: there is none. */
int h2_answer_status(const h2_answer *answer);

/* Message number index of the body; NULL: there is no such message. */
const uint8_t *h2_answer_message(const h2_answer *answer, size_t index, size_t *bytes);

#endif
