/*
 * The scorer: edge cases of a request, and that neither how the work is cut nor which of its two
 * ways to the weights e^ŝ it takes makes a difference. test_oracles.c has whole histories.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "catalog_data.h"
#include "catalog_fixture.h"
#include "check_main.h"
#include "failing_allocator.h"

static const double TOLERANCE = 1e-5;
static const double TABLE_TOLERANCE = 1e-6; /* of scores with a table against those without */

static const int64_t START_MS = INT64_C(1600000000000);
static const int64_t YEAR_MS = INT64_C(31557600000);

enum {
    EVENTS = 300,
    CANDIDATES = 40,
    MOST_NUMBERS = CANDIDATES * VQL_MAX_TASKS,
};

/* A fixture with a random history of a year, folded at its end. */
typedef struct user_scene {
    catalog_fixture fixture;
    vql_cache_event *events;
    vql_cache *cache;
    vql_scorer *scorer;
    uint64_t candidates[CANDIDATES];
} user_scene;

static user_scene scene_of(catalog_fixture fixture, uint64_t seed)
{
    random_stream random = {seed};
    user_scene made = {.fixture = fixture};
    made.events = random_history(&made.fixture, &random, EVENTS, START_MS, YEAR_MS);
    made.cache = cache_of(&made.fixture, made.events, EVENTS);
    made.scorer = scorer_of(&made.fixture);
    vql_scorer_begin(made.scorer, made.cache, START_MS + YEAR_MS);
    for (size_t n = 0; n < CANDIDATES; n++) {
        const uint32_t row = random_below(&random, made.fixture.shape->items);
        made.candidates[n] = item_id_of(&made.fixture, row);
    }
    return made;
}

static user_scene scene_new(uint64_t seed, size_t table_bytes)
{
    model_spec spec = model_spec_default(seed);
    spec.tasks = 3;
    return scene_of(fixture_from_spec(&spec, table_bytes), seed);
}

static void scene_free(user_scene *scene)
{
    vql_scorer_free(scene->scorer);
    vql_cache_free(scene->cache);
    free(scene->events);
    fixture_free(&scene->fixture);
}

/* Checks a scorer that has folded nothing: o is 0, and the logits are the head's of that. */
static void check_no_history(const catalog_fixture *fixture, vql_scorer *scorer)
{
    const vql_shape *shape = fixture->shape;
    const double zeros[VQL_MAX_WIDTH] = {0};
    for (uint32_t row = 0; row < shape->items; row++) {
        const uint64_t id = item_id_of(fixture, row);
        double o[VQL_MAX_WIDTH];
        double expected[VQL_MAX_TASKS];
        float logits[VQL_MAX_TASKS];
        scorer_attention(fixture, scorer, row, o);
        for (uint32_t j = 0; j < shape->width; j++)
            ck_assert_double_eq(o[j], 0.0);
        vql_scorer_logits(scorer, &id, 1, logits);
        vql_reference_head(fixture->model, row, zeros, expected);
        for (uint32_t t = 0; t < shape->tasks; t++)
            ck_assert_double_eq_tol((double)logits[t], expected[t], TOLERANCE);
    }
}

START_TEST(test_no_history)
{
    user_scene scene = scene_new(1, _i == 0 ? ANY_TABLE : NO_TABLE);
    vql_scorer *fresh = scorer_of(&scene.fixture);
    check_no_history(&scene.fixture, fresh);
    vql_scorer_free(fresh);
    vql_scorer_begin(scene.scorer, NULL, START_MS);
    check_no_history(&scene.fixture, scene.scorer);
    vql_scorer_begin(scene.scorer, scene.cache, START_MS);
    for (size_t i = 0; i < EVENTS; i++)
        ck_assert_int_eq(vql_cache_remove(scene.cache, &scene.events[i]), VQL_OK);
    vql_scorer_begin(scene.scorer, scene.cache, START_MS);
    check_no_history(&scene.fixture, scene.scorer);
    scene_free(&scene);
}
END_TEST

START_TEST(test_unknown_items)
{
    user_scene scene = scene_new(2, ANY_TABLE);
    const uint32_t tasks = scene.fixture.shape->tasks;
    const uint64_t unknown = item_id_of(&scene.fixture, 0);
    const uint64_t ids[] = {unknown, item_id_of(&scene.fixture, 3), unknown};
    float scores[3 * VQL_MAX_TASKS];
    ck_assert_uint_eq(vql_scorer_run(scene.scorer, ids, 3, scores), 2);
    ck_assert_mem_eq(scores, scores + 2 * tasks, tasks * sizeof *scores);
    ck_assert_mem_ne(scores, scores + tasks, tasks * sizeof *scores);
    ck_assert_uint_eq(vql_scorer_logits(scene.scorer, ids + 1, 1, scores), 0);
    ck_assert_uint_eq(vql_scorer_logits(scene.scorer, ids, 0, scores), 0);
    scene_free(&scene);
}
END_TEST

START_TEST(test_logits_are_the_reference_s)
{
    user_scene scene = scene_new(3 + (uint64_t)_i, _i % 2 == 0 ? ANY_TABLE : NO_TABLE);
    const catalog_fixture *fixture = &scene.fixture;
    const uint32_t tasks = fixture->shape->tasks;
    float logits[MOST_NUMBERS];
    float scores[MOST_NUMBERS];
    vql_scorer_logits(scene.scorer, scene.candidates, CANDIDATES, logits);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, scores);
    for (size_t n = 0; n < CANDIDATES; n++) {
        const uint32_t row = vql_catalog_row(fixture->catalog, scene.candidates[n]);
        double o[VQL_MAX_WIDTH];
        double expected[VQL_MAX_TASKS];
        ck_assert_int_eq(vql_reference_attention(fixture->model, scene.events, EVENTS, row,
                                                 START_MS + YEAR_MS, VQL_KEYS_QUANTIZED, o, NULL),
                         VQL_OK);
        vql_reference_head(fixture->model, row, o, expected);
        for (uint32_t t = 0; t < tasks; t++) {
            const size_t i = n * tasks + t;
            ck_assert_double_eq_tol((double)logits[i], expected[t], TOLERANCE);
            ck_assert_double_eq_tol((double)scores[i], 1.0 / (1.0 + exp(-expected[t])), TOLERANCE);
        }
    }
    scene_free(&scene);
}
END_TEST

START_TEST(test_table_or_not)
{
    const model_spec spec = model_spec_random((uint64_t)_i);
    user_scene with = scene_of(fixture_from_spec(&spec, ANY_TABLE), (uint64_t)_i);
    user_scene without = scene_of(fixture_from_spec(&spec, NO_TABLE), (uint64_t)_i);
    ck_assert_uint_eq(vql_catalog_table_items(with.fixture.catalog), spec.items);
    ck_assert_uint_eq(vql_catalog_table_items(without.fixture.catalog), 0);
    float scores[MOST_NUMBERS];
    float others[MOST_NUMBERS];
    vql_scorer_run(with.scorer, with.candidates, CANDIDATES, scores);
    vql_scorer_run(without.scorer, with.candidates, CANDIDATES, others);
    for (size_t i = 0; i < CANDIDATES * spec.tasks; i++)
        ck_assert_float_eq_tol(scores[i], others[i], (float)TABLE_TOLERANCE);
    scene_free(&without);
    scene_free(&with);
}
END_TEST

START_TEST(test_calls_may_be_cut_anywhere)
{
    user_scene scene = scene_new(20, _i == 0 ? ANY_TABLE : NO_TABLE);
    const uint32_t tasks = scene.fixture.shape->tasks;
    float whole[MOST_NUMBERS];
    float pieces[MOST_NUMBERS];
    const size_t unknown = vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, whole);
    for (size_t piece = 1; piece < CANDIDATES; piece += 6) {
        size_t sum = 0;
        for (size_t n = 0; n < CANDIDATES; n += piece) {
            const size_t count = piece < CANDIDATES - n ? piece : CANDIDATES - n;
            sum += vql_scorer_run(scene.scorer, scene.candidates + n, count, pieces + n * tasks);
        }
        ck_assert_uint_eq(sum, unknown);
        ck_assert_mem_eq(pieces, whole, CANDIDATES * tasks * sizeof *whole);
    }
    scene_free(&scene);
}
END_TEST

/* Between begin and run the cache may change and end; begin starts anew. */
START_TEST(test_begin_takes_all_it_needs)
{
    user_scene scene = scene_new(21, ANY_TABLE);
    const size_t bytes = CANDIDATES * scene.fixture.shape->tasks * sizeof(float);
    float before[MOST_NUMBERS];
    float after[MOST_NUMBERS];
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, before);
    const vql_cache_event event = {START_MS + 2 * YEAR_MS, 1, 0};
    ck_assert_int_eq(vql_cache_append(scene.cache, &event, 1), VQL_OK);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, after);
    ck_assert_mem_eq(after, before, bytes);
    vql_scorer_begin(scene.scorer, scene.cache, START_MS + YEAR_MS);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, after);
    ck_assert_mem_ne(after, before, bytes);
    vql_cache_free(scene.cache);
    scene.cache = cache_of(&scene.fixture, scene.events, EVENTS);
    vql_scorer_begin(scene.scorer, scene.cache, START_MS + YEAR_MS);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, after);
    ck_assert_mem_eq(after, before, bytes);
    scene_free(&scene);
}
END_TEST

START_TEST(test_time_before_the_reference_time)
{
    user_scene scene = scene_new(22, ANY_TABLE);
    const size_t bytes = CANDIDATES * scene.fixture.shape->tasks * sizeof(float);
    const int64_t reference_ms = vql_cache_reference_ms(scene.cache);
    float then[MOST_NUMBERS];
    float earlier[MOST_NUMBERS];
    vql_scorer_begin(scene.scorer, scene.cache, reference_ms);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, then);
    vql_scorer_begin(scene.scorer, scene.cache, reference_ms - YEAR_MS);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, earlier);
    ck_assert_mem_eq(earlier, then, bytes);
    vql_scorer_begin(scene.scorer, scene.cache, reference_ms + YEAR_MS);
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, earlier);
    ck_assert_mem_ne(earlier, then, bytes);
    scene_free(&scene);
}
END_TEST

/* The largest difference of an attention output from the reference's, over all rows. */
static double attention_difference(const user_scene *scene)
{
    const catalog_fixture *fixture = &scene->fixture;
    double most = 0.0;
    for (uint32_t row = 0; row < fixture->shape->items; row++) {
        double o[VQL_MAX_WIDTH];
        double exact[VQL_MAX_WIDTH];
        scorer_attention(fixture, scene->scorer, row, o);
        ck_assert_int_eq(vql_reference_attention(fixture->model, scene->events, EVENTS, row,
                                                 START_MS + YEAR_MS, VQL_KEYS_QUANTIZED, exact,
                                                 NULL),
                         VQL_OK);
        for (uint32_t j = 0; j < fixture->shape->width; j++) {
            ck_assert(isfinite(o[j]));
            most = fmax(most, fabs(o[j] - exact[j]));
        }
    }
    return most;
}

/* The largest table weight of the history's codewords, for the row and head where it is least. */
static double least_table_weight(const user_scene *scene)
{
    const vql_catalog *catalog = scene->fixture.catalog;
    const vql_shape *shape = scene->fixture.shape;
    double least = 1.0;
    for (uint32_t i = 0; i < shape->items * shape->heads; i++) {
        const uint32_t head = i % shape->heads;
        const uint32_t group = head * shape->head_width / shape->group_width;
        const uint8_t *row = vql_weight_table_row(&catalog->tables->table, i / shape->heads);
        const float *weights =
            (const float *)(const void *)(row + catalog->tables->table.head_offsets[head]);
        double most = 0.0;
        for (size_t l = 0; l < EVENTS; l++) {
            const vql_cache_event *event = &scene->events[l];
            const uint16_t *codes = vql_catalog_codes(catalog, event->row, event->event_type);
            most = fmax(most, (double)weights[codes[group]]);
        }
        least = fmin(least, most);
    }
    return least;
}

/* Codewords drawn out by a factor: the nearest ones, which are in use, have by far the lesser ŝ. */
static user_scene scene_of_far_codewords(float factor)
{
    model_spec spec = model_spec_default(23);
    spec.codewords[0] = 40;
    model_writer *writer = model_writer_new(&spec);
    for (size_t i = 0; i < model_writer_elements(writer, "codebook.0"); i++)
        model_writer_floats(writer, "codebook.0")[i] *= factor;
    const user_scene made = scene_of(fixture_from_model(model_writer_parse(writer), ANY_TABLE), 23);
    model_writer_free(writer);
    return made;
}

START_TEST(test_small_weights_of_the_table)
{
    user_scene scene = scene_of_far_codewords(5.0f);
    ck_assert_uint_eq(vql_catalog_table_items(scene.fixture.catalog), scene.fixture.shape->items);
    ck_assert_double_le(least_table_weight(&scene), 1e-4);
    ck_assert_double_le(attention_difference(&scene), TOLERANCE);
    scene_free(&scene);
}
END_TEST

/* ŝ of many hundreds; a float knows them to about 1e-4, and with them the weights. */
START_TEST(test_weights_beyond_a_table)
{
    user_scene scene = scene_of_far_codewords(500.0f);
    ck_assert_uint_eq(vql_catalog_table_items(scene.fixture.catalog), 0);
    ck_assert_double_le(attention_difference(&scene), 1e-3);
    scene_free(&scene);
}
END_TEST

/* Heads that give one kernel, or all but one, no weight. */
START_TEST(test_kernels_without_weight)
{
    const model_spec spec = model_spec_default(24);
    model_writer *writer = model_writer_new(&spec);
    float *weight = model_writer_floats(writer, "time.weight"); /* [H, R] */
    weight[0] = 0.0f;
    weight[spec.kernels] = 0.0f;
    weight[spec.kernels + 1] = 0.0f;
    user_scene scene = scene_of(fixture_from_model(model_writer_parse(writer), ANY_TABLE), 24);
    ck_assert_double_le(attention_difference(&scene), TOLERANCE);
    scene_free(&scene);
    model_writer_free(writer);
}
END_TEST

START_TEST(test_extreme_logits)
{
    model_spec spec = model_spec_default(25);
    spec.tasks = 3;
    model_writer *writer = model_writer_new(&spec);
    float *bias = model_writer_floats(writer, "head.1.bias");
    bias[0] = 3000.0f;
    bias[1] = -3000.0f;
    bias[2] = -100.0f;
    user_scene scene = scene_of(fixture_from_model(model_writer_parse(writer), ANY_TABLE), 25);
    float scores[MOST_NUMBERS];
    vql_scorer_run(scene.scorer, scene.candidates, CANDIDATES, scores);
    for (size_t n = 0; n < CANDIDATES; n++) {
        ck_assert_float_eq(scores[3 * n], 1.0f);
        ck_assert_float_eq(scores[3 * n + 1], 0.0f);
        ck_assert_float_ge(scores[3 * n + 2], 0.0f);
        ck_assert_float_le(scores[3 * n + 2], 1e-30f);
    }
    scene_free(&scene);
    model_writer_free(writer);
}
END_TEST

START_TEST(test_memory)
{
    user_scene scene = scene_new(26, ANY_TABLE);
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    vql_scorer *scorer = NULL;
    ck_assert_int_eq(vql_scorer_new(scene.fixture.catalog, &memory.allocator, &scorer),
                     VQL_NO_MEMORY);
    ck_assert_ptr_null(scorer);
    ck_assert_uint_eq(memory.live, 0);
    ck_assert_int_eq(vql_scorer_new(scene.fixture.catalog, &memory.allocator, &scorer), VQL_OK);
    const size_t calls = memory.calls;
    float scores[MOST_NUMBERS];
    vql_scorer_begin(scorer, scene.cache, START_MS);
    vql_scorer_run(scorer, scene.candidates, CANDIDATES, scores);
    ck_assert_uint_eq(memory.calls, calls);
    vql_scorer_free(scorer);
    vql_scorer_free(NULL);
    ck_assert_uint_eq(memory.live, 0);
    scene_free(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scorer");
    TCase *tcase = tcase_create("scorer");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_no_history, 0, 2);
    tcase_add_test(tcase, test_unknown_items);
    tcase_add_loop_test(tcase, test_logits_are_the_reference_s, 0, 4);
    tcase_add_loop_test(tcase, test_table_or_not, 0, 20);
    tcase_add_loop_test(tcase, test_calls_may_be_cut_anywhere, 0, 2);
    tcase_add_test(tcase, test_begin_takes_all_it_needs);
    tcase_add_test(tcase, test_time_before_the_reference_time);
    tcase_add_test(tcase, test_small_weights_of_the_table);
    tcase_add_test(tcase, test_weights_beyond_a_table);
    tcase_add_test(tcase, test_kernels_without_weight);
    tcase_add_test(tcase, test_extreme_logits);
    tcase_add_test(tcase, test_memory);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
