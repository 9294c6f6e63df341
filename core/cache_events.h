/*
 * Events of a cache as they came, packed: no sum loses anything to them, and a short history is
 * smaller so than as sums.
 *
 *   event  item code, `item_bytes`: row · A + event type · time - base_ms, `time_bytes`
 *
 * The base and the number of bytes follow the times that are there.
 */
#ifndef VQL_CORE_CACHE_EVENTS_H
#define VQL_CORE_CACHE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vql/cache.h"

typedef struct vql_cache_events_list {
    uint8_t *bytes; /* NULL for a capacity of 0 */
    int64_t base_ms;
    uint32_t count;
    uint32_t capacity_bytes;
    uint32_t event_types; /* A */
    uint8_t item_bytes;   /* 1 … 6 */
    uint8_t time_bytes;   /* 1 … 8 */
} vql_cache_events_list;

/* An empty list for events of so many rows and types. */
void vql_events_init(vql_cache_events_list *list, uint32_t rows, uint32_t event_types);

void vql_events_release(vql_cache_events_list *list, const vql_allocator *allocator);

/* Bytes that one packed event takes. */
static inline uint32_t vql_events_stride(const vql_cache_events_list *list)
{
    return (uint32_t)list->item_bytes + list->time_bytes;
}

/* Bytes that the list would hold after `count` more events with times from first_ms to last_ms. */
size_t vql_events_bytes_with(const vql_cache_events_list *list, size_t count, int64_t first_ms,
                             int64_t last_ms);

/* Makes room for them, after which pushing them cannot fail. VQL_NO_MEMORY. */
vql_code vql_events_reserve(vql_cache_events_list *list, size_t count, int64_t first_ms,
                            int64_t last_ms, const vql_allocator *allocator);

/* Whether there is room for them. */
bool vql_events_fit(const vql_cache_events_list *list, size_t count, int64_t first_ms,
                    int64_t last_ms);

/* Fetches the place where the next event goes. */
static inline void vql_events_prefetch(const vql_cache_events_list *list)
{
    if (list->bytes != NULL)
        __builtin_prefetch(list->bytes + (size_t)list->count * vql_events_stride(list), 1);
}

/* Appends an event that there is room for. */
void vql_events_push(vql_cache_events_list *list, const vql_cache_event *event);

/* Releases the room of an empty list if it is for many more events than a tail's. */
void vql_events_trim(vql_cache_events_list *list, const vql_allocator *allocator);

/* The event at an index < count. */
vql_cache_event vql_events_get(const vql_cache_events_list *list, uint32_t index);

/* The latest time in the list; 0 for an empty one. */
int64_t vql_events_latest(const vql_cache_events_list *list);

/* Takes out one event like this one; false when there is none. */
bool vql_events_remove(vql_cache_events_list *list, const vql_cache_event *event);

/*
 * The index of the first event that a list read from outside may not hold: an item code beyond so
 * many rows, a time beyond last_ms. count when all are good.
 */
uint32_t vql_events_check(const vql_cache_events_list *list, uint32_t rows, int64_t last_ms);

/* Makes *to, an empty list of the same shape, a copy without spare room. VQL_NO_MEMORY. */
vql_code vql_events_copy(vql_cache_events_list *to, const vql_cache_events_list *from,
                         const vql_allocator *allocator);

#endif
