/*
 * S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a tenth of the capacity; a main
 * queue for what was asked for again; and the keys lately taken out of the small one, which go
 * straight to the main one when they come back.
 */
#include <stdlib.h>

#include "eviction.h"

enum {
    MOST_COUNT = 3,
    WHERE_NOWHERE = 0,
    WHERE_SMALL,
    WHERE_MAIN,
    WHERE_GHOST,
};

typedef struct s3fifo {
    eviction_links links;
    eviction_queue small, main, ghost;
    uint32_t capacity, small_capacity;
    uint8_t *where, *count;
} s3fifo;

static void *s3fifo_open(uint32_t keys, uint32_t capacity)
{
    s3fifo *made = eviction_zeros(1, sizeof *made);
    made->links = eviction_links_new(keys);
    made->small = (eviction_queue){&made->links, EVICTION_NONE, EVICTION_NONE, 0};
    made->main = made->small;
    made->ghost = made->small;
    made->capacity = capacity;
    made->small_capacity = capacity / 10 > 0 ? capacity / 10 : 1;
    made->where = eviction_zeros(keys, 1);
    made->count = eviction_zeros(keys, 1);
    return made;
}

static eviction_queue *queue_of(s3fifo *of, uint8_t where)
{
    if (where == WHERE_SMALL)
        return &of->small;
    return where == WHERE_MAIN ? &of->main : &of->ghost;
}

static void move_to(s3fifo *of, uint32_t key, uint8_t where)
{
    if (of->where[key] != WHERE_NOWHERE)
        eviction_unlink(queue_of(of, of->where[key]), key);
    of->where[key] = where;
    if (where != WHERE_NOWHERE)
        eviction_push(queue_of(of, where), key);
}

static void evict_main(s3fifo *of)
{
    while (of->count[of->main.oldest] > 0) {
        const uint32_t key = of->main.oldest;
        of->count[key]--;
        move_to(of, key, WHERE_MAIN);
    }
    move_to(of, of->main.oldest, WHERE_NOWHERE);
}

/* Takes one key out of the small queue, to the main one if it was asked for again. */
static void evict_small(s3fifo *of)
{
    const uint32_t key = of->small.oldest;
    if (of->count[key] > 1) {
        of->count[key] = 0;
        move_to(of, key, WHERE_MAIN);
        return;
    }
    move_to(of, key, WHERE_GHOST);
    if (of->ghost.count > of->capacity - of->small_capacity)
        move_to(of, of->ghost.oldest, WHERE_NOWHERE);
}

static bool s3fifo_access(void *state, uint32_t key)
{
    s3fifo *of = state;
    if (of->where[key] == WHERE_SMALL || of->where[key] == WHERE_MAIN) {
        if (of->count[key] < MOST_COUNT)
            of->count[key]++;
        return true;
    }
    const bool known = of->where[key] == WHERE_GHOST;
    while (of->small.count + of->main.count >= of->capacity)
        if (of->small.count >= of->small_capacity || of->main.count == 0)
            evict_small(of);
        else
            evict_main(of);
    of->count[key] = 0;
    move_to(of, key, known ? WHERE_MAIN : WHERE_SMALL);
    return false;
}

static void s3fifo_close(void *state)
{
    s3fifo *of = state;
    eviction_links_free(&of->links);
    free(of->where);
    free(of->count);
    free(of);
}

const eviction_policy eviction_s3fifo = {"S3-FIFO", s3fifo_open, s3fifo_access, s3fifo_close};
