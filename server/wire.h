/*
 * Protobuf's wire format field by field (https://protobuf.dev/programming-guides/encoding/), for
 * messages that are looked through rather than decoded: descriptors, and reflection's own.
 */
#ifndef VQL_SERVER_WIRE_H
#define VQL_SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encode.h"

/* A serialized message, or a string. */
typedef struct wire_span {
    const uint8_t *bytes;
    size_t count;
} wire_span;

typedef enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
} wire_type;

typedef struct wire_field {
    uint32_t number;
    wire_type type;
    uint64_t value;  /* of a VARINT */
    wire_span bytes; /* of BYTES: a string or a message */
} wire_field;

/*
 * Takes the first field off the message. False: there is none; the message is then empty, unless it
 * is malformed.
 */
bool wire_next(wire_span *message, wire_field *field);

/* Whether the span is the text. */
bool wire_equals(wire_span span, const char *text);

/* Add a field at the end of out. False: no memory. */
bool wire_put_varint(message_buffer *out, uint32_t number, uint64_t value);
bool wire_put_bytes(message_buffer *out, uint32_t number, wire_span bytes);

#endif
