/*
 * A user's cache: the whole history as sums per codeword (vql.md §6), or, where that is smaller, as
 * the events themselves.
 *
 *   events   item time │ item time │ …     as they came, packed: a short history, and the latest
 *                                          events of a long one
 *   items    item  count  [n₀ n₁ … ]       for each item and event type in the history
 *   rows     group code  count  row        for each codeword in use
 *              0     3     17   ───> [S₀ n₀ S₁ n₁ … ]       for each kernel r = 0 … R-1
 *              0    41      2   ...      S_r  D_g numbers   Σ exp(-λ_r (base_r - t_l)) v_l
 *              1     0      9   ...      n_r  1 number      Σ exp(-λ_r (base_r - t_l))
 *
 * A new cache holds events. When items or rows would take fewer bytes, or at
 * VQL_CACHE_MOST_EVENTS_KEPT events, it folds them into the smaller of the two; items become rows
 * when rows would take fewer bytes, or at VQL_CACHE_MOST_ITEMS. Beside items or rows a cache
 * collects up to VQL_CACHE_TAIL_EVENTS events, which it folds together. Events and items are as
 * good as exact; rows are as good as their format. Each kernel has a base time of its own, which
 * moves forward when events have got further ahead of it than a fixed number of decay lengths, so
 * that no sum grows beyond what its format holds. Times are milliseconds since the Unix epoch, at
 * least 0.
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

enum {
    VQL_CACHE_MOST_EVENTS_KEPT = 1024, /* as events, alone: bounds the fold */
    VQL_CACHE_TAIL_EVENTS = 128,       /* as events, beside items or rows */
    VQL_CACHE_MOST_ITEMS = 4096,       /* bounds the fold */
};

/* What the sums of a row are kept in; core/cache_codec.h has the bytes. */
typedef enum vql_cache_format {
    VQL_CACHE_FP32,  /* floats with remainders: 33 bits */
    VQL_CACHE_BF16,  /* the upper halves of floats */
    VQL_CACHE_INT16, /* 16-bit integers and an exponent for each kernel of a row */
    VQL_CACHE_INT8,  /* 8-bit integers likewise */
} vql_cache_format;

enum {
    VQL_CACHE_FORMATS = VQL_CACHE_INT8 + 1,
};

/* How a cache is kept. */
typedef struct vql_cache_options {
    vql_cache_format format;
    uint64_t seed; /* of the rounding to fewer bits: one a user, so that errors do not add up */
} vql_cache_options;

/* What a cache is made of at the moment. */
typedef enum vql_cache_form {
    VQL_FORM_EVENTS, /* events alone */
    VQL_FORM_ITEMS,  /* items, and up to VQL_CACHE_TAIL_EVENTS events */
    VQL_FORM_ROWS,   /* rows, and up to VQL_CACHE_TAIL_EVENTS events */
} vql_cache_form;

typedef struct vql_cache vql_cache;

/* An event: row < I and event_type < A index the catalog; time_ms >= 0. */
typedef struct vql_cache_event {
    int64_t time_ms;
    uint32_t row;
    uint32_t event_type;
} vql_cache_event;

/*
 * An empty cache for the catalog's model, in the default format VQL_CACHE_INT8; the catalog must
 * outlive it. allocator: NULL for vql_allocator_default(). Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code vql_cache_new(const vql_catalog *catalog, const vql_allocator *allocator, vql_cache **out);

/* The same with options. */
vql_code vql_cache_new_with(const vql_catalog *catalog, const vql_cache_options *options,
                            const vql_allocator *allocator, vql_cache **out);

/* Releases a cache; NULL is allowed. */
void vql_cache_free(vql_cache *cache);

/* A copy, with the same allocator. Returns VQL_OK or VQL_NO_MEMORY. */
vql_code vql_cache_clone(const vql_cache *cache, vql_cache **out);

/*
 * Appends events in any order of time; a late event is exact. All or none: VQL_NO_MEMORY, and
 * VQL_VALUE when the cache would hold more than VQL_CACHE_MAX_EVENTS, leave it as it was.
 * O(count · R · D), plus, whenever events are folded, moving the rows behind new codewords.
 */
vql_code vql_cache_append(vql_cache *cache, const vql_cache_event *events, size_t count);

/*
 * Appends events[i] to caches[i], i = 0 … count-1, fetching ahead what the next caches will need:
 * for events of many users. A cache may appear more than once. Returns how many were appended:
 * count, or the index of the first that was not, with *code (may be NULL) saying why.
 */
size_t vql_cache_append_each(vql_cache *const *caches, const vql_cache_event *events, size_t count,
                             vql_code *code);

/*
 * Takes an event out that was appended before: exactly when it is still kept as an event or was its
 * codeword's last, otherwise up to the rounding of the format. The reference time stays. Returns
 * VQL_OK, or VQL_VALUE when the cache can hold no such event: it is not among the events kept, and
 * what is folded has no such item or codewords, or its time is beyond every event's.
 */
vql_code vql_cache_remove(vql_cache *cache, const vql_cache_event *event);

/*
 * Adds all of other's events to cache, which keeps its format. Both must come from one catalog, and
 * other is not cache.
 * Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE for more than VQL_CACHE_MAX_EVENTS together.
 */
vql_code vql_cache_merge(vql_cache *cache, const vql_cache *other);

/* How many events are in the cache. */
uint64_t vql_cache_events(const vql_cache *cache);

/* The reference time t_ref: that of the latest event ever appended; 0 when there was none. */
int64_t vql_cache_reference_ms(const vql_cache *cache);

/* What the cache is made of, and the format of its rows, whether it has any or not. */
vql_cache_form vql_cache_form_of(const vql_cache *cache);
vql_cache_format vql_cache_format_of(const vql_cache *cache);

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
