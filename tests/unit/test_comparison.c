/*
 * What can be looked at of a score: the codewords that a cache has in use and what attention makes
 * of them, and exact against quantized attention, against the float64 reference.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "catalog_fixture.h"
#include "check_main.h"
#include "failing_allocator.h"
#include "vql/comparison.h"
#include "vql/occupancy.h"

/* The catalog's queries and values are float32; so are what is told of outputs. */
static const double TOLERANCE = 2e-5;
/* Sums of a cache in float32, relative to the largest. */
static const double MASS_TOLERANCE = 1e-5;

static const int64_t DAY_MS = INT64_C(86400000);
static const int64_t START_MS = INT64_C(1600000000000);

enum { SHAPES = 12 };

static const size_t COUNTS[] = {1, 40, 700, 3000};

typedef struct history {
    catalog_fixture fixture;
    vql_cache_event *events;
    size_t count;
    vql_cache *cache;
} history;

static history make_history(int seed)
{
    random_stream random = {(uint64_t)seed};
    const model_spec spec = model_spec_random((uint64_t)seed);
    history made = {.fixture = fixture_from_spec(&spec, NO_TABLE), .count = COUNTS[seed % 4]};
    made.events = random_history(&made.fixture, &random, made.count, START_MS, 60 * DAY_MS);
    made.cache = cache_of(&made.fixture, made.events, made.count);
    return made;
}

static void free_history(history *of)
{
    vql_cache_free(of->cache);
    free(of->events);
    fixture_free(&of->fixture);
}

static vql_comparison *compare(const history *of, uint32_t row, int64_t time_ms, size_t top)
{
    const vql_comparison_request request = {row, time_ms, of->events, of->count, top};
    vql_comparison *made;
    ck_assert_int_eq(vql_comparison_new(of->fixture.catalog, &request, NULL, &made), VQL_OK);
    return made;
}

/* ---- against the reference ---- */

static void check_output(const history *of, uint32_t row, int64_t time_ms, vql_reference_keys keys,
                         const float *o, double *epsilon)
{
    double expected[VQL_MAX_WIDTH];
    ck_assert_int_eq(vql_reference_attention(of->fixture.model, of->events, of->count, row, time_ms,
                                             keys, expected, epsilon),
                     VQL_OK);
    double most = 1e-3;
    for (uint32_t j = 0; j < of->fixture.shape->width; j++)
        most = fmax(most, fabs(expected[j]));
    for (uint32_t j = 0; j < of->fixture.shape->width; j++)
        ck_assert_double_le(fabs((double)o[j] - expected[j]), TOLERANCE * most);
}

START_TEST(test_reference)
{
    history of = make_history(_i);
    const int64_t time_ms = START_MS + (_i % 3) * 200 * DAY_MS;
    const uint32_t row = (uint32_t)_i % of.fixture.shape->items;
    vql_comparison *made = compare(&of, row, time_ms, 5);
    double epsilon[VQL_MAX_HEADS];
    check_output(&of, row, time_ms, VQL_KEYS_EXACT, made->exact, NULL);
    check_output(&of, row, time_ms, VQL_KEYS_QUANTIZED, made->quantized, epsilon);
    for (uint32_t h = 0; h < of.fixture.shape->heads; h++) {
        const vql_compared_head *head = &made->heads[h];
        ck_assert_double_le(fabs(head->epsilon - epsilon[h]), TOLERANCE * fmax(1.0, epsilon[h]));
        ck_assert_double_le(head->shift, head->shift_bound + 1e-12);
        ck_assert_double_le(head->error, head->error_bound + 1e-12);
        ck_assert_double_le(head->shift_bound, 2.0);
    }
    vql_comparison_free(made);
    free_history(&of);
}
END_TEST

/* All pairs, without the order that lets the comparison leave most of them out. */
START_TEST(test_diameter)
{
    history of = make_history(_i);
    const vql_shape *shape = of.fixture.shape;
    float one[VQL_MAX_WIDTH], other[VQL_MAX_WIDTH];
    double most[VQL_MAX_HEADS] = {0.0};
    of.count = of.count < 200 ? of.count : 200;
    for (size_t a = 0; a < of.count; a++)
        for (size_t b = a; b < of.count; b++) {
            vql_catalog_value(of.fixture.catalog, of.events[a].row, of.events[a].event_type, one);
            vql_catalog_value(of.fixture.catalog, of.events[b].row, of.events[b].event_type, other);
            double squares[VQL_MAX_HEADS] = {0.0};
            for (uint32_t j = 0; j < shape->width; j++)
                squares[j / shape->head_width] +=
                    ((double)one[j] - (double)other[j]) * ((double)one[j] - (double)other[j]);
            for (uint32_t h = 0; h < shape->heads; h++)
                most[h] = fmax(most[h], sqrt(squares[h]));
        }
    vql_comparison *made = compare(&of, 0, START_MS, 0);
    ck_assert_uint_eq(made->top_count, 0);
    for (uint32_t h = 0; h < shape->heads; h++)
        ck_assert_double_le(fabs(made->heads[h].diameter - most[h]), 1e-9 * (1.0 + most[h]));
    vql_comparison_free(made);
    free_history(&of);
}
END_TEST

START_TEST(test_top_is_sorted)
{
    history of = make_history(_i);
    const uint32_t heads = of.fixture.shape->heads;
    vql_comparison *all = compare(&of, 0, START_MS, of.count + 7);
    vql_comparison *some = compare(&of, 0, START_MS, 3);
    double sum = 0.0;
    ck_assert_uint_eq(all->top_count, of.count);
    for (size_t i = 0; i < all->top_count; i++) {
        double mean = 0.0;
        for (uint32_t h = 0; h < heads; h++)
            mean += all->top_exact[i * heads + h] / heads;
        ck_assert_double_eq_tol(mean, all->top[i].exact, 1e-12);
        ck_assert(i == 0 || all->top[i].exact <= all->top[i - 1].exact);
        sum += all->top[i].exact;
    }
    ck_assert_double_eq_tol(sum, 1.0, 1e-9);
    for (size_t i = 0; i < some->top_count; i++)
        ck_assert_double_eq(some->top[i].exact, all->top[i].exact);
    vql_comparison_free(some);
    vql_comparison_free(all);
    free_history(&of);
}
END_TEST

START_TEST(test_no_events)
{
    history of = make_history(3);
    of.count = 0;
    vql_comparison *made = compare(&of, 0, START_MS, 8);
    ck_assert_uint_eq(made->top_count, 0);
    for (uint32_t j = 0; j < of.fixture.shape->width; j++)
        ck_assert(made->exact[j] == 0.0f && made->quantized[j] == 0.0f);
    vql_comparison_free(made);
    free_history(&of);
}
END_TEST

/* ---- codewords ---- */

static vql_occupancy *occupancy_of(const history *of)
{
    vql_occupancy *made;
    ck_assert_int_eq(vql_occupancy_new(of->cache, NULL, &made), VQL_OK);
    return made;
}

/* The index of a codeword of an event in a group. */
static size_t find_codeword(const history *of, const vql_occupancy *in, size_t l, uint32_t group)
{
    const uint32_t code =
        vql_catalog_codes(of->fixture.catalog, of->events[l].row, of->events[l].event_type)[group];
    for (size_t i = in->starts[group]; i < in->starts[group + 1]; i++)
        if (in->codewords[i].code == code)
            return i;
    ck_abort_msg("codeword %u of group %u is not there", code, group);
    return 0;
}

START_TEST(test_codewords)
{
    history of = make_history(_i);
    const vql_shape *shape = of.fixture.shape;
    const int64_t reference_ms = vql_cache_reference_ms(of.cache);
    vql_occupancy *made = occupancy_of(&of);
    double *masses = calloc(made->count * shape->kernels, sizeof *masses);
    uint64_t *events = calloc(made->count, sizeof *events);
    for (size_t l = 0; l < of.count; l++)
        for (uint32_t g = 0; g < shape->groups; g++) {
            const size_t at = find_codeword(&of, made, l, g);
            const double hours = (double)(reference_ms - of.events[l].time_ms) / 3.6e6;
            events[at]++;
            for (uint32_t r = 0; r < shape->kernels; r++)
                masses[at * shape->kernels + r] +=
                    exp(-vql_model_decay(of.fixture.model, r) * hours);
        }
    for (uint32_t g = 0; g < shape->groups; g++)
        ck_assert_uint_eq(made->starts[g + 1] - made->starts[g], vql_cache_occupied(of.cache, g));
    for (size_t i = 0; i < made->count; i++)
        ck_assert_uint_eq(made->codewords[i].events, events[i]);
    for (size_t i = 0; i < made->count * shape->kernels; i++)
        ck_assert_double_le(fabs(made->masses[i] - masses[i]),
                            MASS_TOLERANCE * fmax(masses[i], 1e-3));
    free(events);
    free(masses);
    vql_occupancy_free(made);
    free_history(&of);
}
END_TEST

/* A codeword weighs what the events that have it weigh together. */
START_TEST(test_weights)
{
    history of = make_history(_i);
    const vql_shape *shape = of.fixture.shape;
    const uint32_t heads = shape->heads / shape->groups;
    const int64_t reference_ms = vql_cache_reference_ms(of.cache);
    const int64_t time_ms = reference_ms + (_i % 3) * 1000 * DAY_MS;
    const uint32_t row = (uint32_t)(_i * 7) % shape->items;
    vql_occupancy *in = occupancy_of(&of);
    double *numbers = calloc(4 * in->count * heads, sizeof *numbers);
    double *memories = numbers + in->count * heads;
    double *logits = memories + in->count * heads;
    double *weights = logits + in->count * heads;
    vql_occupancy_weigh(in, of.fixture.catalog, row, reference_ms, time_ms, memories, logits,
                        weights);
    vql_comparison *all = compare(&of, row, time_ms, of.count);
    for (size_t i = 0; i < all->top_count; i++)
        for (uint32_t h = 0; h < shape->heads; h++)
            numbers[find_codeword(&of, in, all->top[i].index, h / heads) * heads + h % heads] +=
                all->top_quantized[i * shape->heads + h];
    for (size_t i = 0; i < in->count * heads; i++) {
        ck_assert(isfinite(logits[i]) && memories[i] >= 0.0 && memories[i] <= 1.0 + 1e-12);
        ck_assert_double_eq_tol(weights[i], numbers[i], 1e-4);
    }
    vql_comparison_free(all);
    free(numbers);
    vql_occupancy_free(in);
    free_history(&of);
}
END_TEST

/* The head alone, on the scorer's own outputs, gives the scorer's logits. */
START_TEST(test_head_alone)
{
    history of = make_history(_i);
    vql_scorer *scorer = scorer_of(&of.fixture);
    float o[VQL_MAX_WIDTH], logits[VQL_MAX_TASKS], again[VQL_MAX_TASKS];
    vql_scorer_begin(scorer, of.cache, START_MS);
    for (uint32_t row = 0; row < of.fixture.shape->items && row < 5; row++) {
        const uint64_t id = item_id_of(&of.fixture, row);
        vql_scorer_attention(scorer, id, o);
        (void)vql_scorer_logits(scorer, &id, 1, logits);
        vql_scorer_apply_head(scorer, id, o, again);
        for (uint32_t t = 0; t < of.fixture.shape->tasks; t++)
            ck_assert_float_eq(logits[t], again[t]);
    }
    vql_scorer_free(scorer);
    free_history(&of);
}
END_TEST

START_TEST(test_no_memory)
{
    history of = make_history(1);
    const vql_comparison_request request = {1, START_MS, of.events, of.count, 4};
    failing_allocator failing;
    vql_occupancy *occupancy = NULL;
    vql_comparison *comparison = NULL;
    vql_code code = VQL_NO_MEMORY;
    for (size_t i = 0; code != VQL_OK; i++) {
        failing_allocator_init(&failing, i);
        code = vql_occupancy_new(of.cache, &failing.allocator, &occupancy);
        ck_assert(code == VQL_OK || (code == VQL_NO_MEMORY && failing.live == 0));
    }
    vql_occupancy_free(occupancy);
    code = VQL_NO_MEMORY;
    for (size_t i = 0; code != VQL_OK; i++) {
        failing_allocator_init(&failing, i);
        code = vql_comparison_new(of.fixture.catalog, &request, &failing.allocator, &comparison);
        ck_assert(code == VQL_OK || (code == VQL_NO_MEMORY && failing.live == 0));
    }
    vql_comparison_free(comparison);
    free_history(&of);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("comparison");
    TCase *tcase = tcase_create("comparison");
    tcase_add_loop_test(tcase, test_reference, 0, SHAPES);
    tcase_add_loop_test(tcase, test_diameter, 0, 4);
    tcase_add_loop_test(tcase, test_top_is_sorted, 0, SHAPES);
    tcase_add_test(tcase, test_no_events);
    tcase_add_loop_test(tcase, test_codewords, 0, SHAPES);
    tcase_add_loop_test(tcase, test_weights, 0, SHAPES);
    tcase_add_loop_test(tcase, test_head_alone, 0, SHAPES);
    tcase_add_test(tcase, test_no_memory);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
