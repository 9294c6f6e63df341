/*
 * The model file: good ones are read to the last number, of whatever type and shape.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "failing_allocator.h"
#include "file.h"
#include "model_data.h"
#include "model_writer.h"

static model_writer *default_writer(void)
{
    const model_spec spec = model_spec_default(1);
    return model_writer_new(&spec);
}

/* ---- good files ---- */

static void expect_floats(model_writer *writer, const char *tensor, const float *found)
{
    const float *wanted = model_writer_floats(writer, tensor);
    const size_t bytes = model_writer_elements(writer, tensor) * sizeof *wanted;
    ck_assert_msg(memcmp(wanted, found, bytes) == 0, "%s differs", tensor);
}

static void expect_indexed_floats(model_writer *writer, const char *format, uint32_t index,
                                  const char *part, const float *found)
{
    char name[64];
    snprintf(name, sizeof name, "%s%u%s", format, index, part);
    expect_floats(writer, name, found);
}

static void expect_same_parameters(model_writer *writer, const vql_model *model)
{
    expect_floats(writer, "item.embedding", model->item_embedding);
    expect_floats(writer, "event_type.embedding", model->type_embedding);
    expect_floats(writer, "attention.query.weight", model->query_weight);
    expect_floats(writer, "attention.key.weight", model->key_weight);
    expect_floats(writer, "attention.value.weight", model->value_weight);
    expect_floats(writer, "time.decay", model->decay);
    expect_floats(writer, "time.weight", model->kernel_weight);
    for (uint32_t g = 0; g < model->shape.groups; g++)
        expect_indexed_floats(writer, "codebook.", g, "", model->codebooks[g]);
    for (uint32_t layer = 0; layer < model->layer_count; layer++) {
        expect_indexed_floats(writer, "head.", layer, ".weight", model->layers[layer].weight);
        expect_indexed_floats(writer, "head.", layer, ".bias", model->layers[layer].bias);
    }
    for (uint32_t f = 0; f < model->field_count; f++) {
        const vql_field *field = &model->fields[f];
        char name[64];
        expect_indexed_floats(writer, "field.field", f, ".embedding", field->embedding);
        snprintf(name, sizeof name, "field.field%u.offsets", f);
        ck_assert_mem_eq(model_writer_i32(writer, name), field->offsets,
                         4 * (model->shape.items + 1u));
        snprintf(name, sizeof name, "field.field%u.indices", f);
        ck_assert_uint_eq(model_writer_elements(writer, name), field->offsets[model->shape.items]);
        ck_assert_mem_eq(model_writer_i32(writer, name), field->indices,
                         4 * (size_t)field->offsets[model->shape.items]);
    }
    ck_assert_mem_eq(model_writer_i64(writer, "item.id"), model->item_ids,
                     8 * (size_t)model->shape.items);
}

START_TEST(test_default_shape)
{
    model_writer *writer = default_writer();
    vql_model *model = model_writer_parse(writer);
    const vql_shape *shape = vql_model_shape(model);
    ck_assert_uint_eq(shape->items, 23);
    ck_assert_uint_eq(shape->x_width, 5 + 4 + 3);
    ck_assert_uint_eq(shape->type_width, 2);
    ck_assert_uint_eq(shape->event_types, 3);
    ck_assert_uint_eq(shape->width, 12);
    ck_assert_uint_eq(shape->heads, 4);
    ck_assert_uint_eq(shape->head_width, 3);
    ck_assert_uint_eq(shape->groups, 2);
    ck_assert_uint_eq(shape->group_width, 6);
    ck_assert_uint_eq(shape->kernels, 3);
    ck_assert_uint_eq(shape->tasks, 2);
    ck_assert_uint_eq(vql_model_codewords(model, 0), 7);
    ck_assert_uint_eq(vql_model_codewords(model, 1), 5);
    ck_assert_str_eq(vql_model_name(model), "synthetic");
    ck_assert_str_eq(vql_model_task(model, 1), "task1");
    ck_assert_str_eq(vql_model_event_type(model, 2), "type2");
    ck_assert_str_eq(model->fields[1].name, "field1");
    ck_assert_double_eq(model->rms_epsilon, 1e-6);
    expect_same_parameters(writer, model);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

START_TEST(test_random_shapes)
{
    const model_spec spec = model_spec_random((uint64_t)_i);
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    ck_assert_uint_eq(model->shape.items, spec.items);
    ck_assert_uint_eq(model->shape.width, spec.heads * spec.head_width);
    ck_assert_uint_eq(model->layer_count, spec.layer_count);
    ck_assert_uint_eq(model->field_count, spec.field_count);
    expect_same_parameters(writer, model);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

static vql_model *parse_file(const char *path)
{
    size_t count;
    uint8_t *bytes = file_read(path, &count);
    vql_model *model = NULL;
    vql_error error;
    const vql_code code = vql_model_parse(bytes, count, NULL, &model, &error);
    ck_assert_msg(code == VQL_OK, "%s: %s", path, code == VQL_OK ? "" : error.text);
    free(bytes);
    return model;
}

START_TEST(test_retail)
{
    vql_model *model = parse_file(VQL_SOURCE_DIR "/tests/golden/retail.safetensors");
    const vql_shape *shape = vql_model_shape(model);
    ck_assert_str_eq(vql_model_name(model), "retail");
    ck_assert_str_eq(vql_model_task(model, 0), "buy");
    ck_assert_str_eq(vql_model_event_type(model, 0), "purchase");
    ck_assert_uint_eq(shape->items, 3666);
    ck_assert_uint_eq(shape->x_width, 32);
    ck_assert_uint_eq(shape->width, 64);
    ck_assert_uint_eq(shape->kernels, 3);
    ck_assert_uint_eq(vql_model_codewords(model, 3), 256);
    ck_assert_uint_eq(model->field_count, 0);
    ck_assert_uint_eq(model->layer_count, 3);
    vql_model_free(model);
}
END_TEST

START_TEST(test_kuairand)
{
    vql_model *model = parse_file(VQL_SOURCE_DIR "/tests/golden/kuairand.safetensors");
    const vql_shape *shape = vql_model_shape(model);
    ck_assert_uint_eq(shape->items, 7584);
    ck_assert_uint_eq(shape->x_width, 64);
    ck_assert_uint_eq(shape->event_types, 5);
    ck_assert_uint_eq(shape->tasks, 2);
    ck_assert_uint_eq(vql_model_codewords(model, 0), 64);
    ck_assert_uint_eq(model->field_count, 2);
    ck_assert_str_eq(model->fields[0].name, "author");
    ck_assert_str_eq(model->fields[1].name, "tag");
    ck_assert_str_eq(vql_model_event_type(model, 4), "click");
    vql_model_free(model);
}
END_TEST

/* x_i: the embedding, then each field's mean, zeros where an item has no value. */
START_TEST(test_item)
{
    model_writer *writer = default_writer();
    vql_model *model = model_writer_parse(writer);
    const float *embedding = model_writer_floats(writer, "item.embedding");
    const float *values = model_writer_floats(writer, "field.field1.embedding");
    const int32_t *offsets = model_writer_i32(writer, "field.field1.offsets");
    const int32_t *indices = model_writer_i32(writer, "field.field1.indices");
    uint32_t without = 0;
    uint32_t with_many = 0;
    for (uint32_t row = 0; row < 23; row++) {
        double x[12];
        vql_model_item(model, row, x);
        for (uint32_t j = 0; j < 5; j++)
            ck_assert_double_eq(x[j], (double)embedding[row * 5 + j]);
        const int32_t count = offsets[row + 1] - offsets[row];
        without += count == 0;
        with_many += count > 1;
        for (uint32_t j = 0; j < 3; j++) {
            double mean = 0.0;
            for (int32_t i = offsets[row]; i < offsets[row + 1]; i++)
                mean += (double)values[(uint32_t)indices[i] * 3 + j] / count;
            ck_assert_double_eq_tol(x[9 + j], mean, 1e-12);
        }
    }
    ck_assert_uint_gt(without, 0);
    ck_assert_uint_gt(with_many, 0);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

/* Ids are unsigned 64 bits; row 0's is ignored, even when another row has it. */
START_TEST(test_ids_beyond_the_sign)
{
    model_writer *writer = default_writer();
    int64_t *ids = model_writer_i64(writer, "item.id");
    ids[0] = ids[5];
    ids[6] = -1;
    ids[7] = INT64_MIN;
    vql_model *model = model_writer_parse(writer);
    ck_assert_uint_eq(model->item_ids[6], UINT64_MAX);
    ck_assert_uint_eq(model->item_ids[7], UINT64_C(1) << 63);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

START_TEST(test_only_the_unknown_item)
{
    model_spec spec = model_spec_default(3);
    spec.items = 1;
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    ck_assert_uint_eq(vql_model_shape(model)->items, 1);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

/* What this version does not know is ignored, whatever it holds. */
START_TEST(test_unknown_parts_are_ignored)
{
    model_writer *writer = default_writer();
    const uint64_t shape[3] = {2, 0, 7};
    model_writer_add(writer, "head.context.weight", "F32", 1, (const uint64_t[]){4});
    model_writer_floats(writer, "head.context.weight")[2] = NAN;
    model_writer_add(writer, "extra", "U8", 3, shape);
    model_writer_metadata(writer, "trained_by", "someone");
    vql_model *model = model_writer_parse(writer);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

START_TEST(test_fingerprint)
{
    model_writer *writer = default_writer();
    vql_model *model = model_writer_parse(writer);
    vql_model *again = model_writer_parse(writer);
    ck_assert_uint_eq(vql_model_fingerprint(model), vql_model_fingerprint(again));
    vql_model_free(again);
    model_writer_floats(writer, "time.weight")[0] *= 1.5F;
    vql_model *changed = model_writer_parse(writer);
    ck_assert_uint_ne(vql_model_fingerprint(model), vql_model_fingerprint(changed));
    vql_model_free(changed);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

/* A model holds about what its file does: F32 files are neither shared nor copied twice. */
START_TEST(test_bytes)
{
    size_t count;
    uint8_t *bytes = file_read(VQL_SOURCE_DIR "/tests/golden/retail.safetensors", &count);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    vql_model *model = NULL;
    ck_assert_int_eq(vql_model_parse(bytes, count, NULL, &model, NULL), VQL_OK);
    ck_assert_uint_gt(vql_model_bytes(model), count - header - sizeof header);
    ck_assert_uint_lt(vql_model_bytes(model), count + 4096);
    vql_model_free(model);
    free(bytes);
}
END_TEST

START_TEST(test_rms_epsilon)
{
    model_writer *writer = default_writer();
    model_writer_metadata(writer, "rms_epsilon", "2.5e-05");
    vql_model *model = model_writer_parse(writer);
    ck_assert_double_eq(model->rms_epsilon, 2.5e-05);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

/* The bounds themselves are allowed. */
START_TEST(test_bounds_are_inclusive)
{
    model_spec spec = model_spec_default(5);
    spec.items = 2;
    spec.head_width = 1;
    spec.codewords[0] = VQL_MAX_CODEWORDS;
    spec.kernels = VQL_MAX_KERNELS;
    spec.tasks = VQL_MAX_TASKS;
    spec.event_types = VQL_MAX_EVENT_TYPES;
    spec.item_width = VQL_MAX_WIDTH - 7;
    model_writer *writer = model_writer_new(&spec);
    char name[VQL_MAX_NAME_BYTES + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    model_writer_metadata(writer, "name", name);
    vql_model *model = model_writer_parse(writer);
    ck_assert_uint_eq(vql_model_codewords(model, 0), VQL_MAX_CODEWORDS);
    ck_assert_uint_eq(vql_model_shape(model)->x_width, VQL_MAX_WIDTH);
    ck_assert_str_eq(vql_model_event_type(model, VQL_MAX_EVENT_TYPES - 1), "type4095");
    ck_assert_str_eq(vql_model_name(model), name);
    vql_model_free(model);
    model_writer_free(writer);
}
END_TEST

/* ---- F16 and BF16 ---- */

/* The value of a finite half or bfloat pattern, from the definition of the format. */
static double pattern_value(uint32_t bits, int fraction_bits, int bias)
{
    const uint32_t fraction = bits & ((1u << fraction_bits) - 1);
    const int exponent = (int)((bits & 0x7FFFu) >> fraction_bits);
    const double significand =
        exponent == 0 ? (double)fraction : (double)(fraction + (1u << fraction_bits));
    const double magnitude =
        ldexp(significand, (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
    return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

/* Every finite number of a 16-bit type is read exactly. */
static void expect_every_pattern(const char *type, int fraction_bits, int bias)
{
    model_spec spec = model_spec_default(2);
    spec.item_width = 64;
    spec.items = 65536 / 64;
    spec.field_count = 0;
    model_writer *writer = model_writer_new(&spec);
    model_writer_retype(writer, "item.embedding", type);
    float *patterns = model_writer_floats(writer, "item.embedding");
    const uint32_t infinite = (1u << (15 - fraction_bits)) - 1;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const bool finite = (bits >> fraction_bits & infinite) != infinite;
        patterns[bits] = finite ? (float)pattern_value(bits, fraction_bits, bias) : 0.0F;
    }
    vql_model *model = model_writer_parse(writer);
    expect_floats(writer, "item.embedding", model->item_embedding);
    ck_assert_int_ne(signbit(model->item_embedding[0x8000]), 0);
    vql_model_free(model);
    model_writer_free(writer);
}

START_TEST(test_every_half)
{
    expect_every_pattern("F16", 10, 15);
}
END_TEST

START_TEST(test_every_bfloat)
{
    expect_every_pattern("BF16", 7, 127);
}
END_TEST

/* A whole model in a 16-bit type agrees with the F32 one to the type's precision. */
static void expect_agreement(const char *type, double tolerance)
{
    model_spec spec = model_spec_default(4);
    model_writer *wide = model_writer_new(&spec);
    spec.float_type = type;
    model_writer *narrow = model_writer_new(&spec);
    vql_model *wide_model = model_writer_parse(wide);
    vql_model *narrow_model = model_writer_parse(narrow);
    double largest = 0.0;
    for (size_t i = 0; i < model_writer_elements(wide, "item.embedding"); i++) {
        const double wanted = (double)wide_model->item_embedding[i];
        const double found = (double)narrow_model->item_embedding[i];
        largest = fmax(largest, fabs(found - wanted) / fabs(wanted));
    }
    ck_assert_double_gt(largest, 0.0);
    ck_assert_double_le(largest, tolerance);
    vql_model_free(wide_model);
    vql_model_free(narrow_model);
    model_writer_free(wide);
    model_writer_free(narrow);
}

START_TEST(test_half_model)
{
    expect_agreement("F16", 0x1p-11);
}
END_TEST

START_TEST(test_bfloat_model)
{
    expect_agreement("BF16", 0x1p-8);
}
END_TEST

/* Equal decays, a first one of 0 and a weight of 0 beside another are allowed. */
START_TEST(test_edges_of_the_kernel)
{
    model_writer *writer = default_writer();
    memset(model_writer_floats(writer, "time.decay"), 0, 3 * sizeof(float));
    model_writer_floats(writer, "time.weight")[0] = 0.0F;
    vql_model_free(model_writer_parse(writer));
    model_writer_free(writer);
}
END_TEST

/* ---- memory ---- */

START_TEST(test_no_memory)
{
    model_writer *writer = default_writer();
    size_t count;
    uint8_t *bytes = model_writer_serialize(writer, &count);
    for (size_t i = 0;; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, i);
        vql_model *model = NULL;
        vql_error error;
        const vql_code code = vql_model_parse(bytes, count, &memory.allocator, &model, &error);
        vql_model_free(model);
        ck_assert_uint_eq(memory.live, 0);
        if (code == VQL_OK) {
            ck_assert_uint_gt(i, 20);
            break;
        }
        ck_assert_int_eq(code, VQL_NO_MEMORY);
        ck_assert_ptr_null(model);
        ck_assert_msg(strstr(error.text, "no memory") != NULL, "%s", error.text);
    }
    free(bytes);
    model_writer_free(writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_default_shape);
    tcase_add_loop_test(tcase, test_random_shapes, 0, 60);
    tcase_add_test(tcase, test_retail);
    tcase_add_test(tcase, test_kuairand);
    tcase_add_test(tcase, test_item);
    tcase_add_test(tcase, test_ids_beyond_the_sign);
    tcase_add_test(tcase, test_only_the_unknown_item);
    tcase_add_test(tcase, test_unknown_parts_are_ignored);
    tcase_add_test(tcase, test_fingerprint);
    tcase_add_test(tcase, test_bytes);
    tcase_add_test(tcase, test_rms_epsilon);
    tcase_add_test(tcase, test_bounds_are_inclusive);
    tcase_add_test(tcase, test_every_half);
    tcase_add_test(tcase, test_every_bfloat);
    tcase_add_test(tcase, test_half_model);
    tcase_add_test(tcase, test_bfloat_model);
    tcase_add_test(tcase, test_edges_of_the_kernel);
    tcase_add_test(tcase, test_no_memory);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
