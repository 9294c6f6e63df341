/*
 * The cache as an object: what every operation leaves behind, times at both ends of their range,
 * and no memory. test_oracles.c has the mathematics of whole histories.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cache_checks.h"
#include "check_main.h"
#include "failing_allocator.h"

START_TEST(test_empty)
{
    catalog_fixture fixture = fixture_with_decays(1);
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    ck_assert_uint_eq(vql_cache_events(cache), 0);
    ck_assert_int_eq(vql_cache_reference_ms(cache), 0);
    ck_assert_uint_eq(vql_cache_occupied(cache, 0), 0);
    ck_assert_uint_gt(vql_cache_bytes(cache), 0);
    vql_cache_free(cache);
    vql_cache_free(NULL);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_only_codewords_in_use_have_rows)
{
    catalog_fixture fixture = fixture_with_decays(2);
    const vql_cache_event events[] = {{START_MS, 3, 1}, {START_MS + 5, 3, 1}, {START_MS, 3, 1}};
    vql_cache *cache = cache_of(&fixture, events, 3);
    ck_assert_uint_eq(vql_cache_events(cache), 3);
    ck_assert_int_eq(vql_cache_reference_ms(cache), START_MS + 5);
    for (uint32_t g = 0; g < fixture.shape->groups; g++)
        ck_assert_uint_eq(vql_cache_occupied(cache, g), 1);
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

/* Gaps from a second to years, so that every kernel's base moves at a time of its own. */
START_TEST(test_bases_move)
{
    enum { COUNT = 60 };
    catalog_fixture fixture = fixture_with_decays(3);
    random_stream random = {3};
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, 1);
    for (size_t i = 1; i < COUNT; i++) {
        const double gap_ms = 1000.0 * pow(2.0, 25.0 * random_uniform(&random));
        events[i].time_ms = events[i - 1].time_ms + (int64_t)gap_ms;
    }
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        check_attention(&fixture, cache, events, i + 1, events[i].time_ms + 500);
    }
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_late_events)
{
    catalog_fixture fixture = fixture_with_decays(4);
    const vql_cache_event events[] = {
        {START_MS, 1, 0},
        {START_MS - 1000, 2, 1},
        {START_MS - 2 * HOUR_MS, 3, 2},
        {START_MS - 30 * YEAR_MS, 4, 0},
        {0, 5, 1},
    };
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        ck_assert_int_eq(vql_cache_reference_ms(cache), START_MS);
        check_attention(&fixture, cache, events, i + 1, START_MS);
        check_attention(&fixture, cache, events, i + 1, START_MS + HOUR_MS);
    }
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_silent_for_fifty_years)
{
    model_spec spec = model_spec_default(5); /* odd: no decay is 0 */
    catalog_fixture fixture = fixture_from_spec(&spec, ANY_TABLE);
    random_stream random = {5};
    vql_cache_event *events = random_history(&fixture, &random, 300, START_MS, 5 * HOUR_MS);
    vql_cache *cache = cache_of(&fixture, events, 300);
    check_attention(&fixture, cache, events, 300, START_MS + 50 * YEAR_MS);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_ends_of_time)
{
    catalog_fixture fixture = fixture_with_decays(6);
    const vql_cache_event events[] = {
        {0, 1, 0}, {INT64_MAX, 2, 1}, {INT64_MAX - 5, 3, 2}, {0, 4, 1}, {INT64_MAX, 5, 0},
    };
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        check_attention(&fixture, cache, events, i + 1, INT64_MAX);
        check_attention(&fixture, cache, events, i + 1, INT64_MIN); /* before every event */
    }
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_remove)
{
    enum { COUNT = 40 };
    catalog_fixture fixture = fixture_with_decays(7);
    random_stream random = {7};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, HOUR_MS / 20);
    vql_cache *cache = cache_of(&fixture, events, COUNT);
    const int64_t reference_ms = vql_cache_reference_ms(cache);
    shuffle(events, COUNT, &random);
    for (size_t left = COUNT; left > 0; left--) {
        ck_assert_int_eq(vql_cache_remove(cache, &events[left - 1]), VQL_OK);
        ck_assert_uint_eq(vql_cache_events(cache), left - 1);
        ck_assert_int_eq(vql_cache_reference_ms(cache), reference_ms);
        check_attention(&fixture, cache, events, left - 1, reference_ms);
    }
    for (uint32_t g = 0; g < fixture.shape->groups; g++)
        ck_assert_uint_eq(vql_cache_occupied(cache, g), 0);
    ck_assert_int_eq(vql_cache_append(cache, events, COUNT), VQL_OK);
    check_attention(&fixture, cache, events, COUNT, reference_ms);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* What is taken out was all that kernels with a decay remember: the others must not suffer. */
START_TEST(test_remove_the_latest_by_far)
{
    catalog_fixture fixture = fixture_with_decays(8);
    const vql_cache_event events[] = {{START_MS, 1, 0}, {START_MS + 20 * YEAR_MS, 1, 0}};
    vql_cache *cache = cache_of(&fixture, events, 1);
    ck_assert_int_eq(vql_cache_append(cache, &events[1], 1), VQL_OK);
    ck_assert_int_eq(vql_cache_remove(cache, &events[1]), VQL_OK);
    check_attention(&fixture, cache, events, 1, vql_cache_reference_ms(cache));
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

/* What rounding leaves of sums that were all but taken out must not make an n negative. */
START_TEST(test_remove_leaves_no_negative_n)
{
    enum { RECENT = 20 };
    catalog_fixture fixture = fixture_with_decays(9);
    random_stream random = {9};
    for (int round = 0; round < 20; round++) {
        vql_cache_event events[1 + RECENT] = {{START_MS, 1, 0}};
        for (size_t i = 1; i <= RECENT; i++)
            events[i] = (vql_cache_event){
                START_MS + HOUR_MS / 3 + (int64_t)random_below(&random, 100000), 1, 0};
        vql_cache *cache = cache_of(&fixture, events, 1 + RECENT);
        for (size_t i = 1; i <= RECENT; i++)
            ck_assert_int_eq(vql_cache_remove(cache, &events[i]), VQL_OK);
        check_attention(&fixture, cache, events, 1, vql_cache_reference_ms(cache));
        const snapshot form = snapshot_of(cache);
        vql_cache *parsed;
        vql_error error;
        ck_assert_msg(vql_cache_parse(fixture.catalog, form.bytes, form.count, NULL, &parsed,
                                      &error) == VQL_OK,
                      "%s", error.text);
        free(form.bytes);
        vql_cache_free(parsed);
        vql_cache_free(cache);
    }
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_remove_what_is_not_there)
{
    catalog_fixture fixture = fixture_with_decays(9);
    const vql_cache_event here = {START_MS, 1, 0};
    vql_cache *cache = cache_of(&fixture, &here, 1);
    const uint16_t *codes = vql_catalog_codes(fixture.catalog, here.row, here.event_type);
    uint32_t row = 2;
    while (vql_catalog_codes(fixture.catalog, row, 0)[0] == codes[0])
        row++;
    const vql_cache_event absent[] = {
        {START_MS, row, 0},         /* another codeword */
        {START_MS + 1, 1, 0},       /* later than any */
        {START_MS + YEAR_MS, 1, 0}, /* much later */
    };
    for (size_t i = 0; i < 3; i++) {
        const snapshot was = snapshot_of(cache);
        ck_assert_int_eq(vql_cache_remove(cache, &absent[i]), VQL_VALUE);
        check_unchanged(cache, was);
    }
    ck_assert_int_eq(vql_cache_remove(cache, &here), VQL_OK);
    ck_assert_int_eq(vql_cache_remove(cache, &here), VQL_VALUE);
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_merge)
{
    catalog_fixture fixture = fixture_with_decays(10);
    random_stream random = {10};
    vql_cache_event *events = random_history(&fixture, &random, 400, START_MS, YEAR_MS);
    for (size_t first = 0; first <= 400; first += 100) {
        vql_cache *cache = cache_of(&fixture, events, first);
        vql_cache *other = cache_of(&fixture, events + first, 400 - first);
        const snapshot was = snapshot_of(other);
        ck_assert_int_eq(vql_cache_merge(cache, other), VQL_OK);
        check_unchanged(other, was);
        ck_assert_uint_eq(vql_cache_events(cache), 400);
        check_attention(&fixture, cache, events, 400, START_MS + YEAR_MS);
        vql_cache_free(other);
        vql_cache_free(cache);
    }
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Bases years apart: the later ones must win, whichever side has them. */
START_TEST(test_merge_across_years)
{
    catalog_fixture fixture = fixture_with_decays(10);
    random_stream random = {11};
    vql_cache_event *events = random_history(&fixture, &random, 400, START_MS, HOUR_MS);
    for (size_t i = 200; i < 400; i++)
        events[i].time_ms += 20 * YEAR_MS;
    vql_cache *caches[] = {cache_of(&fixture, events, 200), cache_of(&fixture, events + 200, 200)};
    ck_assert_int_eq(vql_cache_merge(caches[_i], caches[1 - _i]), VQL_OK);
    check_attention(&fixture, caches[_i], events, 400, START_MS + 20 * YEAR_MS);
    check_attention(&fixture, caches[_i], events, 400, START_MS + 21 * YEAR_MS);
    vql_cache_free(caches[0]);
    vql_cache_free(caches[1]);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* 1, 2, 4 … 2^31 events; twice as many do not fit. */
START_TEST(test_most_events)
{
    catalog_fixture fixture = fixture_with_decays(11);
    const vql_cache_event event = {START_MS, 1, 0};
    vql_cache *cache = cache_of(&fixture, &event, 1);
    vql_cache *copy;
    for (int doubling = 0; doubling < 31; doubling++) {
        ck_assert_int_eq(vql_cache_clone(cache, &copy), VQL_OK);
        ck_assert_int_eq(vql_cache_merge(cache, copy), VQL_OK);
        vql_cache_free(copy);
    }
    check_attention(&fixture, cache, &event, 1, START_MS);
    ck_assert_int_eq(vql_cache_clone(cache, &copy), VQL_OK);
    ck_assert_int_eq(vql_cache_remove(copy, &event), VQL_OK);
    ck_assert_int_eq(vql_cache_merge(cache, copy), VQL_OK);
    ck_assert_uint_eq(vql_cache_events(cache), VQL_CACHE_MAX_EVENTS);
    const snapshot was = snapshot_of(cache);
    ck_assert_int_eq(vql_cache_append(cache, &event, 1), VQL_VALUE);
    ck_assert_int_eq(vql_cache_merge(cache, copy), VQL_VALUE);
    check_unchanged(cache, was);
    vql_cache_free(copy);
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_clone_is_independent)
{
    catalog_fixture fixture = fixture_with_decays(12);
    random_stream random = {12};
    vql_cache_event *events = random_history(&fixture, &random, 500, START_MS, YEAR_MS);
    for (size_t count = 0; count <= 300; count += 150) {
        vql_cache *cache = cache_of(&fixture, events, count);
        vql_cache *copy;
        ck_assert_int_eq(vql_cache_clone(cache, &copy), VQL_OK);
        check_unchanged(copy, snapshot_of(cache));
        const snapshot was = snapshot_of(cache);
        ck_assert_int_eq(vql_cache_append(copy, events + count, 200), VQL_OK);
        check_unchanged(cache, was);
        vql_cache_free(cache);
        check_attention(&fixture, copy, events, count + 200, START_MS + YEAR_MS);
        vql_cache_free(copy);
    }
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* ---- bytes ---- */

/* An allocator that knows how many bytes it has given out: each block begins with its size. */
enum {
    PREFIX_BYTES = 16,
};

static void *counted_allocate(void *context, size_t bytes)
{
    uint8_t *block = malloc(PREFIX_BYTES + bytes);
    ck_assert_ptr_nonnull(block);
    memcpy(block, &bytes, sizeof bytes);
    *(size_t *)context += bytes;
    return block + PREFIX_BYTES;
}

static void counted_release(void *context, void *block)
{
    if (block != NULL) {
        size_t bytes;
        memcpy(&bytes, (uint8_t *)block - PREFIX_BYTES, sizeof bytes);
        *(size_t *)context -= bytes;
        free((uint8_t *)block - PREFIX_BYTES);
    }
}

START_TEST(test_bytes_are_exact)
{
    size_t held = 0;
    const vql_allocator allocator = {counted_allocate, NULL, counted_release, &held};
    catalog_fixture fixture = fixture_with_decays(13);
    random_stream random = {13};
    vql_cache_event *events = random_history(&fixture, &random, 400, START_MS, YEAR_MS);
    vql_cache *cache;
    ck_assert_int_eq(vql_cache_new(fixture.catalog, &allocator, &cache), VQL_OK);
    ck_assert_uint_eq(vql_cache_bytes(cache), held);
    for (size_t i = 0; i < 400; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        ck_assert_uint_eq(vql_cache_bytes(cache), held);
    }
    vql_cache *copy;
    ck_assert_int_eq(vql_cache_clone(cache, &copy), VQL_OK);
    ck_assert_uint_eq(vql_cache_bytes(cache) + vql_cache_bytes(copy), held);
    ck_assert_uint_le(vql_cache_bytes(copy), vql_cache_bytes(cache));
    vql_cache_free(copy);
    ck_assert_uint_eq(vql_cache_bytes(cache), held);
    vql_cache_free(cache);
    ck_assert_uint_eq(held, 0);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* ---- no memory ---- */

/* A model with so many codewords that a large append needs an allocation to list them. */
static catalog_fixture many_codewords(void)
{
    model_spec spec = model_spec_default(22);
    spec.items = 900;
    spec.codewords[0] = 800;
    spec.codewords[1] = 700;
    return fixture_from_spec(&spec, NO_TABLE);
}

enum no_memory_step {
    STEP_APPEND_ONE,
    STEP_APPEND_MANY,
    STEP_MERGE,
    STEP_CLONE,
    STEP_PARSE,
    STEP_COUNT,
};

/* Does one thing with a cache; what it makes besides is released. */
static vql_code take_step(int step, const catalog_fixture *fixture, vql_cache *cache,
                          const vql_cache *other, const vql_cache_event *events,
                          const vql_allocator *allocator)
{
    vql_cache *made = NULL;
    vql_code code = VQL_OK;
    switch (step) {
    case STEP_APPEND_ONE:
        return vql_cache_append(cache, events, 1);
    case STEP_APPEND_MANY:
        return vql_cache_append(cache, events, 2000);
    case STEP_MERGE:
        return vql_cache_merge(cache, other);
    case STEP_CLONE:
        code = vql_cache_clone(cache, &made);
        break;
    default: {
        const snapshot form = snapshot_of(other);
        code = vql_cache_parse(fixture->catalog, form.bytes, form.count, allocator, &made, NULL);
        free(form.bytes);
        break;
    }
    }
    vql_cache_free(made);
    return code;
}

START_TEST(test_no_memory)
{
    catalog_fixture fixture = many_codewords();
    random_stream random = {23};
    vql_cache_event *events = random_history(&fixture, &random, 2010, START_MS, YEAR_MS);
    vql_cache *other = cache_of(&fixture, events, 2000);
    for (size_t i = 0;; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, FAILING_ALLOCATOR_NEVER);
        vql_cache *cache;
        ck_assert_int_eq(vql_cache_new(fixture.catalog, &memory.allocator, &cache), VQL_OK);
        ck_assert_int_eq(vql_cache_append(cache, events + 2000, 10), VQL_OK);
        const snapshot was = snapshot_of(cache);
        const size_t bytes = vql_cache_bytes(cache);
        memory.fail_at = memory.calls + i;
        const vql_code code = take_step(_i, &fixture, cache, other, events, &memory.allocator);
        if (code == VQL_OK) {
            ck_assert_uint_gt(i, 0);
            free(was.bytes);
        } else {
            ck_assert_int_eq(code, VQL_NO_MEMORY);
            check_unchanged(cache, was);
            ck_assert_uint_eq(vql_cache_bytes(cache), bytes);
        }
        vql_cache_free(cache);
        ck_assert_uint_eq(memory.live, 0);
        if (code == VQL_OK)
            break;
    }
    vql_cache_free(other);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_no_memory_for_a_new_one)
{
    catalog_fixture fixture = fixture_with_decays(24);
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    vql_cache *cache = NULL;
    ck_assert_int_eq(vql_cache_new(fixture.catalog, &memory.allocator, &cache), VQL_NO_MEMORY);
    ck_assert_ptr_null(cache);
    fixture_free(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tcase = tcase_create("cache");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_empty);
    tcase_add_test(tcase, test_only_codewords_in_use_have_rows);
    tcase_add_test(tcase, test_bases_move);
    tcase_add_test(tcase, test_late_events);
    tcase_add_test(tcase, test_silent_for_fifty_years);
    tcase_add_test(tcase, test_ends_of_time);
    tcase_add_test(tcase, test_remove);
    tcase_add_test(tcase, test_remove_the_latest_by_far);
    tcase_add_test(tcase, test_remove_leaves_no_negative_n);
    tcase_add_test(tcase, test_remove_what_is_not_there);
    tcase_add_test(tcase, test_merge);
    tcase_add_loop_test(tcase, test_merge_across_years, 0, 2);
    tcase_add_test(tcase, test_most_events);
    tcase_add_test(tcase, test_clone_is_independent);
    tcase_add_test(tcase, test_bytes_are_exact);
    tcase_add_loop_test(tcase, test_no_memory, 0, STEP_COUNT);
    tcase_add_test(tcase, test_no_memory_for_a_new_one);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
