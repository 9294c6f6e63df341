/*
 * Attention in 16-bit integers against float64: random shapes, histories of a few codewords and of
 * all, with a table and without one, and items whose table weights are too small for integers.
 */
#include <check.h>
#include <math.h>

#include "catalog_data.h"
#include "catalog_fixture.h"
#include "check_main.h"

static const int64_t START_MS = INT64_C(1600000000000);
static const int64_t YEAR_MS = INT64_C(31557600000);

/* Of an attention output, relative to the largest value. */
static const double TOLERANCE = 2e-3;

static catalog_fixture fixture_in(vql_model *model, vql_scoring_format format, size_t table_bytes)
{
    catalog_fixture made = {.model = model, .shape = vql_model_shape(model)};
    const vql_catalog_options options = {.table_bytes = table_bytes, .format = format};
    ck_assert_int_eq(vql_catalog_create(model, &options, &made.catalog, NULL), VQL_OK);
    return made;
}

/* The largest difference of an attention output from the reference, relative to the largest one. */
static double relative_difference(const catalog_fixture *fixture, const vql_cache_event *events,
                                  size_t count)
{
    vql_cache *cache = cache_of(fixture, events, count);
    vql_scorer *scorer = scorer_of(fixture);
    double most = 0.0;
    double largest = 1e-9;
    vql_scorer_begin(scorer, cache, START_MS + YEAR_MS);
    for (uint32_t row = 0; row < fixture->shape->items; row++) {
        double o[VQL_MAX_WIDTH];
        double exact[VQL_MAX_WIDTH];
        scorer_attention(fixture, scorer, row, o);
        ck_assert_int_eq(vql_reference_attention(fixture->model, events, count, row,
                                                 START_MS + YEAR_MS, VQL_KEYS_QUANTIZED, exact,
                                                 NULL),
                         VQL_OK);
        for (uint32_t j = 0; j < fixture->shape->width; j++) {
            most = fmax(most, fabs(o[j] - exact[j]));
            largest = fmax(largest, fabs(exact[j]));
        }
    }
    vql_scorer_free(scorer);
    vql_cache_free(cache);
    return most / largest;
}

static void check_histories(const catalog_fixture *fixture, uint64_t seed)
{
    static const size_t COUNTS[] = {1, 2, 5, 40, 400};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        random_stream random = {seed + i};
        vql_cache_event *events = random_history(fixture, &random, COUNTS[i], START_MS, YEAR_MS);
        const double found = relative_difference(fixture, events, COUNTS[i]);
        ck_assert_msg(found <= TOLERANCE, "%zu events: %g", COUNTS[i], found);
        free(events);
    }
}

/* At every level of kernels, as their integers are the same, but not how they are made. */
START_TEST(test_random_shapes)
{
    const uint64_t seed = (uint64_t)_i;
    const char *level;
    for (size_t i = 0; (level = vql_kernels_supported(i)) != NULL; i++) {
        ck_assert_int_eq(vql_kernels_select(level, NULL), VQL_OK);
        const model_spec spec = model_spec_random(seed);
        model_writer *writer = model_writer_new(&spec);
        catalog_fixture fixture = fixture_in(model_writer_parse(writer), VQL_SCORING_INT16,
                                             _i % 2 == 0 ? ANY_TABLE : NO_TABLE);
        ck_assert_int_eq(fixture.catalog->tables->table.format, VQL_SCORING_INT16);
        check_histories(&fixture, seed);
        fixture_free(&fixture);
        model_writer_free(writer);
    }
}
END_TEST

/* Codewords drawn out by a factor: the nearest ones, which are in use, have by far the lesser ŝ. */
START_TEST(test_small_weights_of_the_table)
{
    model_spec spec = model_spec_default(23);
    spec.codewords[0] = 40;
    model_writer *writer = model_writer_new(&spec);
    for (size_t i = 0; i < model_writer_elements(writer, "codebook.0"); i++)
        model_writer_floats(writer, "codebook.0")[i] *= 5.0f;
    catalog_fixture fixture = fixture_in(model_writer_parse(writer), VQL_SCORING_INT16, ANY_TABLE);
    ck_assert_uint_eq(vql_catalog_table_items(fixture.catalog), fixture.shape->items);
    check_histories(&fixture, 23);
    fixture_free(&fixture);
    model_writer_free(writer);
}
END_TEST

/* So many codewords that rounding all of them to steps of their sum would leave too few steps. */
START_TEST(test_too_many_codewords)
{
    model_spec spec = model_spec_default(29);
    spec.codewords[1] = VQL_INT16_CODEWORDS + 1;
    model_writer *writer = model_writer_new(&spec);
    catalog_fixture fixture = fixture_in(model_writer_parse(writer), VQL_SCORING_DEFAULT, NO_TABLE);
    ck_assert_int_eq(fixture.catalog->tables->table.format, VQL_SCORING_F32);
    fixture_free(&fixture);
    model_writer_free(writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scorer in integers");
    TCase *tcase = tcase_create("integers");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_random_shapes, 0, 20);
    tcase_add_test(tcase, test_small_weights_of_the_table);
    tcase_add_test(tcase, test_too_many_codewords);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
