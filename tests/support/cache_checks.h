/*
 * What tests of caches compare: a cache with what it was, and with the reference.
 */
#ifndef VQL_TESTS_CACHE_CHECKS_H
#define VQL_TESTS_CACHE_CHECKS_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "catalog_fixture.h"

/* Of an attention output, whose numbers are about 1 in size. */
#define CACHE_TOLERANCE 1e-5

#define HOUR_MS  INT64_C(3600000)
#define YEAR_MS  INT64_C(31557600000)
#define START_MS INT64_C(1600000000000)

/* The default shape with decays from none to a minute's. */
static inline catalog_fixture fixture_with_decays(uint64_t seed)
{
    const model_spec spec = model_spec_default(seed);
    model_writer *writer = model_writer_new(&spec);
    float *decay = model_writer_floats(writer, "time.decay");
    decay[0] = 0.0f;
    decay[1] = 0.01f;
    decay[2] = 60.0f;
    const catalog_fixture made = fixture_from_model(model_writer_parse(writer), ANY_TABLE);
    model_writer_free(writer);
    return made;
}

/* What a cache is, byte by byte; the caller frees it. */
typedef struct snapshot {
    uint8_t *bytes;
    size_t count;
} snapshot;

static inline snapshot snapshot_of(const vql_cache *cache)
{
    snapshot made = {.count = vql_cache_serialized_size(cache)};
    made.bytes = malloc(made.count);
    ck_assert_ptr_nonnull(made.bytes);
    vql_cache_serialize(cache, made.bytes);
    return made;
}

/* Checks that a cache is still what it was, and frees the snapshot. */
static inline void check_unchanged(const vql_cache *cache, snapshot was)
{
    const snapshot is = snapshot_of(cache);
    ck_assert_uint_eq(is.count, was.count);
    ck_assert_mem_eq(is.bytes, was.bytes, is.count);
    free(is.bytes);
    free(was.bytes);
}

/* Compares a cache's attention outputs with the reference's for these events. */
static inline void check_attention(const catalog_fixture *fixture, const vql_cache *cache,
                                   const vql_cache_event *events, size_t count, int64_t time_ms)
{
    vql_scorer *scorer = scorer_of(fixture);
    vql_scorer_begin(scorer, cache, time_ms);
    for (uint32_t row = 0; row < fixture->shape->items; row++) {
        double o[VQL_MAX_WIDTH];
        double exact[VQL_MAX_WIDTH];
        scorer_attention(fixture, scorer, row, o);
        ck_assert_int_eq(vql_reference_attention(fixture->model, events, count, row, time_ms,
                                                 VQL_KEYS_QUANTIZED, exact, NULL),
                         VQL_OK);
        for (uint32_t j = 0; j < fixture->shape->width; j++) {
            ck_assert_msg(fabs(o[j] - exact[j]) <= CACHE_TOLERANCE, "row %u, o[%u]: %g, not %g",
                          row, j, o[j], exact[j]);
        }
    }
    vql_scorer_free(scorer);
}

#endif
