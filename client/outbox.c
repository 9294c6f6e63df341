#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "assembler.h"

void outbox_free(outbox *o)
{
    free(o->bytes);
    *o = (outbox){0};
}

size_t outbox_bytes(const outbox *o)
{
    return o->end - o->begin;
}

/* Makes room for `count` more bytes behind those that wait. */
static bool reserve(outbox *o, size_t count)
{
    const size_t waiting = outbox_bytes(o);
    if (o->capacity - o->end >= count)
        return true;
    if (o->capacity - waiting >= count && o->begin >= waiting) {
        memcpy(o->bytes, o->bytes + o->begin, waiting);
    } else {
        if (count > SIZE_MAX - waiting)
            return false;
        const size_t needed = waiting + count;
        const size_t doubled = o->capacity <= SIZE_MAX / 2 ? 2 * o->capacity : SIZE_MAX;
        const size_t capacity = needed > doubled ? needed : doubled;
        uint8_t *bytes = malloc(capacity);
        if (bytes == NULL)
            return false;
        if (waiting > 0)
            memcpy(bytes, o->bytes + o->begin, waiting);
        free(o->bytes);
        o->bytes = bytes;
        o->capacity = capacity;
    }
    o->begin = 0;
    o->end = waiting;
    return true;
}

bool outbox_put(outbox *o, const uint8_t *message, size_t count)
{
    if (count > UINT32_MAX || !reserve(o, MESSAGE_PREFIX_BYTES + count))
        return false;
    const uint8_t prefix[MESSAGE_PREFIX_BYTES] = {
        0, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count,
    };
    memcpy(o->bytes + o->end, prefix, sizeof prefix);
    o->end += sizeof prefix;
    if (count > 0) {
        memcpy(o->bytes + o->end, message, count);
        o->end += count;
    }
    return true;
}

size_t outbox_take(outbox *o, uint8_t *out, size_t capacity)
{
    const size_t waiting = outbox_bytes(o);
    const size_t taken = waiting < capacity ? waiting : capacity;
    if (taken > 0) {
        memcpy(out, o->bytes + o->begin, taken);
        o->begin += taken;
    }
    return taken;
}
