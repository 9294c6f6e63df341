/*
 * Answers that another program computed in float64, straight from vql.md §6, for models that
 * PyTorch wrote: the scorer, with and without the catalog's table, and the reference must reproduce
 * them.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "catalog_fixture.h"
#include "check_main.h"
#include "vql/comparison.h"
#include "vql/kernels.h"

/* Largest differences allowed: of a score, and of an attention output relative to its largest o. */
static const double SCORE_TOLERANCE = 1e-5;
static const double ATTENTION_TOLERANCE = 1e-4;
/* The same of a cache in the default format. */
static const double DEFAULT_SCORE_TOLERANCE = 1e-3;
/* The same in 16-bit integers. */
static const double NARROW_SCORE_TOLERANCE = 5e-4;
static const double NARROW_ATTENTION_TOLERANCE = 1e-3;
/* The reference is float64: what is left is that the answers end at the ninth decimal. */
static const double REFERENCE_SCORE_TOLERANCE = 1e-8;
static const double REFERENCE_ATTENTION_TOLERANCE = 1e-7;

enum {
    REFERENCE_CANDIDATES = 4, /* the first, with an attention output, and the last besides */
};

static const struct {
    const char *name, *model, *answers;
} MODELS[] = {
    {"retail", VQL_SOURCE_DIR "/tests/golden/retail.safetensors",
     VQL_SOURCE_DIR "/tests/golden/retail.golden.jsonl.gz"},
    {"kuairand", VQL_SOURCE_DIR "/tests/golden/kuairand.safetensors",
     VQL_SOURCE_DIR "/tests/golden/kuairand.golden.jsonl.gz"},
};

enum {
    MODEL_COUNT = sizeof MODELS / sizeof MODELS[0],
};

/* The largest differences so far. */
typedef struct differences {
    double score, logit, attention;
    size_t requests, candidates;
} differences;

static void raise(double *most, double difference)
{
    ck_assert(isfinite(difference));
    *most = fmax(*most, fabs(difference));
}

static void report(int model, const char *how, const differences *found)
{
    printf("%-8s %-22s %zu requests, %zu candidates: largest difference of a score %.2g, a logit "
           "%.2g, an attention output %.2g relative\n",
           MODELS[model].name, how, found->requests, found->candidates, found->score, found->logit,
           found->attention);
}

/* The lines of a gzip file, ended by zeros; the caller frees them. */
static char *read_lines(const char *path)
{
    size_t capacity = 1 << 20;
    size_t count = 0;
    char *text = malloc(capacity);
    gzFile file = gzopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    for (;;) {
        ck_assert_ptr_nonnull(text);
        const int got = gzread(file, text + count, (unsigned)(capacity - count - 1));
        ck_assert_int_ge(got, 0);
        if (got == 0)
            break;
        count += (size_t)got;
        if (count + 1 == capacity) {
            capacity *= 2;
            text = realloc(text, capacity);
        }
    }
    gzclose(file);
    text[count] = '\0';
    return text;
}

static vql_cache_event *read_events(const vql_catalog *catalog, const json_t *list)
{
    vql_cache_event *events = malloc((json_array_size(list) + 1) * sizeof *events);
    ck_assert_ptr_nonnull(events);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *event = json_array_get(list, i);
        events[i] = (vql_cache_event){
            .row = vql_catalog_row(catalog, (uint64_t)json_integer_value(json_array_get(event, 0))),
            .event_type = (uint32_t)json_integer_value(json_array_get(event, 1)),
            .time_ms = json_integer_value(json_array_get(event, 2)),
        };
    }
    return events;
}

static double number_at(const json_t *table, size_t row, size_t column)
{
    return json_number_value(json_array_get(json_array_get(table, row), column));
}

static uint64_t candidate_at(const json_t *request, size_t n)
{
    return (uint64_t)json_integer_value(json_array_get(json_object_get(request, "candidates"), n));
}

/* The largest difference of an attention output, relative to the largest number of the expected. */
static double attention_difference(const json_t *expected, size_t n, const double *o, size_t width)
{
    double most = 0.0;
    double difference = 0.0;
    for (size_t j = 0; j < width; j++) {
        most = fmax(most, fabs(number_at(expected, n, j)));
        difference = fmax(difference, fabs(number_at(expected, n, j) - o[j]));
    }
    return most > 0.0 ? difference / most : difference;
}

static void check_scorer_request(vql_scorer *scorer, const vql_shape *shape, const json_t *request,
                                 differences *found)
{
    enum { MOST = 64 };
    uint64_t ids[MOST];
    float scores[MOST * VQL_MAX_TASKS];
    float logits[MOST * VQL_MAX_TASKS];
    const size_t count = json_array_size(json_object_get(request, "candidates"));
    ck_assert_uint_le(count, MOST);
    for (size_t n = 0; n < count; n++)
        ids[n] = candidate_at(request, n);
    ck_assert_uint_eq(vql_scorer_run(scorer, ids, count, scores), 1);
    ck_assert_uint_eq(vql_scorer_logits(scorer, ids, count, logits), 1);
    for (size_t n = 0; n < count; n++) {
        for (size_t t = 0; t < shape->tasks; t++) {
            const size_t i = n * shape->tasks + t;
            raise(&found->score,
                  (double)scores[i] - number_at(json_object_get(request, "scores"), n, t));
            raise(&found->logit,
                  (double)logits[i] - number_at(json_object_get(request, "logits"), n, t));
        }
    }
    const json_t *attention = json_object_get(request, "attention");
    for (size_t n = 0; n < json_array_size(attention); n++) {
        float o[VQL_MAX_WIDTH];
        double wide[VQL_MAX_WIDTH];
        vql_scorer_attention(scorer, ids[n], o);
        for (size_t j = 0; j < shape->width; j++)
            wide[j] = (double)o[j];
        raise(&found->attention, attention_difference(attention, n, wide, shape->width));
    }
    found->candidates += count;
}

static void check_reference_candidate(const catalog_fixture *fixture, const json_t *request,
                                      const vql_cache_event *events, size_t n, differences *found)
{
    const vql_shape *shape = fixture->shape;
    const uint32_t row = vql_catalog_row(fixture->catalog, candidate_at(request, n));
    const json_t *attention = json_object_get(request, "attention");
    double o[VQL_MAX_WIDTH];
    double logits[VQL_MAX_TASKS];
    ck_assert_int_eq(
        vql_reference_attention(
            fixture->model, events, json_array_size(json_object_get(request, "events")), row,
            json_integer_value(json_object_get(request, "at")), VQL_KEYS_QUANTIZED, o, NULL),
        VQL_OK);
    vql_reference_head(fixture->model, row, o, logits);
    if (n < json_array_size(attention))
        raise(&found->attention, attention_difference(attention, n, o, shape->width));
    for (size_t t = 0; t < shape->tasks; t++) {
        raise(&found->logit, logits[t] - number_at(json_object_get(request, "logits"), n, t));
        raise(&found->score,
              1.0 / (1.0 + exp(-logits[t])) - number_at(json_object_get(request, "scores"), n, t));
    }
    found->candidates++;
}

static void check_reference_request(const catalog_fixture *fixture, const json_t *request,
                                    const vql_cache_event *events, differences *found)
{
    const size_t count = json_array_size(json_object_get(request, "candidates"));
    for (size_t n = 0; n < count; n++)
        if (n < REFERENCE_CANDIDATES || n == count - 1)
            check_reference_candidate(fixture, request, events, n, found);
}

/*
 * What is told of a candidate's quantized attention, through the head, gives the golden logits, and
 * exact attention is within the bound of vql.md §9.
 */
static void check_comparison(const catalog_fixture *fixture, vql_scorer *scorer,
                             const json_t *request, const vql_cache_event *events,
                             differences *found)
{
    const vql_shape *shape = fixture->shape;
    const uint64_t id = candidate_at(request, 0);
    const vql_comparison_request wanted = {
        .row = vql_catalog_row(fixture->catalog, id),
        .time_ms = json_integer_value(json_object_get(request, "at")),
        .events = events,
        .event_count = json_array_size(json_object_get(request, "events")),
        .top_count = 3,
    };
    vql_comparison *made;
    float logits[VQL_MAX_TASKS];
    ck_assert_int_eq(vql_comparison_new(fixture->catalog, &wanted, NULL, &made), VQL_OK);
    vql_scorer_apply_head(scorer, id, made->quantized, logits);
    for (size_t t = 0; t < shape->tasks; t++)
        raise(&found->logit,
              (double)logits[t] - number_at(json_object_get(request, "logits"), 0, t));
    for (uint32_t h = 0; h < shape->heads; h++) {
        ck_assert_double_le(made->heads[h].shift, made->heads[h].shift_bound + 1e-12);
        ck_assert_double_le(made->heads[h].error, made->heads[h].error_bound + 1e-12);
    }
    vql_comparison_free(made);
}

/* Every request of a model, by the scorer, or by the reference where there is none. */
static differences check_requests(int model, const catalog_fixture *fixture, vql_scorer *scorer,
                                  vql_cache_format format)
{
    differences found = {0};
    char *lines = read_lines(MODELS[model].answers);
    char *line = lines;
    while (*line != '\0') {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        json_t *request = json_loadb(line, (size_t)(end - line), 0, NULL);
        ck_assert_ptr_nonnull(request);
        const json_t *history = json_object_get(request, "events");
        vql_cache_event *events = read_events(fixture->catalog, history);
        if (scorer != NULL) {
            vql_cache *cache = cache_in(fixture, format, events, json_array_size(history));
            vql_scorer_begin(scorer, cache, json_integer_value(json_object_get(request, "at")));
            vql_cache_free(cache);
            check_scorer_request(scorer, fixture->shape, request, &found);
            check_comparison(fixture, scorer, request, events, &found);
        } else {
            check_reference_request(fixture, request, events, &found);
        }
        found.requests++;
        free(events);
        json_decref(request);
        line = end + 1;
    }
    free(lines);
    ck_assert_uint_gt(found.requests, 0);
    return found;
}

static void check_scorer(int model, size_t table_bytes, const char *how)
{
    catalog_fixture fixture = fixture_from_file(MODELS[model].model, table_bytes);
    vql_scorer *scorer = scorer_of(&fixture);
    const differences found = check_requests(model, &fixture, scorer, VQL_CACHE_FP32);
    report(model, how, &found);
    ck_assert_double_le(found.score, SCORE_TOLERANCE);
    ck_assert_double_le(found.attention, ATTENTION_TOLERANCE);
    vql_scorer_free(scorer);
    fixture_free(&fixture);
}

START_TEST(test_scorer_with_table)
{
    check_scorer(_i, ANY_TABLE, "scorer, table");
}
END_TEST

START_TEST(test_scorer_without_table)
{
    check_scorer(_i, NO_TABLE, "scorer, no table");
}
END_TEST

START_TEST(test_default_format)
{
    catalog_fixture fixture = fixture_from_file(MODELS[_i].model, ANY_TABLE);
    vql_scorer *scorer = scorer_of(&fixture);
    const differences found = check_requests(_i, &fixture, scorer, VQL_CACHE_INT8);
    report(_i, "scorer, default format", &found);
    ck_assert_double_le(found.score, DEFAULT_SCORE_TOLERANCE);
    vql_scorer_free(scorer);
    fixture_free(&fixture);
}
END_TEST

/* At every level of kernels, with a table of some of the items. */
START_TEST(test_scorer_in_integers)
{
    const char *level;
    for (size_t i = 0; (level = vql_kernels_supported(i)) != NULL; i++) {
        ck_assert_int_eq(vql_kernels_select(level, NULL), VQL_OK);
        catalog_fixture fixture = fixture_from_file(MODELS[_i].model, ANY_TABLE);
        const vql_catalog_options options = {
            .table_bytes = vql_catalog_bytes(fixture.catalog) / 5,
            .format = VQL_SCORING_INT16,
        };
        vql_catalog_free(fixture.catalog);
        fixture.catalog = NULL;
        ck_assert_int_eq(vql_catalog_create(fixture.model, &options, &fixture.catalog, NULL),
                         VQL_OK);
        vql_scorer *scorer = scorer_of(&fixture);
        const differences found = check_requests(_i, &fixture, scorer, VQL_CACHE_FP32);
        report(_i, level, &found);
        ck_assert_double_le(found.score, NARROW_SCORE_TOLERANCE);
        ck_assert_double_le(found.attention, NARROW_ATTENTION_TOLERANCE);
        vql_scorer_free(scorer);
        fixture_free(&fixture);
    }
    ck_assert_int_eq(vql_kernels_select(NULL, NULL), VQL_OK);
}
END_TEST

START_TEST(test_reference)
{
    catalog_fixture fixture = fixture_from_file(MODELS[_i].model, NO_TABLE);
    const differences found = check_requests(_i, &fixture, NULL, VQL_CACHE_FP32);
    report(_i, "reference", &found);
    ck_assert_double_le(found.score, REFERENCE_SCORE_TOLERANCE);
    ck_assert_double_le(found.attention, REFERENCE_ATTENTION_TOLERANCE);
    fixture_free(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tcase = tcase_create("golden");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, test_scorer_with_table, 0, MODEL_COUNT);
    tcase_add_loop_test(tcase, test_scorer_without_table, 0, MODEL_COUNT);
    tcase_add_loop_test(tcase, test_default_format, 0, MODEL_COUNT);
    tcase_add_loop_test(tcase, test_scorer_in_integers, 0, MODEL_COUNT);
    tcase_add_loop_test(tcase, test_reference, 0, MODEL_COUNT);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
