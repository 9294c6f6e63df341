/*
 * W-TinyLFU (Einziger, Friedman and Manes, 2017): a window of the latest, a hundredth of the
 * capacity; behind it a segmented queue, which a key from the window enters only if a sketch of how
 * often keys were asked for, halved now and then, has it before the queue's oldest.
 */
#include <stdlib.h>

#include "policy.h"

enum {
    SKETCH_ROWS = 4,
    SKETCH_MOST = 15,
    SAMPLE_FACTOR = 10, /* accesses between two halvings, by capacity */
    WHERE_NOWHERE = 0,
    WHERE_WINDOW,
    WHERE_PROBATION,
    WHERE_PROTECTED,
};

typedef struct tinylfu {
    key_links links;
    key_queue queues[WHERE_PROTECTED + 1];
    uint32_t window_capacity, protected_capacity, main_capacity;
    uint32_t accesses, sample, mask;
    uint8_t *where;
    uint8_t *sketch; /* [SKETCH_ROWS, mask + 1] */
} tinylfu;

static void *tinylfu_open(uint32_t keys, uint32_t capacity)
{
    tinylfu *made = eviction_zeros(1, sizeof *made);
    made->links = key_links_new(keys);
    for (int q = 0; q <= WHERE_PROTECTED; q++)
        made->queues[q] = (key_queue){&made->links, EVICTION_NONE, EVICTION_NONE, 0};
    made->window_capacity = capacity / 100 > 0 ? capacity / 100 : 1;
    made->main_capacity = capacity - made->window_capacity;
    made->protected_capacity = made->main_capacity / 5 * 4;
    made->sample = SAMPLE_FACTOR * capacity;
    made->mask = 1;
    while (made->mask < capacity)
        made->mask = made->mask * 2 + 1;
    made->where = eviction_zeros(keys, 1);
    made->sketch = eviction_zeros((size_t)SKETCH_ROWS * (made->mask + 1), 1);
    return made;
}

static uint8_t *sketch_place(tinylfu *of, uint32_t key, uint32_t row)
{
    uint64_t z = ((uint64_t)key + 1) * UINT64_C(0x9e3779b97f4a7c15) + row;
    z = (z ^ z >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return of->sketch + (size_t)row * (of->mask + 1) + (size_t)(z >> 20 & of->mask);
}

static uint32_t frequency(tinylfu *of, uint32_t key)
{
    uint32_t least = SKETCH_MOST;
    for (uint32_t row = 0; row < SKETCH_ROWS; row++) {
        const uint32_t count = *sketch_place(of, key, row);
        least = count < least ? count : least;
    }
    return least;
}

static void note(tinylfu *of, uint32_t key)
{
    for (uint32_t row = 0; row < SKETCH_ROWS; row++) {
        uint8_t *count = sketch_place(of, key, row);
        *count = (uint8_t)(*count + (*count < SKETCH_MOST ? 1 : 0));
    }
    if (++of->accesses < of->sample)
        return;
    of->accesses = 0;
    for (size_t i = 0; i < (size_t)SKETCH_ROWS * (of->mask + 1); i++)
        of->sketch[i] /= 2;
}

static void move_to(tinylfu *of, uint32_t key, uint8_t where)
{
    if (of->where[key] != WHERE_NOWHERE)
        key_queue_unlink(&of->queues[of->where[key]], key);
    of->where[key] = where;
    if (where != WHERE_NOWHERE)
        key_queue_push(&of->queues[where], key);
}

/* Lets the window's oldest into the main queue, or drops it, whichever is asked for more. */
static void admit(tinylfu *of)
{
    const uint32_t candidate = of->queues[WHERE_WINDOW].oldest;
    key_queue *probation = &of->queues[WHERE_PROBATION];
    if (probation->count + of->queues[WHERE_PROTECTED].count >= of->main_capacity) {
        const uint32_t victim =
            probation->count > 0 ? probation->oldest : of->queues[WHERE_PROTECTED].oldest;
        if (frequency(of, candidate) <= frequency(of, victim)) {
            move_to(of, candidate, WHERE_NOWHERE);
            return;
        }
        move_to(of, victim, WHERE_NOWHERE);
    }
    move_to(of, candidate, WHERE_PROBATION);
}

static bool tinylfu_access(void *state, uint32_t key)
{
    tinylfu *of = state;
    note(of, key);
    switch (of->where[key]) {
    case WHERE_WINDOW:
        move_to(of, key, WHERE_WINDOW);
        return true;
    case WHERE_PROBATION:
    case WHERE_PROTECTED:
        move_to(of, key, WHERE_PROTECTED);
        if (of->queues[WHERE_PROTECTED].count > of->protected_capacity)
            move_to(of, of->queues[WHERE_PROTECTED].oldest, WHERE_PROBATION);
        return true;
    default:
        move_to(of, key, WHERE_WINDOW);
        if (of->queues[WHERE_WINDOW].count > of->window_capacity)
            admit(of);
        return false;
    }
}

static void tinylfu_close(void *state)
{
    tinylfu *of = state;
    key_links_free(&of->links);
    free(of->where);
    free(of->sketch);
    free(of);
}

const eviction_policy eviction_tinylfu = {"W-TinyLFU", tinylfu_open, tinylfu_access, tinylfu_close};
