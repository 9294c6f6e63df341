/*
 * Takes RST_STREAM frames for streams that were never opened out of a connection's bytes.
 *
 * RFC 9113 §6.4 calls such a frame a connection error, and nghttp2 ends the connection, with every
 * other call on it. gRPC's C core, and with it the clients in C++, Python, Ruby and PHP, sends one
 * whenever a call is cancelled, or its deadline passes, between the choice of its stream and the
 * first write to it (https://github.com/grpc/grpc/issues/19655). The stream means nothing to
 * anyone, so the frame can be ignored.
 *
 *   bytes ── stray_reset_next, … ──> runs of bytes for nghttp2
 */
#ifndef VQL_SERVER_STRAY_RESET_H
#define VQL_SERVER_STRAY_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEADER_BYTES = 9 }; /* RFC 9113 §4.1 */

/* Zeros but for preface_left at first. */
typedef struct stray_reset {
    size_t preface_left;              /* of the client's connection preface */
    uint8_t held[FRAME_HEADER_BYTES]; /* the first bytes of a frame whose header is not whole yet */
    size_t held_count;
    size_t payload_left;     /* of the frame at hand */
    bool dropping;           /* that payload */
    uint32_t last_stream_id; /* the highest that a HEADERS frame opened */
    uint64_t blocks;         /* frames that began, those of one header block being one */
    bool in_block;           /* the last frame is part of a header block, */
    bool ends_block;         /* and its last part */
    uint64_t cost_ns;        /* of the frames that began: budget_frame_ns; the owner's to reset */
} stray_reset;

/* A run of bytes; count 0: there is none. */
typedef struct byte_run {
    const uint8_t *bytes;
    size_t count;
} byte_run;

/* For the first byte of a connection. */
void stray_reset_init(stray_reset *s);

/*
 * Takes bytes off the front of *input and returns the next run to feed, which lies in the input or,
 * until the next call, in s. The end of a frame header that is not whole is kept for later. To be
 * called until the input is empty.
 */
byte_run stray_reset_next(stray_reset *s, byte_run *input);

/* True when what has arrived ends within a header block, or within a frame's own header. */
bool stray_reset_in_headers(const stray_reset *s);

#endif
