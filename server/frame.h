/*
 * gRPC's Length-Prefixed-Message (PROTOCOL-HTTP2.md, "Data frames"):
 *
 *     [ compressed flag: 0 or 1 | length, 4 bytes, big-endian | message, length bytes ]
 */
#ifndef VQL_SERVER_FRAME_H
#define VQL_SERVER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_PREFIX_BYTES = 5 };

typedef enum frame_result {
    FRAME_PARTIAL,    /* more bytes are needed */
    FRAME_WHOLE,      /* the message follows its prefix, whole */
    FRAME_BAD_FLAG,   /* the compressed flag is neither 0 nor 1 */
    FRAME_COMPRESSED, /* the compressed flag is 1, which it may not be */
    FRAME_TOO_LONG,   /* the length is above the limit */
} frame_result;

/* What a prefix says. */
typedef struct frame_prefix {
    frame_result result;
    uint8_t flag;
    uint32_t length;
} frame_prefix;

/*
 * Looks at the frame that begins at bytes, of which count have arrived; may_compress says whether
 * its message may be compressed. flag and length are zeros until the prefix is whole; a bad prefix
 * is found as soon as it is, whatever follows.
 */
frame_prefix frame_parse(const uint8_t *bytes, size_t count, uint32_t max_length,
                         bool may_compress);

/* Writes the prefix of a message. */
void frame_write_prefix(uint8_t prefix[FRAME_PREFIX_BYTES], bool compressed, uint32_t length);

#endif
