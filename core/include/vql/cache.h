/*
 * A user's cache: the whole history as sums per codeword (vql.md §6).
 *
 *   group 0                  group 1
 *   code  count  row         code  count  row
 *     3     17   ───┐          0      9   ...
 *    41      2   ...│         17      1   ...
 *                   └──> [S₀ n₀ S₁ n₁ … ]        for each kernel r = 0 … R-1
 *                            S_r[a]  D_g floats   Σ exp(-λ_r (base_r - t_l)) v_l
 *                            n_r[a]  1 float      Σ exp(-λ_r (base_r - t_l))
 *
 * Only codewords in use have a row; rows lie sorted by (group, code). Each kernel has a base time
 * of its own, which moves forward, rescaling the kernel's sums, when events have got further ahead
 * of it than a fixed number of decay lengths: an append touches G rows, not all of them, and no sum
 * grows beyond what a float holds. A cache of more than a few hundred events keeps beside every sum
 * the remainder that a float has no room for, so that a million events add up as well as ten.
 * Times are milliseconds since the Unix epoch, at least 0.
 *
 * A cache belongs to one thread at a time. Functions that fail leave it as it was.
 */
#ifndef VQL_CACHE_H
#define VQL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/catalog.h"
#include "vql/error.h"

/* The most events in one cache: a codeword's count fits 32 bits. */
#define VQL_CACHE_MAX_EVENTS UINT32_MAX

typedef struct vql_cache vql_cache;

/* An event: row < I and event_type < A index the catalog; time_ms >= 0. */
typedef struct vql_cache_event {
    int64_t time_ms;
    uint32_t row;
    uint32_t event_type;
} vql_cache_event;

/*
 * An empty cache for the catalog's model; the catalog must outlive it. allocator: NULL for
 * vql_allocator_default(). Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code vql_cache_new(const vql_catalog *catalog, const vql_allocator *allocator, vql_cache **out);

/* Releases a cache; NULL is allowed. */
void vql_cache_free(vql_cache *cache);

/* A copy, with the same allocator. Returns VQL_OK or VQL_NO_MEMORY. */
vql_code vql_cache_clone(const vql_cache *cache, vql_cache **out);

/*
 * Appends events in any order of time; a late event is exact. All or none: VQL_NO_MEMORY, and
 * VQL_VALUE when the cache would hold more than VQL_CACHE_MAX_EVENTS, leave it as it was.
 * O(count · R · D), plus, once a call, moving the rows behind new codewords.
 */
vql_code vql_cache_append(vql_cache *cache, const vql_cache_event *events, size_t count);

/*
 * Takes an event out that was appended before: exact up to rounding, and exactly so when it was the
 * codeword's last. The reference time stays. Returns VQL_OK, or VQL_VALUE when the cache can hold
 * no such event: one of its codewords is not in use, or its time is beyond every event's.
 */
vql_code vql_cache_remove(vql_cache *cache, const vql_cache_event *event);

/*
 * Adds all of other's events to cache. Both must come from one catalog, and other is not cache.
 * Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE for more than VQL_CACHE_MAX_EVENTS together.
 */
vql_code vql_cache_merge(vql_cache *cache, const vql_cache *other);

/* How many events are in the cache. */
uint64_t vql_cache_events(const vql_cache *cache);

/* The reference time t_ref: that of the latest event ever appended; 0 when there was none. */
int64_t vql_cache_reference_ms(const vql_cache *cache);

/* How many codewords of group g < G are in use. */
uint32_t vql_cache_occupied(const vql_cache *cache, uint32_t group);

/* Bytes that the cache holds. */
size_t vql_cache_bytes(const vql_cache *cache);

/*
 * Serialized form, little-endian: "VQLC", version, the model's fingerprint, shape, then the state.
 * size() is the bytes that serialize() writes to out.
 */
size_t vql_cache_serialized_size(const vql_cache *cache);
void vql_cache_serialize(const vql_cache *cache, uint8_t *out);

/*
 * The inverse. Every length, code and number is checked before it is used. error may be NULL; it
 * names the field, the value and the limit. Returns VQL_OK, VQL_NO_MEMORY, VQL_FORMAT, VQL_VERSION,
 * VQL_VALUE, or VQL_MISMATCH when the bytes were made with another model.
 */
vql_code vql_cache_parse(const vql_catalog *catalog, const void *bytes, size_t count,
                         const vql_allocator *allocator, vql_cache **out, vql_error *error);

#endif
