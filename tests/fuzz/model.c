/*
 * A model file: refused with a text, or a model that everything works with.
 */
#include "vql/model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "failing_allocator.h"
#include "target.h"
#include "vql/cache.h"
#include "vql/catalog.h"
#include "vql/scorer.h"

enum { MOST_NUMBERS = 1 << 20 };

/* Scores one item for a user with an event of the last item and the last type. */
static void score(const vql_catalog *catalog, const vql_shape *shape)
{
    vql_cache *cache;
    vql_scorer *scorer;
    float scores[VQL_MAX_TASKS];
    const uint64_t item = 1;
    const vql_cache_event event = {
        .time_ms = 1000, .row = shape->items - 1, .event_type = shape->event_types - 1};
    const vql_code cached = vql_cache_new(catalog, NULL, &cache);
    const vql_code made = vql_scorer_new(catalog, NULL, &scorer);
    assert(cached == VQL_OK && made == VQL_OK);
    const vql_code appended = vql_cache_append(cache, &event, 1);
    assert(appended == VQL_OK);
    vql_scorer_begin(scorer, cache, 2000);
    (void)vql_scorer_run(scorer, &item, 1, scores);
    vql_scorer_free(scorer);
    vql_cache_free(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    vql_model *model = NULL;
    vql_error error = {0};
    failing_allocator memory;
    failing_allocator_init(&memory, FAILING_ALLOCATOR_NEVER);
    const vql_code code = vql_model_parse(bytes, count, &memory.allocator, &model, &error);
    if (code != VQL_OK) {
        assert(!model && memory.live == 0);
        assert(error.text[0] != '\0' && memchr(error.text, '\0', sizeof error.text));
        return 0;
    }
    const vql_shape *shape = vql_model_shape(model);
    vql_catalog *catalog = NULL;
    if ((uint64_t)shape->items * shape->event_types * shape->width < MOST_NUMBERS &&
        vql_catalog_create(model, &(vql_catalog_options){.table_bytes = 1000}, &catalog, &error) ==
            VQL_OK) {
        score(catalog, shape);
        vql_catalog_free(catalog);
    }
    vql_model_free(model);
    assert(memory.live == 0);
    return 0;
}
