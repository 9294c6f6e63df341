#include "assembler.h"

#include <stdlib.h>
#include <string.h>

void assembler_init(assembler *a, size_t max_message_bytes)
{
    *a = (assembler){.max_message_bytes = max_message_bytes};
}

void assembler_free(assembler *a)
{
    free(a->message);
    a->message = NULL;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Makes room for the message that the prefix announces. */
static assembler_state begin_message(assembler *a)
{
    const uint8_t *p = a->prefix;
    a->length = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    a->filled = 0;
    if (p[0] != 0)
        return ASSEMBLER_COMPRESSED;
    if (a->length > a->max_message_bytes)
        return ASSEMBLER_TOO_LARGE;
    if (a->length > a->capacity || a->message == NULL) {
        const size_t capacity = a->length > 0 ? a->length : 1;
        uint8_t *message = realloc(a->message, capacity);
        if (message == NULL)
            return ASSEMBLER_NO_MEMORY;
        a->message = message;
        a->capacity = capacity;
    }
    return ASSEMBLER_WAITING;
}

/* Copies what there is of `wanted` bytes to out and returns how many that was. */
static size_t take(uint8_t *out, size_t wanted, const uint8_t **bytes, size_t *count)
{
    const size_t taken = min_size(wanted, *count);
    if (taken > 0) {
        memcpy(out, *bytes, taken);
        *bytes += taken;
        *count -= taken;
    }
    return taken;
}

assembler_state assembler_take(assembler *a, const uint8_t **bytes, size_t *count)
{
    if (a->prefix_bytes < MESSAGE_PREFIX_BYTES) {
        const size_t missing = MESSAGE_PREFIX_BYTES - a->prefix_bytes;
        a->prefix_bytes += take(a->prefix + a->prefix_bytes, missing, bytes, count);
        if (a->prefix_bytes < MESSAGE_PREFIX_BYTES)
            return ASSEMBLER_WAITING;
        const assembler_state state = begin_message(a);
        if (state != ASSEMBLER_WAITING)
            return state;
    }
    a->filled += take(a->message + a->filled, a->length - a->filled, bytes, count);
    if (a->filled < a->length)
        return ASSEMBLER_WAITING;
    a->prefix_bytes = 0;
    return ASSEMBLER_MESSAGE;
}

bool assembler_partial(const assembler *a)
{
    return a->prefix_bytes > 0;
}
