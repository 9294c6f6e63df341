#include "spares.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"

_Static_assert(SPARES_LEAST << (SPARES_SIZES - 1) == SPARES_MOST, "a list for each size");

/* What stands before the memory that is taken. */
typedef struct spare {
    alignas(max_align_t) size_t bytes; /* of the block, this header included */
    struct spare *next;                /* of those that are kept */
} spare;

/* The list of blocks of at least so many bytes; SPARES_SIZES: none is kept of them. */
static unsigned list_of(size_t bytes)
{
    unsigned list = 0;
    while (list < SPARES_SIZES && (size_t)SPARES_LEAST << list < bytes)
        list++;
    return list;
}

void *spares_take(spares *s, size_t bytes)
{
    if (!s)
        return malloc(bytes);
    if (bytes > SIZE_MAX - sizeof(spare))
        return NULL;
    const unsigned list = list_of(bytes + sizeof(spare));
    const size_t whole = list < SPARES_SIZES ? (size_t)SPARES_LEAST << list : bytes + sizeof(spare);
    spare *block = list < SPARES_SIZES ? s->kept[list] : NULL;
    if (block) {
        s->kept[list] = block->next;
        s->bytes -= whole;
        return block + 1;
    }
    block = malloc(whole);
    if (!block)
        return NULL;
    block->bytes = whole;
    return block + 1;
}

void spares_give(spares *s, void *memory)
{
    if (!s || !memory) {
        free(memory);
        return;
    }
    spare *block = (spare *)memory - 1;
    if (block->bytes > SPARES_MOST || s->bytes + block->bytes > LIMIT_KEPT_BYTES) {
        free(block);
        return;
    }
    const unsigned list = list_of(block->bytes);
    block->next = s->kept[list];
    s->kept[list] = block;
    s->bytes += block->bytes;
}

void *spares_resize(spares *s, void *memory, size_t bytes)
{
    if (!s)
        return realloc(memory, bytes);
    const size_t room = memory ? ((spare *)memory - 1)->bytes - sizeof(spare) : 0;
    if (memory && bytes <= room)
        return memory;
    void *bigger = spares_take(s, bytes);
    if (bigger && memory) {
        memcpy(bigger, memory, room);
        spares_give(s, memory);
    }
    return bigger;
}

void spares_clear(spares *s)
{
    for (unsigned list = 0; list < SPARES_SIZES; list++) {
        while (s->kept[list]) {
            spare *block = s->kept[list];
            s->kept[list] = block->next;
            free(block);
        }
    }
    s->bytes = 0;
}
