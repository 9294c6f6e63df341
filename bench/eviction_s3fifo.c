/*
 * S3-FIFO as the server has it (server/eviction.h).
 */
#include <stdlib.h>

#include "eviction.h"
#include "policy.h"

typedef struct s3fifo {
    eviction eviction;
    uint32_t capacity;
    eviction_entry *entries; /* [keys] */
    bool *held;              /* [keys] */
} s3fifo;

static void *s3fifo_open(uint32_t keys, uint32_t capacity)
{
    s3fifo *made = eviction_zeros(1, sizeof *made);
    eviction_init(&made->eviction);
    made->capacity = capacity;
    made->entries = eviction_zeros(keys, sizeof *made->entries);
    made->held = eviction_zeros(keys, sizeof *made->held);
    return made;
}

static bool s3fifo_access(void *state, uint32_t key)
{
    s3fifo *of = state;
    if (of->held[key]) {
        eviction_use(&of->entries[key]);
        return true;
    }
    eviction_add(&of->eviction, &of->entries[key], key, 1);
    of->held[key] = true;
    while (eviction_bytes(&of->eviction) > of->capacity)
        of->held[eviction_evict(&of->eviction)->id] = false;
    return false;
}

static void s3fifo_close(void *state)
{
    s3fifo *of = state;
    eviction_clear(&of->eviction);
    free(of->entries);
    free(of->held);
    free(of);
}

const eviction_policy eviction_s3fifo = {"S3-FIFO", s3fifo_open, s3fifo_access, s3fifo_close};
