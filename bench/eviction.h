/*
 * Eviction policies of equal-sized entries, to compare their hit rates: each knows keys only.
 */
#ifndef VQL_BENCH_EVICTION_H
#define VQL_BENCH_EVICTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVICTION_NONE = UINT32_MAX, /* no key, no place */
};

/* Keys are below `keys`; at most `capacity` of them are held. */
typedef struct eviction_policy {
    const char *name;
    void *(*open)(uint32_t keys, uint32_t capacity);
    bool (*access)(void *state,
                   uint32_t key); /* whether it was held; it is, or may be, afterwards */
    void (*close)(void *state);
} eviction_policy;

extern const eviction_policy eviction_lru, eviction_sieve, eviction_s3fifo, eviction_tinylfu;

/* A queue of keys, each at most once in all queues that share links. */
typedef struct eviction_links {
    uint32_t *older, *newer; /* [keys] */
} eviction_links;

typedef struct eviction_queue {
    eviction_links *links;
    uint32_t newest, oldest, count;
} eviction_queue;

eviction_links eviction_links_new(uint32_t keys);
void eviction_links_free(eviction_links *links);
void eviction_push(eviction_queue *queue, uint32_t key);
void eviction_unlink(eviction_queue *queue, uint32_t key);

/* Zeros, or the end of the program. */
void *eviction_zeros(size_t count, size_t bytes);

#endif
