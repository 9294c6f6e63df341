/*
 * A growable queue of bytes that stay contiguous: bytes enter at the back and leave at the front.
 *
 *     block   [ taken | queued …        | room ]
 *              0       head         tail      capacity
 *
 * Zeros are an empty queue, which owns no memory; a queue that becomes empty gives its memory back.
 */
#ifndef VQL_SERVER_BYTE_QUEUE_H
#define VQL_SERVER_BYTE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spares.h"

typedef struct byte_queue {
    uint8_t *block;
    size_t head, tail, capacity;
    spares *spares; /* that block is of; constant while there is one */
} byte_queue;

/*
 * Room for count > 0 bytes at the back, which is the queue's next time that it is extended by no
 * more; valid until the next change. NULL: no memory, and the queue is as it was.
 */
uint8_t *byte_queue_reserve(byte_queue *q, size_t count);

/*
 * Adds count > 0 bytes at the back and returns where they are to be written, valid until the next
 * change. NULL: no memory, and the queue is as it was.
 */
uint8_t *byte_queue_extend(byte_queue *q, size_t count);

/* Adds a copy of count bytes, which may be 0. False: no memory, and the queue is as it was. */
bool byte_queue_append(byte_queue *q, const uint8_t *bytes, size_t count);

/* How many bytes are queued. */
size_t byte_queue_size(const byte_queue *q);

/* The queued bytes, valid until the next change; NULL when there are none. */
const uint8_t *byte_queue_front(const byte_queue *q);

/* Removes count bytes, of those that are queued, from the front. */
void byte_queue_take(byte_queue *q, size_t count);

/* Empties the queue. */
void byte_queue_clear(byte_queue *q);

#endif
