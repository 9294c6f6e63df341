/*
 * What tests of caches and scores stand on: a model with its catalog, and random histories.
 * Anything that goes wrong here fails the test.
 */
#ifndef VQL_TESTS_CATALOG_FIXTURE_H
#define VQL_TESTS_CATALOG_FIXTURE_H

#include <check.h>
#include <stdlib.h>

#include "file.h"
#include "model_data.h"
#include "model_writer.h"
#include "random.h"
#include "vql/cache.h"
#include "vql/catalog.h"
#include "vql/model.h"
#include "vql/reference.h"
#include "vql/scorer.h"

enum {
    NO_TABLE = 0,           /* table_bytes: none */
    ANY_TABLE = 1024 << 20, /* table_bytes: as large as the model asks for */
};

typedef struct catalog_fixture {
    vql_model *model;
    vql_catalog *catalog;
    const vql_shape *shape;
} catalog_fixture;

/* Takes the model over. */
static inline catalog_fixture fixture_from_model(vql_model *model, size_t table_bytes)
{
    catalog_fixture made = {.model = model, .shape = vql_model_shape(model)};
    vql_error error;
    ck_assert_msg(vql_catalog_build(model, table_bytes, NULL, &made.catalog, &error) == VQL_OK,
                  "%s", error.text);
    return made;
}

static inline catalog_fixture fixture_from_spec(const model_spec *spec, size_t table_bytes)
{
    model_writer *writer = model_writer_new(spec);
    const catalog_fixture made = fixture_from_model(model_writer_parse(writer), table_bytes);
    model_writer_free(writer);
    return made;
}

static inline catalog_fixture fixture_from_file(const char *path, size_t table_bytes)
{
    size_t count;
    uint8_t *bytes = file_read(path, &count);
    vql_model *model;
    vql_error error;
    ck_assert_msg(vql_model_parse(bytes, count, NULL, &model, &error) == VQL_OK, "%s: %s", path,
                  error.text);
    free(bytes);
    return fixture_from_model(model, table_bytes);
}

static inline void fixture_free(catalog_fixture *fixture)
{
    vql_catalog_free(fixture->catalog);
    vql_model_free(fixture->model);
}

/* An item id of a row: for row 0 one that the model does not list. */
static inline uint64_t item_id_of(const catalog_fixture *fixture, uint32_t row)
{
    uint64_t id = row > 0 ? fixture->model->item_ids[row] : 1;
    while (vql_catalog_row(fixture->catalog, id) != row)
        id++;
    return id;
}

/* The attention output of a row, as the scorer's begin() folded it, in float64. */
static inline void scorer_attention(const catalog_fixture *fixture, vql_scorer *scorer,
                                    uint32_t row, double *o)
{
    float narrow[VQL_MAX_WIDTH];
    vql_scorer_attention(scorer, item_id_of(fixture, row), narrow);
    for (uint32_t j = 0; j < fixture->shape->width; j++)
        o[j] = (double)narrow[j];
}

/* Random events, times uniform in [first_ms, first_ms + span_ms); the caller frees them. */
static inline vql_cache_event *random_history(const catalog_fixture *fixture, random_stream *random,
                                              size_t count, int64_t first_ms, int64_t span_ms)
{
    vql_cache_event *events = malloc((count + 1) * sizeof *events);
    ck_assert_ptr_nonnull(events);
    for (size_t i = 0; i < count; i++) {
        events[i] = (vql_cache_event){
            .time_ms = first_ms + (int64_t)(random_uniform(random) * (double)span_ms),
            .row = random_below(random, fixture->shape->items),
            .event_type = random_below(random, fixture->shape->event_types),
        };
    }
    return events;
}

/* Puts events into a random order. */
static inline void shuffle(vql_cache_event *events, size_t count, random_stream *random)
{
    for (size_t i = count; i > 1; i--) {
        const size_t other = random_below(random, (uint32_t)i);
        const vql_cache_event event = events[i - 1];
        events[i - 1] = events[other];
        events[other] = event;
    }
}

/* A new cache of the events, in a format. */
static inline vql_cache *cache_in(const catalog_fixture *fixture, vql_cache_format format,
                                  const vql_cache_event *events, size_t count)
{
    const vql_cache_options options = {format, 1};
    vql_cache *cache;
    ck_assert_int_eq(vql_cache_new_with(fixture->catalog, &options, NULL, &cache), VQL_OK);
    ck_assert_int_eq(vql_cache_append(cache, events, count), VQL_OK);
    return cache;
}

/* The same in float32, which the oracles' tolerances are for. */
static inline vql_cache *cache_of(const catalog_fixture *fixture, const vql_cache_event *events,
                                  size_t count)
{
    return cache_in(fixture, VQL_CACHE_FP32, events, count);
}

static inline vql_scorer *scorer_of(const catalog_fixture *fixture)
{
    vql_scorer *scorer;
    ck_assert_int_eq(vql_scorer_new(fixture->catalog, NULL, &scorer), VQL_OK);
    return scorer;
}

#endif
