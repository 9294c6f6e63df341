/*
 * The forms of a cache: which one it takes, that going from one to the next is not seen in what is
 * scored, and what the formats of rows cost.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "cache_checks.h"
#include "check_main.h"
#include "failing_allocator.h"

/* Of an attention output, whose numbers are about 1 in size, by the format of the rows. */
static const double TOLERANCE[VQL_CACHE_FORMATS] = {
    [VQL_CACHE_FP32] = CACHE_TOLERANCE,
    [VQL_CACHE_BF16] = 0.02,
    [VQL_CACHE_INT16] = 0.001,
    [VQL_CACHE_INT8] = 0.05,
};

/* A model with many codewords for few items, or few for many. */
static catalog_fixture fixture_with(uint32_t items, uint32_t codewords)
{
    model_spec spec = model_spec_default(31);
    spec.items = items;
    spec.codewords[0] = codewords;
    spec.codewords[1] = codewords;
    return fixture_from_spec(&spec, ANY_TABLE);
}

/* The largest difference of an attention output between two caches of the same events. */
static double difference(const catalog_fixture *fixture, const vql_cache *a, const vql_cache *b)
{
    vql_scorer *scorer = scorer_of(fixture);
    double most = 0.0;
    const int64_t time_ms = vql_cache_reference_ms(a) + HOUR_MS;
    for (uint32_t row = 0; row < 10; row++) {
        double left[VQL_MAX_WIDTH];
        double right[VQL_MAX_WIDTH];
        vql_scorer_begin(scorer, a, time_ms);
        scorer_attention(fixture, scorer, row, left);
        vql_scorer_begin(scorer, b, time_ms);
        scorer_attention(fixture, scorer, row, right);
        for (uint32_t j = 0; j < fixture->shape->width; j++)
            most = fmax(most, fabs(left[j] - right[j]));
    }
    vql_scorer_free(scorer);
    return most;
}

/* Event by event through every form that the history leads to, beside one of float32. */
static void check_growth(const catalog_fixture *fixture, vql_cache_format format,
                         vql_cache_form last)
{
    enum { COUNT = 3000 };
    random_stream random = {32};
    vql_cache_event *events = random_history(fixture, &random, COUNT, START_MS, YEAR_MS);
    vql_cache *cache = cache_in(fixture, format, events, 0);
    vql_cache *exact = cache_of(fixture, events, 0);
    vql_cache_form form = VQL_FORM_EVENTS;
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        ck_assert_int_eq(vql_cache_append(exact, &events[i], 1), VQL_OK);
        const bool changes = vql_cache_form_of(cache) != form;
        form = vql_cache_form_of(cache);
        if (!changes && i % 500 != 499)
            continue;
        const double tolerance = TOLERANCE[form == VQL_FORM_ROWS ? format : VQL_CACHE_FP32];
        ck_assert_double_le(difference(fixture, cache, exact),
                            tolerance + (form == VQL_FORM_ITEMS ? 1e-4 : 0.0));
        for (uint32_t g = 0; g < fixture->shape->groups; g++)
            ck_assert_uint_eq(vql_cache_occupied(cache, g), vql_cache_occupied(exact, g));
    }
    ck_assert_int_eq(form, last);
    ck_assert_uint_eq(vql_cache_events(cache), COUNT);
    check_attention(fixture, exact, events, COUNT, START_MS + YEAR_MS);
    vql_cache_free(exact);
    vql_cache_free(cache);
    free(events);
}

START_TEST(test_events_become_rows)
{
    catalog_fixture fixture = fixture_with(500, 7);
    check_growth(&fixture, (vql_cache_format)_i, VQL_FORM_ROWS);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_events_become_items)
{
    catalog_fixture fixture = fixture_with(20, 60);
    check_growth(&fixture, (vql_cache_format)_i, VQL_FORM_ITEMS);
    fixture_free(&fixture);
}
END_TEST

/* However an event more would fit, a cache keeps no more of them than it may, and can be read. */
START_TEST(test_events_are_bounded)
{
    enum { COUNT = 2 * VQL_CACHE_MOST_EVENTS_KEPT };
    catalog_fixture fixture = fixture_with(3000, 250);
    random_stream random = {34};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, 0);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        if (vql_cache_form_of(cache) == VQL_FORM_EVENTS)
            ck_assert_uint_le(vql_cache_events(cache), VQL_CACHE_MOST_EVENTS_KEPT);
        else
            ck_assert_uint_gt(vql_cache_events(cache), VQL_CACHE_MOST_EVENTS_KEPT);
    }
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Few items at first, then all of them: events, items, rows. */
START_TEST(test_items_become_rows)
{
    enum { COUNT = 6000 };
    catalog_fixture fixture = fixture_with(400, 60);
    random_stream random = {33};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, YEAR_MS);
    for (size_t i = 0; i < COUNT / 2; i++)
        events[i].row %= 10;
    vql_cache *cache = cache_in(&fixture, (vql_cache_format)_i, events, 0);
    vql_cache *exact = cache_of(&fixture, events, COUNT);
    bool seen[3] = {false};
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(vql_cache_append(cache, &events[i], 1), VQL_OK);
        seen[vql_cache_form_of(cache)] = true;
    }
    ck_assert(seen[VQL_FORM_EVENTS] && seen[VQL_FORM_ITEMS] && seen[VQL_FORM_ROWS]);
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_ROWS);
    ck_assert_double_le(difference(&fixture, cache, exact), TOLERANCE[_i]);
    vql_cache_free(exact);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Everything taken out again: the rows go, and what comes next is events. */
START_TEST(test_back_to_events)
{
    enum { COUNT = 1500 };
    catalog_fixture fixture = _i == 0 ? fixture_with(500, 7) : fixture_with(20, 60);
    random_stream random = {34};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, YEAR_MS);
    vql_cache *cache = cache_in(&fixture, VQL_CACHE_INT8, events, COUNT);
    ck_assert_int_ne(vql_cache_form_of(cache), VQL_FORM_EVENTS);
    shuffle(events, COUNT, &random);
    for (size_t left = COUNT; left > 0; left--)
        ck_assert_int_eq(vql_cache_remove(cache, &events[left - 1]), VQL_OK);
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_EVENTS);
    ck_assert_uint_eq(vql_cache_events(cache), 0);
    ck_assert_int_eq(vql_cache_append(cache, events, 20), VQL_OK);
    check_attention(&fixture, cache, events, 20, START_MS + YEAR_MS);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* D = 64, G = 4, K = 256, R = 3, and 20,000 items; every 78th item's key is a codeword. */
static vql_model *large_model(uint64_t seed)
{
    enum { CODEWORDS = 256, GROUPS = 4, GROUP_WIDTH = 16 };
    static const char *const NAMES[GROUPS] = {"codebook.0", "codebook.1", "codebook.2",
                                              "codebook.3"};
    model_spec spec = model_spec_default(seed);
    spec.items = 20000;
    spec.event_types = 1;
    spec.heads = GROUPS;
    spec.head_width = GROUP_WIDTH;
    spec.groups = GROUPS;
    spec.kernels = 3;
    for (uint32_t g = 0; g < GROUPS; g++)
        spec.codewords[g] = CODEWORDS;
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    for (uint32_t k = 0; k < CODEWORDS; k++) {
        double key[GROUPS * GROUP_WIDTH];
        vql_reference_key(model, k * (spec.items / CODEWORDS), 0, key);
        for (uint32_t j = 0; j < GROUPS * GROUP_WIDTH; j++) {
            float *codebook = model_writer_floats(writer, NAMES[j / GROUP_WIDTH]);
            codebook[k * GROUP_WIDTH + j % GROUP_WIDTH] = (float)key[j];
        }
    }
    vql_model_free(model);
    model = model_writer_parse(writer);
    model_writer_free(writer);
    return model;
}

/* A long history of a large catalog, in the default format. */
START_TEST(test_bytes_of_a_long_history)
{
    enum { COUNT = 100000, MOST_BYTES = 64 << 10 };
    catalog_fixture fixture = fixture_from_model(large_model(38), NO_TABLE);
    random_stream random = {38};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, YEAR_MS);
    vql_cache *cache;
    ck_assert_int_eq(vql_cache_new(fixture.catalog, NULL, &cache), VQL_OK);
    for (size_t done = 0; done < COUNT; done += 50)
        ck_assert_int_eq(vql_cache_append(cache, events + done, 50), VQL_OK);
    uint32_t occupied = 0;
    for (uint32_t g = 0; g < 4; g++)
        occupied += vql_cache_occupied(cache, g);
    vql_cache *exact = cache_of(&fixture, events, COUNT);
    printf("%d events, %u codewords in use: %zu bytes, an attention output off by %.2g\n", COUNT,
           occupied, vql_cache_bytes(cache), difference(&fixture, cache, exact));
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_ROWS);
    ck_assert_uint_gt(occupied, 1000);
    ck_assert_uint_le(vql_cache_bytes(cache), MOST_BYTES);
    ck_assert_double_le(difference(&fixture, cache, exact), TOLERANCE[VQL_CACHE_INT8]);
    vql_cache_free(exact);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Caches of two forms: the merged one has everything of both, whichever side has which. */
START_TEST(test_merge_of_forms)
{
    static const size_t COUNTS[] = {0, 15, 400, 3000};
    enum { KINDS = sizeof COUNTS / sizeof COUNTS[0] };
    const size_t left = COUNTS[_i % KINDS];
    const size_t right = COUNTS[_i / KINDS];
    catalog_fixture fixture = fixture_with(60, 30);
    random_stream random = {35};
    vql_cache_event *events = random_history(&fixture, &random, left + right, START_MS, YEAR_MS);
    for (int format = 0; format < VQL_CACHE_FORMATS; format++) {
        vql_cache *cache = cache_in(&fixture, (vql_cache_format)format, events, left);
        vql_cache *other = cache_of(&fixture, events + left, right);
        const snapshot was = snapshot_of(other);
        ck_assert_int_eq(vql_cache_merge(cache, other), VQL_OK);
        check_unchanged(other, was);
        vql_cache *exact = cache_of(&fixture, events, left + right);
        ck_assert_uint_eq(vql_cache_events(cache), left + right);
        ck_assert_int_eq(vql_cache_format_of(cache), format);
        ck_assert_double_le(difference(&fixture, cache, exact), TOLERANCE[format]);
        vql_cache_free(exact);
        vql_cache_free(other);
        vql_cache_free(cache);
    }
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_append_each)
{
    enum { USERS = 50, ROUNDS = 200 };
    catalog_fixture fixture = fixture_with(60, 30);
    random_stream random = {36};
    vql_cache *caches[USERS];
    vql_cache *singly[USERS];
    for (size_t u = 0; u < USERS; u++) {
        caches[u] = cache_of(&fixture, NULL, 0);
        singly[u] = cache_of(&fixture, NULL, 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        vql_code code = VQL_VALUE;
        vql_cache_event *events = random_history(&fixture, &random, USERS, START_MS, YEAR_MS);
        ck_assert_uint_eq(vql_cache_append_each(caches, events, USERS, &code), USERS);
        ck_assert_int_eq(code, VQL_OK);
        for (size_t u = 0; u < USERS; u++)
            ck_assert_int_eq(vql_cache_append(singly[u], &events[u], 1), VQL_OK);
        free(events);
    }
    for (size_t u = 0; u < USERS; u++) {
        check_unchanged(caches[u], snapshot_of(singly[u]));
        vql_cache_free(caches[u]);
        vql_cache_free(singly[u]);
    }
    fixture_free(&fixture);
}
END_TEST

/* Every allocation of a growth through all forms fails once; nothing is lost or seen. */
START_TEST(test_no_memory_on_the_way)
{
    enum { COUNT = 2600, AT_ONCE = 20 };
    catalog_fixture fixture = fixture_with(300, 30);
    random_stream random = {37};
    vql_cache_event *events = random_history(&fixture, &random, COUNT, START_MS, YEAR_MS);
    for (size_t i = 0; i < COUNT / 2; i++)
        events[i].row %= 5;
    failing_allocator memory;
    failing_allocator_init(&memory, FAILING_ALLOCATOR_NEVER);
    const vql_cache_options options = {VQL_CACHE_FP32, 1};
    vql_cache *cache;
    ck_assert_int_eq(vql_cache_new_with(fixture.catalog, &options, &memory.allocator, &cache),
                     VQL_OK);
    for (size_t done = 0; done < COUNT; done += AT_ONCE) {
        for (size_t i = 0;; i++) {
            const snapshot was = snapshot_of(cache);
            memory.fail_at = memory.calls + i;
            const vql_code code = vql_cache_append(cache, events + done, AT_ONCE);
            if (code == VQL_OK) {
                free(was.bytes);
                break;
            }
            ck_assert_int_eq(code, VQL_NO_MEMORY);
            check_unchanged(cache, was);
        }
    }
    check_attention(&fixture, cache, events, COUNT, START_MS + YEAR_MS);
    vql_cache_free(cache);
    ck_assert_uint_eq(memory.live, 0);
    free(events);
    fixture_free(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_forms");
    TCase *tcase = tcase_create("cache_forms");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_events_become_rows, 0, VQL_CACHE_FORMATS);
    tcase_add_loop_test(tcase, test_events_become_items, 0, VQL_CACHE_FORMATS);
    tcase_add_test(tcase, test_events_are_bounded);
    tcase_add_loop_test(tcase, test_items_become_rows, 0, VQL_CACHE_FORMATS);
    tcase_add_loop_test(tcase, test_back_to_events, 0, 2);
    tcase_add_loop_test(tcase, test_merge_of_forms, 0, 16);
    tcase_add_test(tcase, test_bytes_of_a_long_history);
    tcase_add_test(tcase, test_append_each);
    tcase_add_test(tcase, test_no_memory_on_the_way);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
