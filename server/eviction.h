/*
 * Which of many things in memory to give up when there is too much: S3-FIFO (Yang, Zhang, Qiu, Yue,
 * Vinayak: "FIFO queues are all you need for cache eviction", SOSP 2023), counted in bytes.
 *
 *   new ──> small ──> used again? ──yes──> main ──> used since? ──yes──> back to main's end
 *             │                │             ^            │
 *             │                no            │            no
 *             │                v             │            v
 *             │              ghost ──asked for again     gone
 *
 * What is new goes to a small queue, a tenth of the bytes, so that things used once leave soon;
 * what is used there again, or asked for shortly after it left, goes to the main queue. A use costs
 * one saturating count, and moves nothing. One thread.
 */
#ifndef VQL_SERVER_EVICTION_H
#define VQL_SERVER_EVICTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "id_map.h"

/* Part of what may be given up. */
typedef struct eviction_entry {
    TAILQ_ENTRY(eviction_entry) link;
    uint64_t id;
    size_t bytes;
    uint8_t uses; /* since it was last looked at, at most 3 */
    bool in_main;
} eviction_entry;

TAILQ_HEAD(eviction_queue, eviction_entry);

typedef struct eviction {
    struct eviction_queue small, main; /* the oldest first */
    size_t small_bytes, main_bytes;
    size_t main_count;

    /* Ids that left the small queue, as many as the main queue has entries: a ring. */
    uint64_t *ghosts; /* [ghost_capacity], the oldest at ghost_first */
    size_t ghost_first, ghost_count, ghost_capacity;
    id_map ghost_index; /* the values mean nothing */
} eviction;

void eviction_init(eviction *e);

/* Frees what e keeps; the entries are the caller's. */
void eviction_clear(eviction *e);

/* Adds an entry, which must stay where it is until it is removed or evicted. */
void eviction_add(eviction *e, eviction_entry *entry, uint64_t id, size_t bytes);

/* The entry was used. */
static inline void eviction_use(eviction_entry *entry)
{
    if (entry->uses < 3)
        entry->uses++;
}

/*
 * How much the entry was used lately: its use, and that it is in the main queue. An entry that is
 * added in the place of another may be given its heat.
 */
enum { EVICTION_WARM = 2, EVICTION_HOT = 5, EVICTION_MAIN = 4 };

static inline uint8_t eviction_heat(const eviction_entry *entry)
{
    return (uint8_t)(entry->uses + (entry->in_main ? EVICTION_MAIN : 0));
}

void eviction_warm(eviction *e, eviction_entry *entry, uint8_t heat);

/* The entry has another size now. */
void eviction_resize(eviction *e, eviction_entry *entry, size_t bytes);

void eviction_remove(eviction *e, eviction_entry *entry);

/* Removes an entry and returns it: the one to give up. NULL: there is none. */
eviction_entry *eviction_evict(eviction *e);

/* The bytes that e itself takes, without the entries. */
size_t eviction_own_bytes(const eviction *e);

/* The bytes of all entries. */
static inline size_t eviction_bytes(const eviction *e)
{
    return e->small_bytes + e->main_bytes;
}

#endif
