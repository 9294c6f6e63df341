#include "byte_queue.h"

#include <assert.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

/*
 * Makes room for count more bytes. Bytes move to the front of their block only while they fill at
 * most half of it, and to a block of twice the size otherwise: a constant cost for each byte.
 */
static bool make_room(byte_queue *q, size_t count)
{
    const size_t size = byte_queue_size(q);
    if (count > SIZE_MAX / 2 - size)
        return false;
    if (size + count <= q->capacity / 2) {
        memmove(q->block, q->block + q->head, size);
        q->head = 0;
        q->tail = size;
        return true;
    }
    size_t capacity = q->capacity > 0 ? 2 * q->capacity : FIRST_CAPACITY;
    if (capacity < size + count)
        capacity = size + count;
    uint8_t *block = spares_take(q->spares, capacity);
    if (!block)
        return false;
    if (size > 0)
        memcpy(block, q->block + q->head, size);
    spares_give(q->spares, q->block);
    *q = (byte_queue){.block = block, .tail = size, .capacity = capacity, .spares = q->spares};
    return true;
}

uint8_t *byte_queue_reserve(byte_queue *q, size_t count)
{
    if (count > q->capacity - q->tail && !make_room(q, count))
        return NULL;
    return q->block + q->tail;
}

uint8_t *byte_queue_extend(byte_queue *q, size_t count)
{
    uint8_t *room = byte_queue_reserve(q, count);
    if (room)
        q->tail += count;
    return room;
}

bool byte_queue_append(byte_queue *q, const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return true;
    uint8_t *room = byte_queue_extend(q, count);
    if (!room)
        return false;
    memcpy(room, bytes, count);
    return true;
}

size_t byte_queue_size(const byte_queue *q)
{
    return q->tail - q->head;
}

const uint8_t *byte_queue_front(const byte_queue *q)
{
    return q->block ? q->block + q->head : NULL;
}

void byte_queue_take(byte_queue *q, size_t count)
{
    assert(count <= byte_queue_size(q));
    q->head += count;
    if (q->head == q->tail)
        byte_queue_clear(q);
}

void byte_queue_clear(byte_queue *q)
{
    spares_give(q->spares, q->block);
    *q = (byte_queue){.spares = q->spares};
}
