#include "eviction.h"

#include <stdlib.h>

/* The small queue's share of the bytes: 1 / SMALL_SHARE, as the paper has it. */
enum { SMALL_SHARE = 10, SMALLEST_GHOSTS = 64 };

void eviction_init(eviction *e)
{
    *e = (eviction){0};
    TAILQ_INIT(&e->small);
    TAILQ_INIT(&e->main);
}

void eviction_clear(eviction *e)
{
    free(e->ghosts);
    id_map_clear(&e->ghost_index);
    eviction_init(e);
}

size_t eviction_own_bytes(const eviction *e)
{
    return e->ghost_capacity * sizeof *e->ghosts + id_map_bytes(&e->ghost_index);
}

static void push_main(eviction *e, eviction_entry *entry)
{
    entry->in_main = true;
    TAILQ_INSERT_TAIL(&e->main, entry, link);
    e->main_bytes += entry->bytes;
    e->main_count++;
}

static void unlink_entry(eviction *e, eviction_entry *entry)
{
    if (entry->in_main) {
        TAILQ_REMOVE(&e->main, entry, link);
        e->main_bytes -= entry->bytes;
        e->main_count--;
    } else {
        TAILQ_REMOVE(&e->small, entry, link);
        e->small_bytes -= entry->bytes;
    }
}

static void forget_oldest_ghost(eviction *e)
{
    (void)id_map_remove(&e->ghost_index, e->ghosts[e->ghost_first]);
    e->ghost_first = (e->ghost_first + 1) % e->ghost_capacity;
    e->ghost_count--;
}

/* Makes the ring twice as large. False: no memory. */
static bool grow_ghosts(eviction *e)
{
    const size_t capacity = e->ghost_capacity == 0 ? SMALLEST_GHOSTS : e->ghost_capacity * 2;
    uint64_t *ghosts = malloc(capacity * sizeof *ghosts);
    if (!ghosts)
        return false;
    for (size_t i = 0; i < e->ghost_count; i++)
        ghosts[i] = e->ghosts[(e->ghost_first + i) % e->ghost_capacity];
    free(e->ghosts);
    e->ghosts = ghosts;
    e->ghost_first = 0;
    e->ghost_capacity = capacity;
    return true;
}

/* Remembers an id that left the small queue; without memory for it, it is forgotten. */
static void add_ghost(eviction *e, uint64_t id)
{
    const size_t most = e->main_count > SMALLEST_GHOSTS ? e->main_count : SMALLEST_GHOSTS;
    while (e->ghost_count >= most)
        forget_oldest_ghost(e);
    if (id_map_get(&e->ghost_index, id) || !id_map_reserve(&e->ghost_index, 1) ||
        (e->ghost_count == e->ghost_capacity && !grow_ghosts(e)))
        return;
    e->ghosts[(e->ghost_first + e->ghost_count) % e->ghost_capacity] = id;
    e->ghost_count++;
    id_map_put(&e->ghost_index, id, e);
}

void eviction_add(eviction *e, eviction_entry *entry, uint64_t id, size_t bytes)
{
    *entry = (eviction_entry){.id = id, .bytes = bytes};
    if (id_map_get(&e->ghost_index, id)) {
        push_main(e, entry);
        return;
    }
    TAILQ_INSERT_TAIL(&e->small, entry, link);
    e->small_bytes += bytes;
}

void eviction_warm(eviction *e, eviction_entry *entry, uint8_t heat)
{
    const uint8_t uses = heat % EVICTION_MAIN;
    if (heat >= EVICTION_MAIN && !entry->in_main) {
        unlink_entry(e, entry);
        push_main(e, entry);
    }
    if (entry->uses < uses)
        entry->uses = uses;
}

void eviction_resize(eviction *e, eviction_entry *entry, size_t bytes)
{
    size_t *sum = entry->in_main ? &e->main_bytes : &e->small_bytes;
    *sum += bytes - entry->bytes;
    entry->bytes = bytes;
}

void eviction_remove(eviction *e, eviction_entry *entry)
{
    unlink_entry(e, entry);
}

/* Moves what was used again to the main queue. NULL: all of it was. */
static eviction_entry *evict_small(eviction *e)
{
    for (;;) {
        eviction_entry *oldest = TAILQ_FIRST(&e->small);
        if (!oldest)
            return NULL;
        unlink_entry(e, oldest);
        if (oldest->uses <= 1) {
            add_ghost(e, oldest->id);
            return oldest;
        }
        oldest->uses = 0;
        push_main(e, oldest);
    }
}

static eviction_entry *evict_main(eviction *e)
{
    for (;;) {
        eviction_entry *oldest = TAILQ_FIRST(&e->main);
        if (!oldest)
            return NULL;
        unlink_entry(e, oldest);
        if (oldest->uses == 0)
            return oldest;
        oldest->uses--;
        push_main(e, oldest);
    }
}

eviction_entry *eviction_evict(eviction *e)
{
    eviction_entry *victim = NULL;
    if (e->small_bytes >= eviction_bytes(e) / SMALL_SHARE)
        victim = evict_small(e);
    if (!victim)
        victim = evict_main(e);
    return victim ? victim : evict_small(e);
}
