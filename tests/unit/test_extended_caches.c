/*
 * Caches and scores with items that were added, against those of a model file that has had these
 * items from the start, and against float64.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "cache_layout.h"
#include "catalog_family.h"
#include "catalog_fixture.h"
#include "check_main.h"

enum { HISTORY = 300, START_MS = 1000000000, YEAR_MS = 1000000000 };

/* INT16 is within 1e-3 of float64 (vql/catalog.h); an INT8 cache of these histories adds to it. */
static const double score_tolerance = 5e-3;

static vql_cache *make_cache(const vql_catalog *catalog, vql_cache_format format,
                             const vql_cache_event *events, size_t count)
{
    const vql_cache_options options = {format, 7};
    vql_cache *cache = NULL;
    ck_assert_int_eq(vql_cache_new_with(catalog, &options, NULL, &cache), VQL_OK);
    for (size_t i = 0; i < count; i += 10)
        ck_assert_int_eq(vql_cache_append(cache, events + i, count - i < 10 ? count - i : 10),
                         VQL_OK);
    return cache;
}

/* Scores of all of all's items, and an unknown one, for a cache. */
static size_t score_all(const family *f, const vql_catalog *catalog, const vql_cache *cache,
                        float *scores)
{
    vql_scorer *scorer = NULL;
    ck_assert_int_eq(vql_scorer_new(catalog, NULL, &scorer), VQL_OK);
    vql_scorer_begin(scorer, cache, START_MS + YEAR_MS);
    const size_t unknown = vql_scorer_run(scorer, f->all->item_ids, f->all->shape.items, scores);
    vql_scorer_free(scorer);
    return unknown;
}

static vql_cache_event *history_of(const family *f, uint64_t seed, size_t count)
{
    const catalog_fixture fixture = {f->all, f->wanted, &f->all->shape};
    random_stream random = {seed};
    return random_history(&fixture, &random, count, START_MS, YEAR_MS);
}

/* Histories with new items in every form give the same scores, and those of float64. */
static void check_scores(const family *f, size_t count)
{
    const vql_shape *shape = &f->all->shape;
    vql_cache_event *events = history_of(f, 5, count);
    vql_cache *cache = make_cache(f->next, VQL_CACHE_INT8, events, count);
    vql_cache *other = make_cache(f->wanted, VQL_CACHE_INT8, events, count);
    float *found = malloc(2 * (size_t)shape->items * shape->tasks * sizeof *found);
    ck_assert_ptr_nonnull(found);
    float *right = found + (size_t)shape->items * shape->tasks;
    ck_assert_uint_eq(score_all(f, f->next, cache, found), score_all(f, f->wanted, other, right));
    if (vql_cache_form_of(cache) == vql_cache_form_of(other))
        ck_assert_mem_eq(found, right, (size_t)shape->items * shape->tasks * sizeof *found);
    for (uint32_t row = f->items; row < shape->items; row++) {
        double o[VQL_MAX_WIDTH];
        double logits[VQL_MAX_TASKS];
        ck_assert_int_eq(vql_reference_attention(f->all, events, count, row, START_MS + YEAR_MS,
                                                 VQL_KEYS_QUANTIZED, o, NULL),
                         VQL_OK);
        vql_reference_head(f->all, row, o, logits);
        for (uint32_t t = 0; t < shape->tasks; t++) {
            const double wanted = 1.0 / (1.0 + exp(-logits[t]));
            ck_assert_double_le(fabs((double)found[row * shape->tasks + t] - wanted),
                                score_tolerance);
        }
    }
    free(found);
    vql_cache_free(other);
    vql_cache_free(cache);
    free(events);
}

START_TEST(test_scores)
{
    const model_spec spec = spec_of(_i);
    const vql_catalog_options options = {
        .table_bytes = _i % 3 == 2 ? NO_TABLE : ANY_TABLE,
        .format = _i % 2 == 0 ? VQL_SCORING_INT16 : VQL_SCORING_F32,
    };
    family f = family_make(&spec, options);
    f.next = extend(f.base, f.all, f.items, NEW);
    for (size_t count = 0; count <= HISTORY; count += 60)
        check_scores(&f, count);
    family_free(&f);
}
END_TEST

/* What was made of an older catalog goes on with a newer one, and is written and read again. */
START_TEST(test_caches_go_on)
{
    const model_spec spec = spec_of(_i);
    family f = family_make(&spec, (vql_catalog_options){.table_bytes = ANY_TABLE});
    vql_cache_event *events = history_of(&f, 6, 2 * HISTORY);
    for (size_t i = 0; i < HISTORY; i++)
        events[i].row %= f.items;
    vql_cache *cache = make_cache(f.base, VQL_CACHE_FP32, events, HISTORY);
    f.next = extend(f.base, f.all, f.items, NEW);
    vql_catalog *base = f.base;
    f.base = NULL;
    vql_cache *whole = make_cache(f.next, VQL_CACHE_FP32, events, 2 * HISTORY);
    for (size_t i = HISTORY; i < 2 * HISTORY; i += 10)
        ck_assert_int_eq(vql_cache_append(cache, events + i, 10), VQL_OK);
    const size_t count = vql_cache_serialized_size(cache);
    uint8_t *bytes = malloc(2 * count);
    ck_assert_ptr_nonnull(bytes);
    vql_cache_serialize(cache, bytes);
    ck_assert_uint_eq(vql_cache_serialized_size(whole), count);
    vql_cache_serialize(whole, bytes + count);
    ck_assert_mem_eq(bytes, bytes + count, count);
    vql_cache *parsed = NULL;
    ck_assert_int_eq(vql_cache_parse(f.next, bytes, count, NULL, &parsed, NULL), VQL_OK);
    vql_cache_free(parsed);
    if (vql_cache_form_of(cache) != VQL_FORM_ROWS)
        ck_assert_int_eq(vql_cache_parse(base, bytes, count, NULL, &parsed, NULL), VQL_VALUE);
    free(bytes);
    vql_catalog_free(base);
    vql_cache_free(whole);
    vql_cache_free(cache);
    free(events);
    family_free(&f);
}
END_TEST

/* A map of items grows by those that were added. */
START_TEST(test_items_form)
{
    model_spec spec = model_spec_default(14);
    spec.items = 12 + NEW;
    spec.event_types = 11;
    spec.codewords[0] = spec.codewords[1] = 90;
    family f = family_make(&spec, (vql_catalog_options){.table_bytes = ANY_TABLE});
    vql_cache_event *events = history_of(&f, 8, 900);
    for (size_t i = 0; i < 600; i++)
        events[i].row %= f.items;
    vql_cache *cache = make_cache(f.base, VQL_CACHE_FP32, events, 600);
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_ITEMS);
    const uint32_t words = cache->rows.words;
    f.next = extend(f.base, f.all, f.items, NEW);
    vql_cache *added = make_cache(f.next, VQL_CACHE_FP32, events + 600, 300);
    vql_cache *merged = NULL;
    ck_assert_int_eq(vql_cache_clone(cache, &merged), VQL_OK);
    ck_assert_int_eq(vql_cache_merge(merged, added), VQL_OK);
    ck_assert_int_eq(vql_cache_append(cache, events + 600, 300), VQL_OK);
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_ITEMS);
    ck_assert_uint_gt(cache->rows.words, words);
    vql_cache *other = make_cache(f.wanted, VQL_CACHE_FP32, events, 900);
    float found[3][(12 + NEW) * 2];
    (void)score_all(&f, f.next, cache, found[0]);
    (void)score_all(&f, f.wanted, other, found[1]);
    (void)score_all(&f, f.next, merged, found[2]);
    for (size_t i = 0; i < sizeof found[0] / sizeof found[0][0]; i++) {
        ck_assert_float_eq_tol(found[0][i], found[1][i], 1e-4F);
        ck_assert_float_eq_tol(found[2][i], found[1][i], 1e-4F);
    }
    vql_cache_free(other);
    vql_cache_free(merged);
    vql_cache_free(added);
    vql_cache_free(cache);
    free(events);
    family_free(&f);
}
END_TEST

/* A scorer that is in the middle of a request goes on with a newer catalog. */
START_TEST(test_scorer_uses_another)
{
    const model_spec spec = model_spec_default(6);
    family f = family_make(&spec, (vql_catalog_options){.table_bytes = ANY_TABLE});
    vql_cache_event *events = history_of(&f, 9, 50);
    for (size_t i = 0; i < 50; i++)
        events[i].row %= f.items;
    vql_cache *cache = make_cache(f.base, VQL_CACHE_INT8, events, 50);
    f.next = extend(f.base, f.all, f.items, NEW);
    vql_scorer *scorer = NULL;
    float before[2], after[2], wanted[23 * 2];
    const uint64_t id = f.all->item_ids[spec.items - 1];
    ck_assert_int_eq(vql_scorer_new(f.base, NULL, &scorer), VQL_OK);
    vql_scorer_begin(scorer, cache, START_MS + YEAR_MS);
    ck_assert_uint_eq(vql_scorer_run(scorer, &id, 1, before), 1);
    vql_scorer_use(scorer, f.next);
    ck_assert_uint_eq(vql_scorer_run(scorer, &id, 1, after), 0);
    (void)score_all(&f, f.next, cache, wanted);
    ck_assert_mem_eq(after, wanted + (size_t)(spec.items - 1) * 2, sizeof after);
    ck_assert_mem_ne(after, before, sizeof after);
    vql_scorer_use(scorer, f.base);
    ck_assert_uint_eq(vql_scorer_run(scorer, &id, 1, after), 1);
    ck_assert_mem_eq(after, before, sizeof after);
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    free(events);
    family_free(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("extended_caches");
    TCase *tcase = tcase_create("extended_caches");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_scores, 0, 12);
    tcase_add_loop_test(tcase, test_caches_go_on, 0, 6);
    tcase_add_test(tcase, test_items_form);
    tcase_add_test(tcase, test_scorer_uses_another);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
