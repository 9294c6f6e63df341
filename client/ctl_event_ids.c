#include "ctl_event_ids.h"

#include <stddef.h>
#include <stdlib.h>

#define INITIAL_SLOTS 1024

/* How often the event that mixes to `key` has come; empty unless run is the current one. */
typedef struct slot {
    uint64_t key;
    uint32_t run;
    uint32_t count;
} slot;

/* An open-addressing table, at most half full, that a new run empties by its number alone. */
struct event_ids {
    slot *slots;
    size_t slot_count; /* a power of two */
    size_t used;       /* by the current run */
    uint64_t user_id;
    uint32_t run; /* from 1; 0 before the first event */
};

uint64_t mix64(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

event_ids *event_ids_new(void)
{
    event_ids *ids = calloc(1, sizeof *ids);
    if (ids == NULL)
        return NULL;
    ids->slots = calloc(INITIAL_SLOTS, sizeof *ids->slots);
    if (ids->slots == NULL) {
        free(ids);
        return NULL;
    }
    ids->slot_count = INITIAL_SLOTS;
    return ids;
}

void event_ids_free(event_ids *ids)
{
    free(ids->slots);
    free(ids);
}

/* The slot of a key in the current run: its own, or the empty one where it belongs. */
static slot *find(slot *slots, size_t slot_count, uint32_t run, uint64_t key)
{
    size_t i = (size_t)key & (slot_count - 1);
    while (slots[i].run == run && slots[i].key != key)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static bool grow(event_ids *ids)
{
    const size_t slot_count = 2 * ids->slot_count;
    slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < ids->slot_count; i++)
        if (ids->slots[i].run == ids->run)
            *find(slots, slot_count, ids->run, ids->slots[i].key) = ids->slots[i];
    free(ids->slots);
    ids->slots = slots;
    ids->slot_count = slot_count;
    return true;
}

/* Begins a user's run of lines. */
static void begin_run(event_ids *ids, uint64_t user_id)
{
    ids->user_id = user_id;
    ids->used = 0;
    ids->run++;
    if (ids->run == 0) {
        for (size_t i = 0; i < ids->slot_count; i++)
            ids->slots[i].run = 0;
        ids->run = 1;
    }
}

bool event_ids_next(event_ids *ids, uint64_t user_id, uint64_t item_id, uint32_t type,
                    int64_t time_ms, uint64_t *id)
{
    if (ids->run == 0 || user_id != ids->user_id)
        begin_run(ids, user_id);
    if (2 * (ids->used + 1) > ids->slot_count && !grow(ids))
        return false;
    const uint64_t key = mix64(mix64(mix64(item_id) ^ (uint64_t)time_ms) ^ type);
    slot *s = find(ids->slots, ids->slot_count, ids->run, key);
    if (s->run != ids->run) {
        *s = (slot){.key = key, .run = ids->run};
        ids->used++;
    }
    const uint64_t mixed = mix64(key ^ s->count);
    s->count++;
    *id = mixed != 0 ? mixed : 1;
    return true;
}
