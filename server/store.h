/*
 * A store: the truth of users' histories. The event log of a user is (sequence, item, type, time,
 * event id), sequence numbers counting from 1 without gaps; caches are made from it.
 *
 * One store serves one shard and is used by the shard's thread alone. A store is one table of
 * functions; store_memory.c is the one that keeps everything in this process.
 */
#ifndef VQL_SERVER_STORE_H
#define VQL_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "job.h"

typedef struct store store;

typedef struct store_operations {
    bool (*append)(store *s, uint64_t user_id, event *events, size_t *count, uint64_t *sequence);
    bool (*drop_applied)(store *s, uint64_t user_id, event *events, size_t *count);
    history_info (*info)(store *s, uint64_t user_id);
    size_t (*read)(store *s, uint64_t user_id, uint64_t first_sequence, event *out, size_t max);
    uint64_t (*erase)(store *s, uint64_t user_id);
    void (*close)(store *s);
} store_operations;

/* What every store begins with. */
struct store {
    const store_operations *operations;
    durability durability; /* what holds when append returns */
};

/* A store in memory; NULL: no memory. */
store *store_memory_open(void);

/*
 * Appends events to a user's history, all or none. Events whose id was applied before, or stands
 * earlier in the same array, are taken out of the array: *count becomes the number of new ones, in
 * their order. *sequence becomes the user's sequence number. False: no memory; nothing was appended
 * (the array may have been compacted).
 */
static inline bool store_append(store *s, uint64_t user_id, event *events, size_t *count,
                                uint64_t *sequence)
{
    return s->operations->append(s, user_id, events, count, sequence);
}

/*
 * Takes out of the array what store_append would take out, and appends nothing. False: no memory;
 * the array is as it was.
 */
static inline bool store_drop_applied(store *s, uint64_t user_id, event *events, size_t *count)
{
    return s->operations->drop_applied(s, user_id, events, count);
}

/* What is known of a user; zeros when there is no history. */
static inline history_info store_info(store *s, uint64_t user_id)
{
    return s->operations->info(s, user_id);
}

/*
 * Reads events from first_sequence (at least 1) on, in the order of their sequence numbers, at most
 * max; returns how many.
 */
static inline size_t store_read(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                                size_t max)
{
    return s->operations->read(s, user_id, first_sequence, out, max);
}

/* Deletes everything of a user and returns how many events there were. */
static inline uint64_t store_erase(store *s, uint64_t user_id)
{
    return s->operations->erase(s, user_id);
}

/* Frees the store. */
static inline void store_close(store *s)
{
    s->operations->close(s);
}

#endif
