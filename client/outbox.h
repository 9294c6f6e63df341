/*
 * The bytes of one call that wait to be sent: whole messages go in, each with gRPC's prefix, and
 * pieces of any size come out.
 */
#ifndef VQL_CLIENT_OUTBOX_H
#define VQL_CLIENT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The waiting bytes are bytes[begin … end); all zero is an empty outbox. */
typedef struct outbox {
    uint8_t *bytes; /* owned */
    size_t capacity;
    size_t begin;
    size_t end;
} outbox;

void outbox_free(outbox *o);

/*
 * Copies a message in. False when there is no memory or it is longer than a prefix can say: the
 * outbox is as it was.
 */
bool outbox_put(outbox *o, const uint8_t *message, size_t count);

/* Moves up to capacity bytes to out and returns how many. */
size_t outbox_take(outbox *o, uint8_t *out, size_t capacity);

/* How many bytes wait, prefixes included. */
size_t outbox_bytes(const outbox *o);

#endif
