/*
 * SIEVE (Zhang et al., NSDI 2024): a queue in the order of arrival and a hand that goes from old to
 * new, clears the mark of what was visited and takes out the first that was not.
 */
#include <stdlib.h>

#include "policy.h"

typedef struct sieve {
    key_links links;
    key_queue queue;
    uint32_t capacity, hand;
    bool *held, *visited;
} sieve;

static void *sieve_open(uint32_t keys, uint32_t capacity)
{
    sieve *made = eviction_zeros(1, sizeof *made);
    made->links = key_links_new(keys);
    made->queue = (key_queue){&made->links, EVICTION_NONE, EVICTION_NONE, 0};
    made->capacity = capacity;
    made->hand = EVICTION_NONE;
    made->held = eviction_zeros(keys, sizeof *made->held);
    made->visited = eviction_zeros(keys, sizeof *made->visited);
    return made;
}

static void sieve_evict(sieve *of)
{
    uint32_t at = of->hand != EVICTION_NONE ? of->hand : of->queue.oldest;
    while (of->visited[at]) {
        of->visited[at] = false;
        at = of->links.newer[at];
        at = at != EVICTION_NONE ? at : of->queue.oldest;
    }
    of->hand = of->links.newer[at];
    key_queue_unlink(&of->queue, at);
    of->held[at] = false;
}

static bool sieve_access(void *state, uint32_t key)
{
    sieve *of = state;
    if (of->held[key]) {
        of->visited[key] = true;
        return true;
    }
    if (of->queue.count == of->capacity)
        sieve_evict(of);
    of->held[key] = true;
    of->visited[key] = false;
    key_queue_push(&of->queue, key);
    return false;
}

static void sieve_close(void *state)
{
    sieve *of = state;
    key_links_free(&of->links);
    free(of->held);
    free(of->visited);
    free(of);
}

const eviction_policy eviction_sieve = {"SIEVE", sieve_open, sieve_access, sieve_close};
