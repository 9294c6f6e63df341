/*
 * Least recently used: what the others are compared with.
 */
#include <stdlib.h>

#include "policy.h"

typedef struct lru {
    key_links links;
    key_queue queue;
    uint32_t capacity;
    bool *held;
} lru;

static void *lru_open(uint32_t keys, uint32_t capacity)
{
    lru *made = eviction_zeros(1, sizeof *made);
    made->links = key_links_new(keys);
    made->queue = (key_queue){&made->links, EVICTION_NONE, EVICTION_NONE, 0};
    made->capacity = capacity;
    made->held = eviction_zeros(keys, sizeof *made->held);
    return made;
}

static bool lru_access(void *state, uint32_t key)
{
    lru *of = state;
    const bool hit = of->held[key];
    if (hit) {
        key_queue_unlink(&of->queue, key);
    } else if (of->queue.count == of->capacity) {
        const uint32_t victim = of->queue.oldest;
        key_queue_unlink(&of->queue, victim);
        of->held[victim] = false;
    }
    of->held[key] = true;
    key_queue_push(&of->queue, key);
    return hit;
}

static void lru_close(void *state)
{
    lru *of = state;
    key_links_free(&of->links);
    free(of->held);
    free(of);
}

const eviction_policy eviction_lru = {"LRU", lru_open, lru_access, lru_close};
