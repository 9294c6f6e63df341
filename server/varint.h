/*
 * Runs of varints (https://protobuf.dev/programming-guides/encoding/#varints), as packed repeated
 * fields have them: what a request of a thousand candidates is made of.
 */
#ifndef VQL_SERVER_VARINT_H
#define VQL_SERVER_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VARINT_BYTES = 10 }; /* of the longest one */

/* What was found at the front of some bytes. */
typedef struct varint_run {
    size_t numbers; /* decoded */
    size_t bytes;   /* that they took */
    enum {
        VARINT_MORE, /* nothing wrong: the rest is a part of one, or there was no room for more */
        VARINT_LONG, /* the next one does not end within 10 bytes, or is beyond 64 bits */
    } state;
} varint_run;

/* Decodes whole varints, at most `room` of them, into numbers. */
varint_run varint_decode(const uint8_t *bytes, size_t count, uint64_t *numbers, size_t room);

/* Bytes that are taken from their front. */
typedef struct varint_reader {
    const uint8_t *bytes;
    size_t count;
} varint_reader;

/* Takes a varint off the bytes. False: there is none whole. */
bool varint_take(varint_reader *in, uint64_t *number);

#endif
