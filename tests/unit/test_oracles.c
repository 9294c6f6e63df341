/*
 * The oracles of vql.md §10 that do not need a trainer (1, 2, 3, 4, 6), on models of random shape
 * and on a trained one.
 *
 * "Relative error" of an attention output o of one head against the exact o*, over a history with
 * values v_l of that head, is
 *
 *     max_j |o_j - o*_j| / max(max_j |o*_j|, 0.01 · max_{l,j} |v_{l,j}|)
 *
 * The second term is for outputs that cancel to almost nothing: o is a weighted mean of the v_l,
 * and no sum of floats is exact below a fraction of their size.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "catalog_fixture.h"
#include "check_main.h"

static const double RELATIVE_TOLERANCE = 1e-5; /* oracle 1 */
static const double CANCELLED = 0.01;

static const int64_t DAY_MS = INT64_C(86400000);
static const int64_t START_MS = INT64_C(1600000000000);

enum {
    RANDOM_SHAPES = 24,
    LONG_HISTORY = 100000,
};

/* A history, and what every head's largest value in it is. */
typedef struct history {
    const catalog_fixture *fixture;
    const vql_cache_event *events;
    size_t count;
    double largest[VQL_MAX_HEADS];
} history;

static history history_of(const catalog_fixture *fixture, const vql_cache_event *events,
                          size_t count)
{
    const vql_shape *shape = fixture->shape;
    history made = {.fixture = fixture, .events = events, .count = count};
    for (size_t l = 0; l < count; l++) {
        double value[VQL_MAX_WIDTH];
        vql_reference_value(fixture->model, events[l].row, events[l].event_type, value);
        for (uint32_t j = 0; j < shape->width; j++) {
            double *largest = &made.largest[j / shape->head_width];
            *largest = fmax(*largest, fabs(value[j]));
        }
    }
    return made;
}

/* The largest relative error of any head. */
static double relative_error(const history *of, const double *o, const double *exact)
{
    const vql_shape *shape = of->fixture->shape;
    double most = 0.0;
    for (uint32_t h = 0; h < shape->heads; h++) {
        double error = 0.0;
        double scale = CANCELLED * of->largest[h];
        for (uint32_t j = h * shape->head_width; j < (h + 1) * shape->head_width; j++) {
            error = fmax(error, fabs(o[j] - exact[j]));
            scale = fmax(scale, fabs(exact[j]));
            ck_assert(isfinite(o[j]));
        }
        most = error > 0.0 ? fmax(most, error / scale) : most;
    }
    return most;
}

/* The exact attention output of a row (quantized keys), in float64. */
static void exact_attention(const history *of, uint32_t row, int64_t time_ms, double *o)
{
    ck_assert_int_eq(vql_reference_attention(of->fixture->model, of->events, of->count, row,
                                             time_ms, VQL_KEYS_QUANTIZED, o, NULL),
                     VQL_OK);
}

/* Compares what a cache gives for a row with the exact output, and returns the relative error. */
static double check_row(const history *of, vql_scorer *scorer, const vql_cache *cache, uint32_t row,
                        int64_t time_ms)
{
    double o[VQL_MAX_WIDTH];
    double exact[VQL_MAX_WIDTH];
    vql_scorer_begin(scorer, cache, time_ms);
    scorer_attention(of->fixture, scorer, row, o);
    exact_attention(of, row, time_ms, exact);
    const double error = relative_error(of, o, exact);
    ck_assert_msg(error <= RELATIVE_TOLERANCE, "row %u: relative error %g", row, error);
    return error;
}

/* Appends events in calls of a random number of them, up to `most`. */
static void append_in_pieces(vql_cache *cache, const vql_cache_event *events, size_t count,
                             uint32_t most, random_stream *random)
{
    for (size_t done = 0; done < count;) {
        const size_t wanted = 1 + random_below(random, most);
        const size_t piece = wanted < count - done ? wanted : count - done;
        ck_assert_int_eq(vql_cache_append(cache, events + done, piece), VQL_OK);
        done += piece;
    }
}

/* ---- 1: cached = direct quantized attention ---- */

START_TEST(test_cached_is_direct)
{
    static const size_t COUNTS[] = {1, 2, 17, 300, 2000};
    static const int64_t DAYS[] = {1, 30, 400, 10000};
    random_stream random = {(uint64_t)_i};
    const model_spec spec = model_spec_random((uint64_t)_i);
    catalog_fixture fixture = fixture_from_spec(&spec, _i % 2 == 0 ? ANY_TABLE : NO_TABLE);
    const size_t count = COUNTS[_i % 5];
    const int64_t span_ms = DAYS[_i % 4] * DAY_MS;
    vql_cache_event *events = random_history(&fixture, &random, count, START_MS, span_ms);
    const history of = history_of(&fixture, events, count);
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    append_in_pieces(cache, events, count, 50, &random);
    vql_scorer *scorer = scorer_of(&fixture);
    const int64_t last_ms = vql_cache_reference_ms(cache);
    check_row(&of, scorer, cache, 0, last_ms);
    check_row(&of, scorer, cache, random_below(&random, spec.items), last_ms + DAY_MS / 3);
    check_row(&of, scorer, cache, random_below(&random, spec.items), last_ms + 1000 * DAY_MS);
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* H, d, G, K_g, R odd and unequal; small, for the sake of the reference. */
static model_spec long_spec(uint64_t seed)
{
    model_spec spec = model_spec_default(seed);
    spec.items = 301;
    spec.heads = 9;
    spec.head_width = 3;
    spec.groups = 3;
    spec.codewords[0] = 37;
    spec.codewords[1] = 1;
    spec.codewords[2] = 5;
    spec.kernels = 3;
    return spec;
}

/* 100,000 events over three years, appended in pieces of up to `most`. */
static void check_long(const model_spec *spec, uint32_t most, const char *what)
{
    random_stream random = {spec->seed};
    catalog_fixture fixture = fixture_from_spec(spec, ANY_TABLE);
    vql_cache_event *events =
        random_history(&fixture, &random, LONG_HISTORY, START_MS, 1000 * DAY_MS);
    const history of = history_of(&fixture, events, LONG_HISTORY);
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    append_in_pieces(cache, events, LONG_HISTORY, most, &random);
    vql_scorer *scorer = scorer_of(&fixture);
    const int64_t last_ms = vql_cache_reference_ms(cache);
    double error = check_row(&of, scorer, cache, 0, last_ms);
    error = fmax(error, check_row(&of, scorer, cache, spec->items - 1, last_ms + 5 * DAY_MS));
    printf("%d events, %s: relative error %.2g\n", LONG_HISTORY, what, error);
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}

START_TEST(test_long_history)
{
    const model_spec spec = long_spec(2 + (uint64_t)_i);
    check_long(&spec, _i == 0 ? 1 : 4000, "K = (37, 1, 5)");
}
END_TEST

/* Relative errors of rows of fewer bits, after so many events in so few codewords. */
static const double FORMAT_TOLERANCE[VQL_CACHE_FORMATS] = {
    [VQL_CACHE_FP32] = 1e-5,
    [VQL_CACHE_BF16] = 0.05,
    [VQL_CACHE_INT16] = 0.002,
    [VQL_CACHE_INT8] = 0.05,
};

/*
 * 1,000,000 events, 40 at a time: in the end, addends of a small part of a step of the sums.
 * Rounded to nearest they would be lost, and the error of 8 bits above 0.2.
 */
START_TEST(test_a_million_appends)
{
    enum { EVENTS = 1000000, ITEMS = 300, AT_ONCE = 40 };
    const vql_cache_format format = (vql_cache_format)_i;
    random_stream random = {77};
    model_spec spec = long_spec(77);
    spec.items = ITEMS;
    catalog_fixture fixture = fixture_from_spec(&spec, ANY_TABLE);
    vql_cache_event *events = random_history(&fixture, &random, EVENTS, START_MS, 1000 * DAY_MS);
    vql_cache *cache = cache_in(&fixture, format, events, 0);
    vql_cache *exact = cache_of(&fixture, events, 0);
    for (size_t done = 0; done < EVENTS; done += AT_ONCE)
        ck_assert_int_eq(vql_cache_append(cache, events + done, AT_ONCE), VQL_OK);
    ck_assert_int_eq(vql_cache_append(exact, events, EVENTS), VQL_OK);
    ck_assert_int_eq(vql_cache_form_of(cache), VQL_FORM_ROWS);
    const history of = history_of(&fixture, events, 1000);
    vql_scorer *scorer = scorer_of(&fixture);
    const int64_t time_ms = vql_cache_reference_ms(cache);
    double error = 0.0;
    for (uint32_t row = 0; row < 20; row++) {
        double o[VQL_MAX_WIDTH];
        double expected[VQL_MAX_WIDTH];
        vql_scorer_begin(scorer, cache, time_ms);
        scorer_attention(&fixture, scorer, row, o);
        vql_scorer_begin(scorer, exact, time_ms);
        scorer_attention(&fixture, scorer, row, expected);
        for (uint32_t j = 0; j < fixture.shape->width; j++)
            error = fmax(error, fabs(o[j] - expected[j]) / of.largest[j / 3]);
    }
    printf("%d appends, format %d: error %.2g of the largest value\n", EVENTS, _i, error);
    ck_assert_double_le(error, FORMAT_TOLERANCE[format]);
    vql_scorer_free(scorer);
    vql_cache_free(exact);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_long_history_of_one_codeword)
{
    model_spec spec = long_spec(4 + (uint64_t)_i);
    spec.groups = 1;
    spec.codewords[0] = 1;
    check_long(&spec, 100, "K = 1");
}
END_TEST

/* Every addend the same: what rounds the same way each time adds up. */
START_TEST(test_long_history_of_few_items)
{
    model_spec spec = long_spec(6);
    spec.items = 1 + (uint32_t)_i;
    spec.event_types = 1;
    check_long(&spec, 10, "few items");
}
END_TEST

/* ---- 2: any split, any order ---- */

/* Splits events among `parts` caches and merges them. */
static vql_cache *merged(const catalog_fixture *fixture, const vql_cache_event *events,
                         size_t count, size_t parts)
{
    vql_cache *whole = cache_of(fixture, NULL, 0);
    for (size_t p = 0; p < parts; p++) {
        const size_t first = count * p / parts;
        vql_cache *part = cache_of(fixture, events + first, count * (p + 1) / parts - first);
        ck_assert_int_eq(vql_cache_merge(whole, part), VQL_OK);
        vql_cache_free(part);
    }
    return whole;
}

static void check_same(const history *of, const vql_cache *expected, const vql_cache *cache)
{
    const catalog_fixture *fixture = of->fixture;
    ck_assert_uint_eq(vql_cache_events(cache), vql_cache_events(expected));
    ck_assert_int_eq(vql_cache_reference_ms(cache), vql_cache_reference_ms(expected));
    for (uint32_t g = 0; g < fixture->shape->groups; g++)
        ck_assert_uint_eq(vql_cache_occupied(cache, g), vql_cache_occupied(expected, g));
    vql_scorer *scorer = scorer_of(fixture);
    const int64_t time_ms = vql_cache_reference_ms(cache) + DAY_MS / 7;
    for (uint32_t row = 0; row < fixture->shape->items && row < 5; row++) {
        double o[VQL_MAX_WIDTH];
        double other[VQL_MAX_WIDTH];
        vql_scorer_begin(scorer, expected, time_ms);
        scorer_attention(fixture, scorer, row, o);
        vql_scorer_begin(scorer, cache, time_ms);
        scorer_attention(fixture, scorer, row, other);
        ck_assert_double_le(relative_error(of, other, o), RELATIVE_TOLERANCE);
    }
    check_row(of, scorer, cache, 0, time_ms);
    vql_scorer_free(scorer);
}

static int by_time_descending(const void *a, const void *b)
{
    const int64_t left = ((const vql_cache_event *)a)->time_ms;
    const int64_t right = ((const vql_cache_event *)b)->time_ms;
    return (left < right) - (left > right);
}

START_TEST(test_any_split_and_order)
{
    random_stream random = {100 + (uint64_t)_i};
    const model_spec spec = model_spec_random(100 + (uint64_t)_i);
    catalog_fixture fixture = fixture_from_spec(&spec, ANY_TABLE);
    const size_t count = 20 + random_below(&random, 500);
    vql_cache_event *events =
        random_history(&fixture, &random, count, START_MS, (1 + _i * _i) * 10 * DAY_MS);
    const history of = history_of(&fixture, events, count);
    vql_cache *expected = cache_of(&fixture, events, count);
    for (int way = 0; way < 6; way++) {
        vql_cache *cache;
        if (way < 2)
            shuffle(events, count, &random);
        else if (way == 2)
            qsort(events, count, sizeof *events, by_time_descending);
        if (way >= 4) {
            cache = merged(&fixture, events, count, way == 4 ? 2 : 7);
        } else {
            cache = cache_of(&fixture, NULL, 0);
            append_in_pieces(cache, events, count, way % 2 == 0 ? 1 : 60, &random);
        }
        check_same(&of, expected, cache);
        vql_cache_free(cache);
    }
    vql_cache_free(expected);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* ---- 3: every distinct key a codeword ---- */

/* A model whose codebooks are the keys of all its items and event types. */
static vql_model *model_of_all_keys(uint64_t seed)
{
    model_spec spec = model_spec_default(seed);
    const uint32_t keys = spec.items * spec.event_types;
    spec.codewords[0] = keys;
    spec.codewords[1] = keys;
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    const vql_shape *shape = vql_model_shape(model);
    float *codebooks[] = {model_writer_floats(writer, "codebook.0"),
                          model_writer_floats(writer, "codebook.1")};
    for (uint32_t k = 0; k < keys; k++) {
        double key[VQL_MAX_WIDTH];
        vql_reference_key(model, k / spec.event_types, k % spec.event_types, key);
        for (uint32_t j = 0; j < shape->width; j++) {
            const uint32_t column = j % shape->group_width;
            codebooks[j / shape->group_width][k * shape->group_width + column] = (float)key[j];
        }
    }
    vql_model_free(model);
    model = model_writer_parse(writer);
    model_writer_free(writer);
    return model;
}

START_TEST(test_all_keys_are_codewords)
{
    random_stream random = {200 + (uint64_t)_i};
    catalog_fixture fixture = fixture_from_model(model_of_all_keys((uint64_t)_i), ANY_TABLE);
    const size_t count = 500;
    vql_cache_event *events = random_history(&fixture, &random, count, START_MS, 100 * DAY_MS);
    const history of = history_of(&fixture, events, count);
    vql_cache *cache = cache_of(&fixture, events, count);
    vql_scorer *scorer = scorer_of(&fixture);
    const int64_t time_ms = vql_cache_reference_ms(cache);
    vql_scorer_begin(scorer, cache, time_ms);
    for (uint32_t row = 0; row < fixture.shape->items; row++) {
        double o[VQL_MAX_WIDTH];
        double exact[VQL_MAX_WIDTH];
        scorer_attention(&fixture, scorer, row, o);
        ck_assert_int_eq(vql_reference_attention(fixture.model, events, count, row, time_ms,
                                                 VQL_KEYS_EXACT, exact, NULL),
                         VQL_OK);
        ck_assert_double_le(relative_error(&of, o, exact), RELATIVE_TOLERANCE);
    }
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    free(events);
    fixture_free(&fixture);
}
END_TEST

/* ---- 4: the bound of §9 ---- */

/* diam{v_l} per head, Euclidean. */
static void diameters(const history *of, double *diameter)
{
    const vql_shape *shape = of->fixture->shape;
    double *values = malloc(of->count * shape->width * sizeof *values);
    ck_assert_ptr_nonnull(values);
    memset(diameter, 0, shape->heads * sizeof *diameter);
    for (size_t l = 0; l < of->count; l++) {
        const double *value = values + l * shape->width;
        vql_reference_value(of->fixture->model, of->events[l].row, of->events[l].event_type,
                            values + l * shape->width);
        for (size_t m = 0; m < l; m++) {
            const double *other = values + m * shape->width;
            for (uint32_t h = 0; h < shape->heads; h++) {
                double squares = 0.0;
                for (uint32_t j = h * shape->head_width; j < (h + 1) * shape->head_width; j++)
                    squares += (value[j] - other[j]) * (value[j] - other[j]);
                diameter[h] = fmax(diameter[h], sqrt(squares));
            }
        }
    }
    free(values);
}

/* ‖a - b‖ of one head. */
static double head_distance(const vql_shape *shape, uint32_t head, const double *a, const double *b)
{
    double squares = 0.0;
    for (uint32_t j = head * shape->head_width; j < (head + 1) * shape->head_width; j++)
        squares += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(squares);
}

/*
 * Checks the bound for one row; raises *closest to the largest share of the bound that was reached
 * and *farthest to the largest distance.
 */
static void check_bound(const history *of, vql_scorer *scorer, uint32_t row, int64_t time_ms,
                        const double *diameter, double *closest, double *farthest)
{
    const vql_shape *shape = of->fixture->shape;
    const vql_model *model = of->fixture->model;
    double exact[VQL_MAX_WIDTH];
    double quantized[VQL_MAX_WIDTH];
    double served[VQL_MAX_WIDTH];
    double epsilon[VQL_MAX_HEADS];
    ck_assert_int_eq(vql_reference_attention(model, of->events, of->count, row, time_ms,
                                             VQL_KEYS_EXACT, exact, epsilon),
                     VQL_OK);
    exact_attention(of, row, time_ms, quantized);
    scorer_attention(of->fixture, scorer, row, served);
    for (uint32_t h = 0; h < shape->heads; h++) {
        const double bound = tanh(epsilon[h] / 2.0) * diameter[h];
        const double rounding = RELATIVE_TOLERANCE * of->largest[h] * shape->head_width;
        const double distance = head_distance(shape, h, quantized, exact);
        ck_assert_double_le(distance, bound + 1e-12 * of->largest[h]);
        ck_assert_double_le(head_distance(shape, h, served, exact), bound + rounding);
        *closest = bound > 0.0 ? fmax(*closest, distance / bound) : *closest;
        *farthest = fmax(*farthest, distance);
    }
}

static void check_bounds(const catalog_fixture *fixture, uint64_t seed, const char *what)
{
    random_stream random = {seed};
    const size_t count = 200;
    vql_cache_event *events = random_history(fixture, &random, count, START_MS, 300 * DAY_MS);
    const history of = history_of(fixture, events, count);
    vql_cache *cache = cache_of(fixture, events, count);
    vql_scorer *scorer = scorer_of(fixture);
    double diameter[VQL_MAX_HEADS];
    double closest = 0.0;
    double farthest = 0.0;
    const int64_t time_ms = vql_cache_reference_ms(cache) + DAY_MS;
    diameters(&of, diameter);
    vql_scorer_begin(scorer, cache, time_ms);
    for (int n = 0; n < 10; n++) {
        check_bound(&of, scorer, random_below(&random, fixture->shape->items), time_ms, diameter,
                    &closest, &farthest);
    }
    printf("the bound of §9, %s: up to %.2g of it reached\n", what, closest);
    ck_assert_double_gt(farthest, 0.0);
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    free(events);
}

START_TEST(test_bound_of_random_models)
{
    model_spec spec = model_spec_random((uint64_t)_i);
    spec.items += 10;
    catalog_fixture fixture = fixture_from_spec(&spec, ANY_TABLE);
    check_bounds(&fixture, (uint64_t)_i, "a random model");
    fixture_free(&fixture);
}
END_TEST

START_TEST(test_bound_of_a_trained_model)
{
    catalog_fixture fixture =
        fixture_from_file(VQL_SOURCE_DIR "/tests/golden/retail.safetensors", ANY_TABLE);
    check_bounds(&fixture, 1, "a trained model");
    fixture_free(&fixture);
}
END_TEST

/* ---- 6: events of equal times ---- */

START_TEST(test_equal_times_have_no_order)
{
    random_stream random = {300 + (uint64_t)_i};
    const model_spec spec = model_spec_random(300 + (uint64_t)_i);
    catalog_fixture fixture = fixture_from_spec(&spec, ANY_TABLE);
    const size_t count = 400;
    const size_t moment = 80; /* events at one time */
    vql_cache_event *events = random_history(&fixture, &random, count, START_MS, 1);
    for (size_t i = 0; i < count; i++)
        events[i].time_ms += (int64_t)(i / moment) * 11 * DAY_MS;
    const history of = history_of(&fixture, events, count);
    double before[VQL_MAX_WIDTH];
    double after[VQL_MAX_WIDTH];
    exact_attention(&of, 0, START_MS, before);
    vql_cache *expected = cache_of(&fixture, NULL, 0);
    append_in_pieces(expected, events, count, 1, &random);
    for (size_t first = 0; first < count; first += moment)
        shuffle(events + first, moment, &random);
    exact_attention(&of, 0, START_MS, after);
    ck_assert_double_le(relative_error(&of, after, before), 1e-12);
    vql_cache *cache = cache_of(&fixture, NULL, 0);
    append_in_pieces(cache, events, count, 1, &random);
    check_same(&of, expected, cache);
    vql_cache_free(cache);
    vql_cache_free(expected);
    free(events);
    fixture_free(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oracles");
    TCase *tcase = tcase_create("oracles");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, test_cached_is_direct, 0, RANDOM_SHAPES);
    tcase_add_loop_test(tcase, test_long_history, 0, 2);
    tcase_add_loop_test(tcase, test_long_history_of_one_codeword, 0, 2);
    tcase_add_loop_test(tcase, test_long_history_of_few_items, 0, 3);
    tcase_add_loop_test(tcase, test_a_million_appends, 0, VQL_CACHE_FORMATS);
    tcase_add_loop_test(tcase, test_any_split_and_order, 0, RANDOM_SHAPES);
    tcase_add_loop_test(tcase, test_all_keys_are_codewords, 0, 3);
    tcase_add_loop_test(tcase, test_bound_of_random_models, 0, 6);
    tcase_add_test(tcase, test_bound_of_a_trained_model);
    tcase_add_loop_test(tcase, test_equal_times_have_no_order, 0, 6);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
