/*
 * Eviction policies of equal-sized entries, to compare their hit rates: each knows keys only.
 */
#ifndef VQL_BENCH_POLICY_H
#define VQL_BENCH_POLICY_H

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

extern const eviction_policy eviction_lru, eviction_clockpro, eviction_sieve, eviction_s3fifo,
    eviction_tinylfu;

/* A queue of keys, each at most once in all queues that share links. */
typedef struct key_links {
    uint32_t *older, *newer; /* [keys] */
} key_links;

typedef struct key_queue {
    key_links *links;
    uint32_t newest, oldest, count;
} key_queue;

key_links key_links_new(uint32_t keys);
void key_links_free(key_links *links);
void key_queue_push(key_queue *queue, uint32_t key);
void key_queue_unlink(key_queue *queue, uint32_t key);

/* Zeros, or the end of the program. */
void *eviction_zeros(size_t count, size_t bytes);

#endif
