/*
 * The inside of a load_connection, for load_connection.c, which has streams and output, and
 * load_input.c, which has what the server's frames do.
 */
#ifndef VQL_CLIENT_LOAD_INSIDE_H
#define VQL_CLIENT_LOAD_INSIDE_H

#include "assembler.h"
#include "load_connection.h"
#include "load_fields.h"
#include "load_table.h"

enum {
    LOAD_FRAME_HEADER_BYTES = 9,
    LOAD_FRAME_BYTES = 16384, /* RFC 9113 §6.5.2: what both sides take unless told otherwise */
};

#define LOAD_WINDOW_BYTES 0x7FFFFFFFu /* for answers: as large as can be */
#define LOAD_NO_SLOT      UINT32_MAX
#define LOAD_LAST_ID      0x7FFFFFFFu

/* An HTTP/2 stream: of one call, or a long one with calls in order. */
typedef struct load_stream {
    uint32_t id;     /* 0: free */
    bool answered;   /* one's own call: its message has come */
    int http_status; /* of the answer; 0: no headers have come */
    bool reset;      /* we have reset it */
    load_kind kind;
    int64_t window;   /* what we may send */
    uint32_t used;    /* of the window for answers */
    load_call *calls; /* a ring of `capacity` */
    uint32_t capacity, first, count;
    assembler incoming;
    uint32_t next_free;
} load_stream;

struct load_connection {
    load_connection_options options;
    load_headers *headers;
    load_reader *reader;
    load_table table;
    load_stream *streams; /* [max_calls], for calls with one of their own, then long ones by kind */
    uint32_t stream_count, first_free;
    uint32_t long_streams[LOAD_KIND_COUNT]; /* slots; LOAD_NO_SLOT: none is open */
    uint32_t calls, own_streams, next_id;
    bool settled; /* the server's SETTINGS have come */
    bool going;   /* it has said GOAWAY */
    uint32_t peer_streams, peer_window;
    int64_t window; /* what we may send on the connection */
    uint32_t used;

    /* The message that is being sent: what of it does not fit windows and output waits. */
    uint8_t *body;
    size_t body_capacity, body_at, body_end;
    uint32_t body_slot;

    uint8_t *output;
    size_t output_at, output_end;

    uint8_t *block; /* headers that go on in CONTINUATION */
    size_t block_bytes;
    uint32_t block_id; /* 0: none */
    bool block_ends;   /* and the stream with them */

    uint8_t
        partial[LOAD_FRAME_HEADER_BYTES + LOAD_FRAME_BYTES]; /* a frame that has not come whole */
    size_t partial_bytes;
    char error[160];
};

static inline void load_put_32(uint8_t *out, uint32_t number)
{
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static inline uint32_t load_get_32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* Says what was wrong with the server's bytes, and returns false. */
bool load_fail(load_connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Appends the header of a frame that is no call's, and room for its payload, which is returned. The
 * calls leave a quarter of the output free for these; a server that fills it and reads nothing is
 * given up: NULL, with an error.
 */
uint8_t *load_put_control(load_connection *c, size_t bytes, uint8_t type, uint8_t flags,
                          uint32_t id);

/* The same for a frame that has a number of 32 bits. False: there is an error. */
bool load_put_number(load_connection *c, uint8_t type, uint32_t id, uint32_t number);

/* Moves what the windows and the output allow of the message that waits. */
void load_push_body(load_connection *c);

/* Ends the oldest call of a stream. */
void load_end_call(load_connection *c, load_stream *s, const load_answer *answer);

/* Ends a stream, and the calls on it that have not ended. */
void load_end_stream(load_connection *c, load_stream *s, vqlc_status status, const char *text);

#endif
