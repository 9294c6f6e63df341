/*
 * The catalog against vql.md §3, §4 and §6 computed here in float64, straight from the numbers that
 * the test wrote into the model file.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_data.h"
#include "check_main.h"
#include "failing_allocator.h"
#include "file.h"
#include "model_data.h"
#include "model_writer.h"
#include "random.h"

static const double float_tolerance = 0x1p-23; /* of one rounding to float */
static const double weight_tolerance = 1e-5;   /* of e^x, x of at most 40 rounded to float */

enum { MOST = 256 }; /* of D, X + E_a and outputs of a layer in these tests */

typedef struct fixture {
    model_spec spec;
    model_writer *writer;
    vql_model *model;
    vql_catalog *catalog;
    uint32_t x_width;
    uint32_t width;
} fixture;

static fixture fixture_make(const model_spec *spec)
{
    fixture f = {.spec = *spec, .writer = model_writer_new(spec)};
    f.width = spec->heads * spec->head_width;
    f.x_width = spec->item_width;
    for (uint32_t field = 0; field < spec->field_count; field++)
        f.x_width += spec->fields[field].width;
    ck_assert_uint_le(f.width, MOST);
    ck_assert_uint_le(f.x_width + spec->type_width, MOST);
    return f;
}

/* Parses what the writer now holds and builds the catalog. */
static void fixture_build(fixture *f, size_t table_bytes)
{
    vql_error error = {.text = ""};
    f->model = model_writer_parse(f->writer);
    const vql_code code = vql_catalog_build(f->model, table_bytes, NULL, &f->catalog, &error);
    ck_assert_msg(code == VQL_OK, "%s", error.text);
}

static void fixture_free(fixture *f)
{
    vql_catalog_free(f->catalog);
    vql_model_free(f->model);
    model_writer_free(f->writer);
}

/* ---- the mathematics, in float64 ---- */

/* [x_i ‖ e_a]. */
static void event_input(const fixture *f, uint32_t row, uint32_t event_type, double *x)
{
    const float *item = model_writer_floats(f->writer, "item.embedding");
    for (uint32_t j = 0; j < f->spec.item_width; j++)
        *x++ = (double)item[row * f->spec.item_width + j];
    for (uint32_t field = 0; field < f->spec.field_count; field++) {
        char name[64];
        snprintf(name, sizeof name, "field.field%u.embedding", field);
        const float *embedding = model_writer_floats(f->writer, name);
        snprintf(name, sizeof name, "field.field%u.offsets", field);
        const int32_t *offsets = model_writer_i32(f->writer, name) + row;
        snprintf(name, sizeof name, "field.field%u.indices", field);
        const int32_t *indices = model_writer_i32(f->writer, name);
        const uint32_t width = f->spec.fields[field].width;
        for (uint32_t j = 0; j < width; j++) {
            double sum = 0.0;
            for (int32_t i = offsets[0]; i < offsets[1]; i++)
                sum += (double)embedding[(uint32_t)indices[i] * width + j];
            *x++ = offsets[1] > offsets[0] ? sum / (offsets[1] - offsets[0]) : 0.0;
        }
    }
    const float *type = model_writer_floats(f->writer, "event_type.embedding");
    for (uint32_t j = 0; j < f->spec.type_width; j++)
        *x++ = (double)type[event_type * f->spec.type_width + j];
}

/* y = W x, with W [rows, columns] of a tensor's first columns. */
static void multiply(const fixture *f, const char *tensor, uint32_t rows, uint32_t stride,
                     uint32_t columns, const double *x, double *y)
{
    const float *weight = model_writer_floats(f->writer, tensor);
    for (uint32_t i = 0; i < rows; i++) {
        y[i] = 0.0;
        for (uint32_t j = 0; j < columns; j++)
            y[i] += (double)weight[i * stride + j] * x[j];
    }
}

static void normalize(const fixture *f, double *y)
{
    const uint32_t d = f->spec.head_width;
    for (uint32_t h = 0; h < f->spec.heads; h++) {
        double squares = 0.0;
        for (uint32_t j = 0; j < d; j++)
            squares += pow(y[h * d + j], 2.0);
        for (uint32_t j = 0; j < d; j++)
            y[h * d + j] /= sqrt(squares / d + 1e-6);
    }
}

static void direct_query(const fixture *f, uint32_t row, double *query)
{
    double x[MOST] = {0};
    event_input(f, row, 0, x);
    multiply(f, "attention.query.weight", f->width, f->x_width, f->x_width, x, query);
    normalize(f, query);
}

static void direct_key(const fixture *f, uint32_t row, uint32_t event_type, double *key)
{
    const uint32_t columns = f->x_width + f->spec.type_width;
    double x[MOST] = {0};
    event_input(f, row, event_type, x);
    multiply(f, "attention.key.weight", f->width, columns, columns, x, key);
    normalize(f, key);
}

/* ‖k^g - C_a^g‖² of one codeword. */
static double distance(const fixture *f, const double *key, uint32_t group, uint32_t codeword)
{
    char name[32];
    snprintf(name, sizeof name, "codebook.%u", group);
    const uint32_t width = f->width / f->spec.groups;
    const float *word = model_writer_floats(f->writer, name) + codeword * width;
    double sum = 0.0;
    for (uint32_t j = 0; j < width; j++)
        sum += pow(key[group * width + j] - (double)word[j], 2.0);
    return sum;
}

/* ---- look-up ---- */

START_TEST(test_rows)
{
    const model_spec spec = model_spec_default(1);
    fixture f = fixture_make(&spec);
    const int64_t *ids = model_writer_i64(f.writer, "item.id");
    fixture_build(&f, 0);
    ck_assert_ptr_eq(vql_catalog_model(f.catalog), f.model);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 0), 1);
    ck_assert_uint_gt((uint64_t)ids[2], INT64_MAX);
    for (uint32_t row = 1; row < spec.items; row++)
        ck_assert_uint_eq(vql_catalog_row(f.catalog, (uint64_t)ids[row]), row);
    random_stream random = {99};
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(vql_catalog_row(f.catalog, random_u64(&random)), 0);
    fixture_free(&f);
}
END_TEST

/* Row 0's id is no item's. */
START_TEST(test_unknown_row_has_no_id)
{
    const model_spec spec = model_spec_default(1);
    fixture f = fixture_make(&spec);
    model_writer_i64(f.writer, "item.id")[0] = 77;
    model_writer_i64(f.writer, "item.id")[1] = 78;
    fixture_build(&f, 0);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 77), 0);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 78), 1);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 0), 0);
    fixture_free(&f);
}
END_TEST

START_TEST(test_only_the_unknown_item)
{
    model_spec spec = model_spec_default(1);
    spec.items = 1;
    fixture f = fixture_make(&spec);
    fixture_build(&f, SIZE_MAX);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 0), 0);
    ck_assert_uint_eq(vql_catalog_row(f.catalog, 12345), 0);
    fixture_free(&f);
}
END_TEST

/* ---- queries, codes, values ---- */

static void expect_close(double found, double wanted, double tolerance, const char *what,
                         uint32_t row)
{
    if (!(fabs(found - wanted) <= tolerance * fmax(1.0, fabs(wanted))))
        ck_abort_msg("%s of row %u: %.9g, wanted %.9g", what, row, found, wanted);
}

static void expect_queries(const fixture *f)
{
    for (uint32_t row = 0; row < f->spec.items; row++) {
        double wanted[MOST] = {0};
        direct_query(f, row, wanted);
        const float *found = vql_catalog_query(f->catalog, row);
        for (uint32_t j = 0; j < f->width; j++)
            expect_close((double)found[j], wanted[j], float_tolerance, "query", row);
    }
}

static void expect_values(const fixture *f)
{
    const uint32_t columns = f->x_width + f->spec.type_width;
    for (uint32_t row = 0; row < f->spec.items; row++) {
        for (uint32_t a = 0; a < f->spec.event_types; a++) {
            double x[MOST] = {0};
            double wanted[MOST] = {0};
            float found[MOST];
            event_input(f, row, a, x);
            multiply(f, "attention.value.weight", f->width, columns, columns, x, wanted);
            vql_catalog_value(f->catalog, row, a, found);
            for (uint32_t j = 0; j < f->width; j++)
                expect_close((double)found[j], wanted[j], 4 * float_tolerance, "value", row);
        }
    }
}

/* No codeword is nearer than the one chosen, and none as near has a lower index. */
static void expect_codes(const fixture *f)
{
    for (uint32_t row = 0; row < f->spec.items; row++) {
        for (uint32_t a = 0; a < f->spec.event_types; a++) {
            double key[MOST] = {0};
            direct_key(f, row, a, key);
            const uint16_t *codes = vql_catalog_codes(f->catalog, row, a);
            for (uint32_t g = 0; g < f->spec.groups; g++) {
                uint32_t nearest = 0;
                for (uint32_t c = 1; c < f->spec.codewords[g]; c++)
                    nearest = distance(f, key, g, c) < distance(f, key, g, nearest) ? c : nearest;
                if (codes[g] != nearest) {
                    ck_abort_msg("row %u type %u group %u: code %u, wanted %u", row, a, g, codes[g],
                                 nearest);
                }
            }
        }
    }
}

/* W_1's parts: for x_i with the bias, and for o, in tiles. */
static void expect_head(const fixture *f)
{
    const float *weight = model_writer_floats(f->writer, "head.0.weight");
    const float *bias = model_writer_floats(f->writer, "head.0.bias");
    const uint32_t hidden = (uint32_t)model_writer_elements(f->writer, "head.0.bias");
    const uint32_t columns = f->x_width + f->width;
    ck_assert_uint_eq(f->catalog->tables->hidden, hidden);
    for (uint32_t row = 0; row < f->spec.items; row++) {
        double x[MOST] = {0};
        double wanted[MOST] = {0};
        event_input(f, row, 0, x);
        multiply(f, "head.0.weight", hidden, columns, f->x_width, x, wanted);
        for (uint32_t i = 0; i < hidden; i++) {
            expect_close((double)f->catalog->tables->head_item[row * hidden + i],
                         wanted[i] + (double)bias[i], float_tolerance, "head", row);
        }
    }
    const vql_panel *panel = &f->catalog->tables->panels[0];
    for (uint32_t j = 0; j < f->width; j++) {
        for (uint32_t i = 0; i < hidden; i++) {
            const float wanted = weight[i * columns + f->x_width + j];
            const size_t at = ((size_t)i / VQL_LANES * panel->inputs + j) * VQL_LANES;
            if (panel->tiles[at + i % VQL_LANES] != wanted)
                ck_abort_msg("panel of W_1 [%u, %u]", j, i);
        }
    }
}

/* e^{ŝ - max} of §6, directly. */
static void expect_weights(const fixture *f)
{
    const uint32_t d = f->spec.head_width;
    const uint32_t heads_per_group = f->spec.heads / f->spec.groups;
    const uint32_t *start = f->catalog->tables->head_start;
    ck_assert_uint_eq(start[0], 0);
    ck_assert_uint_eq(vql_catalog_table_items(f->catalog), f->spec.items);
    for (uint32_t row = 0; row < f->spec.items; row++) {
        double query[MOST] = {0};
        direct_query(f, row, query);
        for (uint32_t h = 0; h < f->spec.heads; h++) {
            const uint32_t group = h / heads_per_group;
            const uint32_t count = f->spec.codewords[group];
            const float *codebook = f->model->codebooks[group];
            const uint32_t offset = h % heads_per_group * d;
            double logits[MOST];
            double most = -INFINITY;
            ck_assert_uint_eq(start[h + 1] - start[h], count);
            for (uint32_t a = 0; a < count; a++) {
                logits[a] = 0.0;
                for (uint32_t j = 0; j < d; j++) {
                    const size_t at = (size_t)a * heads_per_group * d + offset + j;
                    logits[a] += query[h * d + j] * (double)codebook[at] / sqrt(d);
                }
                most = fmax(most, logits[a]);
            }
            const vql_weight_table *table = &f->catalog->tables->table;
            const float *found = (const float *)(const void *)(vql_weight_table_row(table, row) +
                                                               table->head_offsets[h]);
            for (uint32_t a = 0; a < count; a++) {
                const double wanted = exp(logits[a] - most);
                expect_close((double)found[a] / wanted, 1.0, weight_tolerance, "weight", row);
            }
        }
    }
}

START_TEST(test_random_shapes)
{
    const model_spec spec = model_spec_random((uint64_t)_i);
    fixture f = fixture_make(&spec);
    fixture_build(&f, SIZE_MAX);
    expect_queries(&f);
    expect_values(&f);
    expect_codes(&f);
    expect_head(&f);
    expect_weights(&f);
    fixture_free(&f);
}
END_TEST

/* Groups of very different sizes, one of a single codeword. */
START_TEST(test_unequal_codebooks)
{
    model_spec spec = model_spec_default(8);
    spec.heads = 6;
    spec.groups = 3;
    spec.head_width = 5;
    spec.codewords[0] = 1;
    spec.codewords[1] = 200;
    spec.codewords[2] = 33;
    fixture f = fixture_make(&spec);
    fixture_build(&f, SIZE_MAX);
    expect_codes(&f);
    expect_weights(&f);
    ck_assert_uint_eq(vql_catalog_codes(f.catalog, 3, 1)[0], 0);
    fixture_free(&f);
}
END_TEST

/* Of equal codewords the lowest one is chosen, however many there are. */
START_TEST(test_ties)
{
    const model_spec spec = model_spec_default(9);
    fixture f = fixture_make(&spec);
    float *codebook = model_writer_floats(f.writer, "codebook.0");
    const size_t word = 6;
    memcpy(codebook + 4 * word, codebook + 2 * word, word * sizeof *codebook);
    memcpy(codebook + 6 * word, codebook + 2 * word, word * sizeof *codebook);
    codebook = model_writer_floats(f.writer, "codebook.1");
    for (size_t i = word; i < 5 * word; i++)
        codebook[i] = codebook[i % word];
    fixture_build(&f, 0);
    expect_codes(&f);
    uint32_t twos = 0;
    for (uint32_t row = 0; row < spec.items; row++) {
        const uint16_t *codes = vql_catalog_codes(f.catalog, row, 0);
        ck_assert_uint_ne(codes[0], 4);
        ck_assert_uint_ne(codes[0], 6);
        ck_assert_uint_eq(codes[1], 0);
        twos += codes[0] == 2;
    }
    ck_assert_uint_gt(twos, 0);
    fixture_free(&f);
}
END_TEST

/* A key that is a codeword has that code. */
START_TEST(test_keys_as_codewords)
{
    model_spec spec = model_spec_default(10);
    spec.event_types = 1;
    spec.codewords[0] = spec.codewords[1] = spec.items;
    fixture f = fixture_make(&spec);
    for (uint32_t row = 0; row < spec.items; row++) {
        double key[MOST] = {0};
        direct_key(&f, row, 0, key);
        for (uint32_t j = 0; j < f.width; j++) {
            float *codebook = model_writer_floats(f.writer, j < 6 ? "codebook.0" : "codebook.1");
            codebook[row * 6 + j % 6] = (float)key[j];
        }
    }
    fixture_build(&f, 0);
    for (uint32_t row = 0; row < spec.items; row++) {
        ck_assert_uint_eq(vql_catalog_codes(f.catalog, row, 0)[0], row);
        ck_assert_uint_eq(vql_catalog_codes(f.catalog, row, 0)[1], row);
    }
    fixture_free(&f);
}
END_TEST

/* ---- failures ---- */

static void expect_refusal(fixture *f, const char *text)
{
    f->model = model_writer_parse(f->writer);
    vql_error error = {.code = VQL_OK};
    ck_assert_int_eq(vql_catalog_build(f->model, SIZE_MAX, NULL, &f->catalog, &error), VQL_VALUE);
    ck_assert_ptr_null(f->catalog);
    ck_assert_msg(strstr(error.text, text) != NULL, "\"%s\", wanted \"%s\"", error.text, text);
    fixture_free(f);
}

/* Products of finite parameters that no float holds. */
START_TEST(test_overflow)
{
    const model_spec spec = model_spec_default(13);
    fixture f = fixture_make(&spec);
    model_writer_i64(f.writer, "item.id")[4] = 123;
    model_writer_floats(f.writer, "item.embedding")[4 * 5] = 1e30F;
    model_writer_floats(f.writer, "attention.value.weight")[0] = 1e30F;
    expect_refusal(&f, "item 123 (row 4): its product with attention.value.weight is beyond");

    f = fixture_make(&spec);
    model_writer_i64(f.writer, "item.id")[22] = 124;
    model_writer_floats(f.writer, "item.embedding")[22 * 5] = 1e30F;
    model_writer_floats(f.writer, "head.0.weight")[0] = -1e30F;
    expect_refusal(&f, "item 124 (row 22): its product with head.0.weight is beyond");

    f = fixture_make(&spec);
    model_writer_floats(f.writer, "event_type.embedding")[1 * 2] = 1e30F;
    model_writer_floats(f.writer, "attention.value.weight")[12] = 1e30F;
    expect_refusal(&f, "event type type1: its product with attention.value.weight is beyond");
}
END_TEST

/* The largest parameters give codes and queries that are numbers: norm bounds them. */
START_TEST(test_largest_parameters)
{
    const model_spec spec = model_spec_default(14);
    fixture f = fixture_make(&spec);
    const char *const tensors[] = {"attention.query.weight", "attention.key.weight", "codebook.0"};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        float *weight = model_writer_floats(f.writer, tensors[i]);
        for (size_t j = 0; j < model_writer_elements(f.writer, tensors[i]); j++)
            weight[j] = weight[j] < 0.0F ? -FLT_MAX : FLT_MAX;
    }
    fixture_build(&f, SIZE_MAX);
    ck_assert_uint_eq(vql_catalog_table_items(f.catalog), 0);
    expect_queries(&f);
    for (uint32_t row = 0; row < spec.items; row++)
        ck_assert_uint_lt(vql_catalog_codes(f.catalog, row, 2)[0], 7);
    fixture_free(&f);
}
END_TEST

START_TEST(test_no_memory)
{
    const model_spec spec = model_spec_default(15);
    fixture f = fixture_make(&spec);
    f.model = model_writer_parse(f.writer);
    for (size_t i = 0;; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, i);
        vql_catalog *catalog = NULL;
        vql_error error;
        const vql_code code =
            vql_catalog_build(f.model, SIZE_MAX, &memory.allocator, &catalog, &error);
        vql_catalog_free(catalog);
        ck_assert_uint_eq(memory.live, 0);
        if (code == VQL_OK) {
            ck_assert_uint_gt(i, 15);
            break;
        }
        ck_assert_int_eq(code, VQL_NO_MEMORY);
        ck_assert_msg(strstr(error.text, "no memory") != NULL, "%s", error.text);
    }
    fixture_free(&f);
}
END_TEST

/* ---- trained models ---- */

/* Every id is found, every code is one, and the table fits the floats. */
static void expect_trained(const char *path)
{
    size_t count;
    uint8_t *bytes = file_read(path, &count);
    vql_model *model = NULL;
    ck_assert_int_eq(vql_model_parse(bytes, count, NULL, &model, NULL), VQL_OK);
    free(bytes);
    vql_catalog *catalog = NULL;
    ck_assert_int_eq(vql_catalog_build(model, SIZE_MAX, NULL, &catalog, NULL), VQL_OK);
    const vql_shape *shape = vql_model_shape(model);
    ck_assert_uint_eq(vql_catalog_table_items(catalog), shape->items);
    for (uint32_t row = 1; row < shape->items; row++)
        if (vql_catalog_row(catalog, model->item_ids[row]) != row)
            ck_abort_msg("row %u", row);
    for (size_t i = 0; i < (size_t)shape->items * shape->event_types * shape->groups; i++)
        if (catalog->tables->codes[i] >= model->codewords[i % shape->groups])
            ck_abort_msg("code %zu", i);
    for (uint32_t i = 0; i < shape->items * shape->heads; i++) {
        const uint32_t head = i % shape->heads;
        const uint8_t *row = vql_weight_table_row(&catalog->tables->table, i / shape->heads);
        const float *weights =
            (const float *)(const void *)(row + catalog->tables->table.head_offsets[head]);
        for (uint32_t a = 0;
             a < catalog->tables->head_start[head + 1] - catalog->tables->head_start[head]; a++)
            if (!(weights[a] > 4e-18F && weights[a] <= 1.0F))
                ck_abort_msg("head %u of row %u: %g", head, i / shape->heads, (double)weights[a]);
    }
    vql_catalog_free(catalog);
    vql_model_free(model);
}

START_TEST(test_trained)
{
    expect_trained(VQL_SOURCE_DIR "/examples/retail/model.safetensors");
    expect_trained(VQL_SOURCE_DIR "/tests/golden/retail.safetensors");
    expect_trained(VQL_SOURCE_DIR "/tests/golden/kuairand.safetensors");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog");
    TCase *tcase = tcase_create("catalog");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_rows);
    tcase_add_test(tcase, test_unknown_row_has_no_id);
    tcase_add_test(tcase, test_only_the_unknown_item);
    tcase_add_loop_test(tcase, test_random_shapes, 0, 40);
    tcase_add_test(tcase, test_unequal_codebooks);
    tcase_add_test(tcase, test_ties);
    tcase_add_test(tcase, test_keys_as_codewords);
    tcase_add_test(tcase, test_overflow);
    tcase_add_test(tcase, test_largest_parameters);
    tcase_add_test(tcase, test_no_memory);
    tcase_add_test(tcase, test_trained);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
