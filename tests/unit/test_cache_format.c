/*
 * The serialized form of a cache: what comes back, and that everything else is refused, or gives a
 * cache that is safe to use.
 */
#include <check.h>
#include <string.h>

#include "cache_checks.h"
#include "check_main.h"

static vql_code parse(const catalog_fixture *fixture, snapshot from, vql_cache **out)
{
    vql_error error;
    return vql_cache_parse(fixture->catalog, from.bytes, from.count, NULL, out, &error);
}

/* An empty cache, a plain one, and one with remainders: after parsing, all goes on the same. */
START_TEST(test_round_trip)
{
    static const size_t COUNTS[] = {0, 1, 50, 400};
    const size_t count = COUNTS[_i];
    catalog_fixture fixture = fixture_with_decays(14);
    random_stream random = {14};
    vql_cache_event *events = random_history(&fixture, &random, count + 10, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, count);
    const snapshot form = snapshot_of(cache);
    vql_cache *parsed;
    ck_assert_int_eq(parse(&fixture, form, &parsed), VQL_OK);
    free(form.bytes);
    ck_assert_int_eq(vql_cache_append(cache, events + count, 10), VQL_OK);
    ck_assert_int_eq(vql_cache_append(parsed, events + count, 10), VQL_OK);
    check_unchanged(parsed, snapshot_of(cache));
    check_attention(&fixture, parsed, events, count + 10, START_MS + YEAR_MS);
    vql_cache_free(parsed);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_truncated_everywhere)
{
    catalog_fixture fixture = fixture_with_decays(15);
    random_stream random = {15};
    vql_cache_event *events = random_history(&fixture, &random, 300, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, _i == 0 ? 3 : 300);
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
    catalog_fixture fixture = fixture_with_decays(16);
    random_stream random = {16};
    vql_cache_event *events = random_history(&fixture, &random, 300, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, _i == 0 ? 3 : 300);
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
    ck_assert_uint_gt(refused, 48 * sizeof FLIPS / 2);
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

/* The default shape: D = 12, G = 2, R = 3, D_g = 6, K = (7, 5); cache_format.c has the offsets. */
START_TEST(test_what_is_refused)
{
    enum { BASES = 48, ROWS = BASES + 3 * 8, CODES = ROWS + 2 * 4 };
    catalog_fixture fixture = fixture_with_decays(17);
    const vql_cache_event event = {START_MS, 1, 0};
    vql_cache *cache = cache_of(&fixture, &event, 1);
    const size_t counts = CODES + 2 * 2;
    const size_t sums = counts + 2 * 4;
    const size_t first_n = sums + 6 * 4;
    ck_assert_int_eq(parse_with(&fixture, cache, BASES, START_MS, 8), VQL_OK);
    ck_assert_int_eq(parse_with(&fixture, cache, 0, 'X', 1), VQL_FORMAT);
    ck_assert_int_eq(parse_with(&fixture, cache, 4, 2, 4), VQL_VERSION);
    ck_assert_int_eq(parse_with(&fixture, cache, 8, 1, 8), VQL_MISMATCH);
    ck_assert_int_eq(parse_with(&fixture, cache, 16, 13, 4), VQL_MISMATCH);
    ck_assert_int_eq(parse_with(&fixture, cache, 20, 4, 4), VQL_MISMATCH);
    ck_assert_int_eq(parse_with(&fixture, cache, 24, 2, 4), VQL_MISMATCH);
    ck_assert_int_eq(parse_with(&fixture, cache, 28, 2, 4), VQL_FORMAT);
    ck_assert_int_eq(parse_with(&fixture, cache, 28, 1, 4), VQL_FORMAT);
    ck_assert_int_eq(parse_with(&fixture, cache, 32, 2, 8), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, 32, UINT64_MAX, 8), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, 40, UINT64_MAX, 8), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, BASES, START_MS + 1, 8), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, ROWS, 8, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, ROWS, 2, 4), VQL_FORMAT);
    ck_assert_int_eq(parse_with(&fixture, cache, CODES, 7, 2), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, CODES + 2, 5, 2), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, counts, 0, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, counts, 2, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, sums, 0x7f800000, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, sums, 0x7fc00000, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, first_n, 0xbf800000, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, first_n, 1, 4), VQL_VALUE);
    ck_assert_int_eq(parse_with(&fixture, cache, first_n, 0, 4), VQL_OK);
    vql_cache_free(cache);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_codes_must_ascend)
{
    enum { CODES = 48 + 3 * 8 + 2 * 4 };
    catalog_fixture fixture = fixture_with_decays(18);
    random_stream random = {18};
    vql_cache_event *events = random_history(&fixture, &random, 300, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, 300);
    ck_assert_uint_gt(vql_cache_occupied(cache, 0), 1);
    const snapshot form = snapshot_of(cache);
    const uint64_t first = form.bytes[CODES];
    free(form.bytes);
    ck_assert_int_eq(parse_with(&fixture, cache, CODES, first, 2), VQL_OK);
    ck_assert_int_eq(parse_with(&fixture, cache, CODES + 2, first, 2), VQL_VALUE);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_remainders_are_small)
{
    catalog_fixture fixture = fixture_with_decays(19);
    random_stream random = {19};
    vql_cache_event *events = random_history(&fixture, &random, 300, START_MS, YEAR_MS);
    vql_cache *cache = cache_of(&fixture, events, 300);
    const size_t last = vql_cache_serialized_size(cache) - 2;
    ck_assert_int_eq(parse_with(&fixture, cache, last, 0, 2), VQL_OK);
    ck_assert_int_eq(parse_with(&fixture, cache, last, 0x7f80, 2), VQL_VALUE); /* infinity */
    ck_assert_int_eq(parse_with(&fixture, cache, last, 0x7fc0, 2), VQL_VALUE); /* not a number */
    ck_assert_int_eq(parse_with(&fixture, cache, last, 0x4780, 2), VQL_VALUE); /* 65536 */
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
    tcase_add_loop_test(tcase, test_round_trip, 0, 4);
    tcase_add_loop_test(tcase, test_truncated_everywhere, 0, 2);
    tcase_add_loop_test(tcase, test_corrupted_everywhere, 0, 2);
    tcase_add_test(tcase, test_what_is_refused);
    tcase_add_test(tcase, test_codes_must_ascend);
    tcase_add_test(tcase, test_remainders_are_small);
    tcase_add_test(tcase, test_another_model);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
