/*
 * The serialized form of a cache: what comes back, and that everything else is refused, or gives a
 * cache that is safe to use.
 */
#include <check.h>
#include <string.h>

#include "cache_checks.h"
#include "check_main.h"

/* The forms and formats that a cache can have, and histories that lead to them. */
static const struct {
    vql_cache_form form;
    vql_cache_format format;
    size_t count;
} CASES[] = {
    {VQL_FORM_EVENTS, VQL_CACHE_INT8, 0},  {VQL_FORM_EVENTS, VQL_CACHE_FP32, 1},
    {VQL_FORM_EVENTS, VQL_CACHE_INT8, 30}, {VQL_FORM_ITEMS, VQL_CACHE_FP32, 900},
    {VQL_FORM_ITEMS, VQL_CACHE_INT8, 900}, {VQL_FORM_ROWS, VQL_CACHE_FP32, 900},
    {VQL_FORM_ROWS, VQL_CACHE_BF16, 900},  {VQL_FORM_ROWS, VQL_CACHE_INT16, 900},
    {VQL_FORM_ROWS, VQL_CACHE_INT8, 900},
};

enum {
    CASE_COUNT = sizeof CASES / sizeof CASES[0],
};

/* A model for a case: many items of few codewords lead to rows, few items of many to items. */
static catalog_fixture fixture_for(int which)
{
    model_spec spec = model_spec_default(14);
    if (CASES[which].form == VQL_FORM_ITEMS) {
        spec.items = 12;
        spec.codewords[0] = 40;
        spec.codewords[1] = 40;
    } else if (CASES[which].form == VQL_FORM_ROWS) {
        spec.items = 500;
    }
    return fixture_from_spec(&spec, ANY_TABLE);
}

/* A cache of a case's history, which has 10 events more. */
static vql_cache *cache_for(int which, const catalog_fixture *fixture, vql_cache_event **events)
{
    random_stream random = {14};
    const size_t count = CASES[which].count;
    *events = random_history(fixture, &random, count + 10, START_MS, YEAR_MS);
    vql_cache *cache = cache_in(fixture, CASES[which].format, *events, count);
    ck_assert_int_eq(vql_cache_form_of(cache), CASES[which].form);
    ck_assert_int_eq(vql_cache_format_of(cache), CASES[which].format);
    return cache;
}

static vql_code parse(const catalog_fixture *fixture, snapshot from, vql_cache **out)
{
    vql_error error;
    return vql_cache_parse(fixture->catalog, from.bytes, from.count, NULL, out, &error);
}

/* After parsing, all goes on the same, to the byte. */
START_TEST(test_round_trip)
{
    const size_t count = CASES[_i].count;
    catalog_fixture fixture = fixture_for(_i);
    vql_cache_event *events;
    vql_cache *cache = cache_for(_i, &fixture, &events);
    const snapshot form = snapshot_of(cache);
    vql_cache *parsed;
    ck_assert_int_eq(parse(&fixture, form, &parsed), VQL_OK);
    ck_assert_int_eq(vql_cache_form_of(parsed), CASES[_i].form);
    ck_assert_int_eq(vql_cache_format_of(parsed), CASES[_i].format);
    check_unchanged(parsed, form);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq(vql_cache_append(cache, events + count, 10), VQL_OK);
        ck_assert_int_eq(vql_cache_append(parsed, events + count, 10), VQL_OK);
        check_unchanged(parsed, snapshot_of(cache));
    }
    vql_cache_free(parsed);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_truncated_everywhere)
{
    catalog_fixture fixture = fixture_for(_i);
    vql_cache_event *events;
    vql_cache *cache = cache_for(_i, &fixture, &events);
    const snapshot form = snapshot_of(cache);
    for (size_t count = 0; count < form.count; count++) {
        snapshot cut = {.bytes = malloc(count + 1), .count = count};
        ck_assert_ptr_nonnull(cut.bytes);
        cut.bytes = realloc(cut.bytes, count > 0 ? count : 1);
        memcpy(cut.bytes, form.bytes, count);
        vql_cache *parsed;
        ck_assert_int_eq(parse(&fixture, cut, &parsed), VQL_FORMAT);
        free(cut.bytes);
    }
    free(form.bytes);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Uses a cache in every way that the values in it could spoil. */
static void exercise(const catalog_fixture *fixture, vql_cache *cache)
{
    const vql_cache_event event = {vql_cache_reference_ms(cache), 1, 0};
    float o[VQL_MAX_WIDTH];
    vql_scorer *scorer = scorer_of(fixture);
    vql_scorer_begin(scorer, cache, vql_cache_reference_ms(cache));
    vql_scorer_attention(scorer, item_id_of(fixture, 1), o);
    vql_scorer_free(scorer);
    vql_cache *copy;
    ck_assert_int_eq(vql_cache_clone(cache, &copy), VQL_OK);
    const vql_code code = vql_cache_append(cache, &event, 1);
    ck_assert(code == VQL_OK || code == VQL_VALUE);
    if (code == VQL_OK)
        ck_assert_int_eq(vql_cache_remove(cache, &event), VQL_OK);
    if (vql_cache_events(copy) < VQL_CACHE_MAX_EVENTS / 2)
        ck_assert_int_eq(vql_cache_merge(cache, copy), VQL_OK);
    free(snapshot_of(cache).bytes);
    vql_cache_free(copy);
}

START_TEST(test_corrupted_everywhere)
{
    static const uint8_t FLIPS[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    catalog_fixture fixture = fixture_for(_i);
    vql_cache_event *events;
    vql_cache *cache = cache_for(_i, &fixture, &events);
    const snapshot form = snapshot_of(cache);
    size_t refused = 0;
    for (size_t i = 0; i < form.count * sizeof FLIPS; i++) {
        uint8_t *byte = &form.bytes[i / sizeof FLIPS];
        *byte ^= FLIPS[i % sizeof FLIPS];
        vql_cache *parsed;
        if (parse(&fixture, form, &parsed) == VQL_OK) {
            exercise(&fixture, parsed);
            vql_cache_free(parsed);
        } else {
            refused++;
        }
        *byte ^= FLIPS[i % sizeof FLIPS];
    }
    ck_assert_uint_gt(refused, 30 * sizeof FLIPS);
    check_unchanged(cache, form);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* Puts a number of `bytes` bytes at an offset of a form and says what parsing it gives. */
static vql_code parse_with(const catalog_fixture *fixture, const vql_cache *cache, size_t offset,
                           uint64_t number, size_t bytes)
{
    const snapshot form = snapshot_of(cache);
    ck_assert_uint_le(offset + bytes, form.count);
    for (size_t i = 0; i < bytes; i++)
        form.bytes[offset + i] = (uint8_t)(number >> (8 * i));
    vql_cache *parsed = NULL;
    const vql_code code = parse(fixture, form, &parsed);
    vql_cache_free(parsed);
    free(form.bytes);
    return code;
}

/* The default shape: D = 12, G = 2, R = 3; cache_format.c has the offsets. */
START_TEST(test_what_is_refused_in_any_form)
{
    static const struct {
        size_t offset, bytes;
        uint64_t number;
        vql_code code;
    } CHANGES[] = {
        {0, 1, 'X', VQL_FORMAT},
        {4, 4, 1, VQL_VERSION},
        {4, 4, 4, VQL_VERSION},
        {8, 8, 1, VQL_MISMATCH},
        {16, 4, 13, VQL_MISMATCH},
        {20, 4, 4, VQL_MISMATCH},
        {24, 4, 2, VQL_MISMATCH},
        {28, 4, VQL_CACHE_FORMATS, VQL_VALUE},
        {32, 8, UINT64_MAX, VQL_VALUE},
        {40, 8, UINT64_MAX, VQL_VALUE},
        {56, 8, UINT64_MAX, VQL_VALUE},
        {64, 4, VQL_CACHE_MOST_EVENTS_KEPT + 1, VQL_VALUE},
        {68, 1, 7, VQL_VALUE},
        {69, 1, 0, VQL_VALUE},
        {69, 1, 9, VQL_VALUE},
        {70, 1, 3, VQL_VALUE},
        {71, 1, VQL_FORM_ROWS + 1, VQL_VALUE},
        {72, 4, UINT32_MAX, VQL_VALUE},
        {76, 8, INT64_MAX, VQL_VALUE},          /* a base after t_ref */
        {84, 8, 0x7ff8000000000000, VQL_VALUE}, /* a gain that is no number */
        {84, 8, 0x4008000000000000, VQL_VALUE}, /* 3 */
    };
    catalog_fixture fixture = fixture_for(_i);
    vql_cache_event *events;
    vql_cache *cache = cache_for(_i, &fixture, &events);
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        ck_assert_int_eq(
            parse_with(&fixture, cache, CHANGES[i].offset, CHANGES[i].number, CHANGES[i].bytes),
            CHANGES[i].code);
    }
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* One event: an item code of a byte and a time of five, relative to the base at 56. */
START_TEST(test_events_that_are_refused)
{
    enum { EVENT = 76 + 3 * 16, TIME = EVENT + 1 };
    catalog_fixture fixture = fixture_with_decays(17);
    const vql_cache_event event = {START_MS, 1, 0};
    const uint64_t codes = (uint64_t)fixture.shape->items * fixture.shape->event_types;
    ck_assert_uint_lt(codes, 256);
    vql_cache *cache = cache_of(&fixture, &event, 1);
    ck_assert_uint_eq(vql_cache_serialized_size(cache), TIME + 5);
    ck_assert_int_eq(parse_with(&fixture, cache, EVENT, codes - 1, 1), VQL_OK);
    ck_assert_int_eq(parse_with(&fixture, cache, EVENT, codes, 1), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, TIME, 0, 5), VQL_OK);
    ck_assert_int_eq(parse_with(&fixture, cache, TIME, UINT64_MAX, 5), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, 32, 0, 8), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, 32, 2, 8), VQL_VALUE);
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

/* The offset of a form's part with rows, which ends the form. */
static size_t rows_offset(const catalog_fixture *fixture, const vql_cache *cache, uint32_t *rows)
{
    const snapshot form = snapshot_of(cache);
    const size_t item_bytes = form.bytes[68];
    const size_t tail = form.bytes[64]; /* below 256 */
    const size_t offset = 76 + fixture->shape->kernels * 16 + tail * (item_bytes + form.bytes[69]);
    *rows =
        (uint32_t)__builtin_popcount(form.bytes[offset] | (unsigned)form.bytes[offset + 1] << 8);
    free(form.bytes);
    return offset;
}

/* K = (7, 5): rows for 12 codewords, each with three kernels of 6 numbers and an n. */
START_TEST(test_rows_that_are_refused)
{
    const vql_cache_format format = CASES[_i].format;
    catalog_fixture fixture = fixture_for(_i);
    vql_cache_event *events;
    vql_cache *cache = cache_for(_i, &fixture, &events);
    uint32_t rows;
    const size_t map = rows_offset(&fixture, cache, &rows);
    const size_t counts = map + 8;
    const size_t slices = counts + rows * 2; /* 900 events: counts of two bytes */
    ck_assert_int_eq(parse_with(&fixture, cache, map + 2, 1, 1), VQL_VALUE); /* position 16 */
    ck_assert_int_eq(parse_with(&fixture, cache, map, 0, 1), VQL_FORMAT);
    ck_assert_int_eq(parse_with(&fixture, cache, counts, 0, 2), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, counts, 1, 2), VQL_VALUE);
    if (format == VQL_CACHE_FP32) {
        const size_t first_n = slices + 6 * 4;
        const size_t last = vql_cache_serialized_size(cache) - 2;
        ck_assert_int_eq(parse_with(&fixture, cache, slices, 0x7f800000, 4), VQL_VALUE);
        ck_assert_int_eq(parse_with(&fixture, cache, slices, 0x7fc00000, 4), VQL_VALUE);
        ck_assert_int_eq(parse_with(&fixture, cache, first_n, 0xbf800000, 4), VQL_VALUE);
        ck_assert_int_eq(parse_with(&fixture, cache, first_n, 1, 4), VQL_VALUE);
        ck_assert_int_eq(parse_with(&fixture, cache, last, 0, 2), VQL_OK);
        ck_assert_int_eq(parse_with(&fixture, cache, last, 0x7f80, 2), VQL_VALUE); /* infinity */
        ck_assert_int_eq(parse_with(&fixture, cache, last, 0x7fc0, 2), VQL_VALUE); /* no number */
        ck_assert_int_eq(parse_with(&fixture, cache, last, 0x4780, 2), VQL_VALUE); /* 65536 */
    } else {
        const size_t n = slices + (format == VQL_CACHE_INT8    ? 7
                                   : format == VQL_CACHE_INT16 ? 13
                                                               : 12);
        ck_assert_int_eq(parse_with(&fixture, cache, n, 0x7f8000 << 1, 3), VQL_VALUE);
        ck_assert_int_eq(parse_with(&fixture, cache, n, 1, 3), VQL_VALUE);
        if (format == VQL_CACHE_BF16)
            ck_assert_int_eq(parse_with(&fixture, cache, slices, 0x7f80, 2), VQL_VALUE);
        else
            ck_assert_int_eq(parse_with(&fixture, cache, n - 1, 255, 1), VQL_VALUE);
        if (format == VQL_CACHE_INT8)
            ck_assert_int_eq(parse_with(&fixture, cache, slices, 0x80, 1), VQL_VALUE);
        if (format == VQL_CACHE_INT16)
            ck_assert_int_eq(parse_with(&fixture, cache, slices, 0x8000, 2), VQL_VALUE);
    }
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_another_model)
{
    catalog_fixture fixture = fixture_with_decays(20);
    catalog_fixture other = fixture_with_decays(21);
    const vql_cache_event event = {START_MS, 1, 0};
    vql_cache *cache = cache_of(&fixture, &event, 1);
    const snapshot form = snapshot_of(cache);
    vql_cache *parsed;
    ck_assert_int_eq(parse(&other, form, &parsed), VQL_MISMATCH);
    ck_assert_int_eq(vql_cache_parse(other.catalog, form.bytes, form.count, NULL, &parsed, NULL),
                     VQL_MISMATCH);
    free(form.bytes);
    vql_cache_free(cache);
    fixture_free(&other);
    fixture_free(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_format");
    TCase *tcase = tcase_create("cache_format");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_round_trip, 0, CASE_COUNT);
    tcase_add_loop_test(tcase, test_truncated_everywhere, 0, CASE_COUNT);
    tcase_add_loop_test(tcase, test_corrupted_everywhere, 0, CASE_COUNT);
    tcase_add_loop_test(tcase, test_what_is_refused_in_any_form, 0, CASE_COUNT);
    tcase_add_test(tcase, test_events_that_are_refused);
    tcase_add_loop_test(tcase, test_rows_that_are_refused, CASE_COUNT - 4, CASE_COUNT);
    tcase_add_test(tcase, test_another_model);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
