/*
 * The model file: each way of being wrong is refused with its code and a text that names the place.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "model_writer.h"

/* Where the header ends and the data begins. */
static size_t header_end(const uint8_t *bytes)
{
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    return sizeof length + (size_t)length;
}

static void expect_refusal_of(const uint8_t *bytes, size_t count, vql_code code, const char *text)
{
    vql_model *model = NULL;
    vql_error error = {.code = VQL_OK};
    const vql_code found = vql_model_parse(bytes, count, NULL, &model, &error);
    ck_assert_msg(found == code, "%s: %s, wanted %s: %s", vql_code_name(found), error.text,
                  vql_code_name(code), text);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(model);
    ck_assert_msg(strstr(error.text, text) != NULL, "\"%s\", wanted \"%s\"", error.text, text);
}

/* Expects the writer's file to be refused, and frees the writer. */
static void expect_refusal(model_writer *writer, vql_code code, const char *text)
{
    size_t count;
    uint8_t *bytes = model_writer_serialize(writer, &count);
    expect_refusal_of(bytes, count, code, text);
    free(bytes);
    model_writer_free(writer);
}

static model_writer *default_writer(void)
{
    const model_spec spec = model_spec_default(1);
    return model_writer_new(&spec);
}

/* ---- the container ---- */

START_TEST(test_truncated)
{
    model_writer *writer = default_writer();
    size_t count;
    uint8_t *bytes = model_writer_serialize(writer, &count);
    const size_t header = header_end(bytes);
    for (size_t kept = 0; kept < count; kept += kept < header ? 1 : 97) {
        uint8_t *cut = malloc(kept > 0 ? kept : 1);
        memcpy(cut, bytes, kept);
        vql_model *model = NULL;
        vql_error error;
        ck_assert_msg(vql_model_parse(cut, kept, NULL, &model, &error) == VQL_FORMAT,
                      "%zu bytes of %zu", kept, count);
        free(cut);
    }
    free(bytes);
    model_writer_free(writer);
}
END_TEST

/* Every byte of the header changed in several ways: a model or a refusal with a text. */
START_TEST(test_header_flipped)
{
    model_writer *writer = default_writer();
    size_t count;
    uint8_t *bytes = model_writer_serialize(writer, &count);
    const size_t header = header_end(bytes);
    const uint8_t flips[] = {0x01, 0x02, 0x10, 0x80, 0xFF};
    size_t refusals = 0;
    for (size_t at = 0; at < header; at++) {
        const uint8_t flip = flips[((size_t)_i + at) % sizeof flips];
        bytes[at] ^= flip;
        vql_model *model = NULL;
        vql_error error = {.text = ""};
        if (vql_model_parse(bytes, count, NULL, &model, &error) == VQL_OK) {
            vql_model_free(model);
        } else {
            refusals++;
            ck_assert_msg(error.text[0] != '\0' && error.code != VQL_OK, "byte %zu", at);
        }
        bytes[at] ^= flip;
    }
    ck_assert_uint_gt(refusals, header / 2);
    free(bytes);
    model_writer_free(writer);
}
END_TEST

/* ---- tensors ---- */

static const char *const required_tensors[] = {
    "item.id",
    "item.embedding",
    "field.field0.embedding",
    "field.field0.offsets",
    "field.field1.indices",
    "event_type.embedding",
    "attention.query.weight",
    "attention.key.weight",
    "attention.value.weight",
    "codebook.0",
    "codebook.1",
    "time.decay",
    "time.weight",
    "head.0.weight",
    "head.0.bias",
    "head.1.bias",
};

START_TEST(test_missing)
{
    char text[96];
    snprintf(text, sizeof text, "tensor %s: missing", required_tensors[_i]);
    model_writer *writer = default_writer();
    model_writer_drop(writer, required_tensors[_i]);
    expect_refusal(writer, VQL_SHAPE, text);
}
END_TEST

START_TEST(test_misspelt)
{
    char text[96];
    snprintf(text, sizeof text, "tensor %s: missing", required_tensors[_i]);
    model_writer *writer = default_writer();
    model_writer_rename(writer, required_tensors[_i], "Misspelt");
    expect_refusal(writer, VQL_SHAPE, text);
}
END_TEST

START_TEST(test_wrong_type)
{
    char text[96];
    snprintf(text, sizeof text, "tensor %s: dtype F64, wanted", required_tensors[_i]);
    model_writer *writer = default_writer();
    model_writer_retype(writer, required_tensors[_i], "F64");
    expect_refusal(writer, VQL_SHAPE, text);
}
END_TEST

START_TEST(test_wrong_rank)
{
    char text[96];
    snprintf(text, sizeof text, "tensor %s: shape [2, 2, 2], wanted [", required_tensors[_i]);
    model_writer *writer = default_writer();
    model_writer_reshape(writer, required_tensors[_i], 3, (const uint64_t[]){2, 2, 2});
    expect_refusal(writer, VQL_SHAPE, text);
    writer = default_writer();
    snprintf(text, sizeof text, "tensor %s: shape [], wanted [", required_tensors[_i]);
    model_writer_reshape(writer, required_tensors[_i], 0, NULL);
    expect_refusal(writer, VQL_SHAPE, text);
}
END_TEST

/* A tensor given another shape, and the error that this makes in it or in one that has to fit. */
static const struct {
    const char *tensor;
    uint32_t rank;
    uint64_t shape[2];
    vql_code code;
    const char *text;
} reshapes[] = {
    {"item.id", 1, {0}, VQL_SHAPE, "tensor item.id: shape [0], wanted [1 .. 1073741824]"},
    {"item.id", 1, {24}, VQL_VALUE, "tensor item.id: rows 1 and 23 have the same id 0"},
    {"item.id", 1, {22}, VQL_SHAPE, "tensor item.embedding: shape [23, 5], wanted [22, 1"},
    {"item.embedding", 2, {24, 5}, VQL_SHAPE, "shape [24, 5], wanted [23, 1 .. 4096]"},
    {"item.embedding", 2, {23, 0}, VQL_SHAPE, "shape [23, 0], wanted [23, 1 .. 4096]"},
    {"item.embedding", 2, {23, 4097}, VQL_SHAPE, "shape [23, 4097], wanted [23, 1 .. 4096]"},
    {"item.embedding", 2, {23, 4090}, VQL_SHAPE, "4097 columns together, more than 4096"},
    {"item.embedding", 2, {23, 6}, VQL_SHAPE, "attention.query.weight: shape [12, 12], wanted"},
    {"field.field0.embedding", 2, {9, 0}, VQL_SHAPE, "field.field0.embedding: shape [9, 0]"},
    {"field.field0.embedding", 2, {0, 4}, VQL_SHAPE, "field.field0.embedding: shape [0, 4]"},
    {"field.field0.offsets", 1, {23}, VQL_SHAPE, "offsets: shape [23], wanted [24]"},
    {"field.field0.offsets", 1, {25}, VQL_SHAPE, "offsets: shape [25], wanted [24]"},
    {"field.field1.indices", 1, {400}, VQL_VALUE, "tensor field.field1.offsets: 0 .. "},
    {"field.field1.indices", 1, {0}, VQL_VALUE, "tensor field.field1.offsets: element "},
    {"event_type.embedding", 2, {4, 2}, VQL_SHAPE, "shape [4, 2], wanted [3, 1 .. 4096]"},
    {"event_type.embedding", 2, {3, 3}, VQL_SHAPE, "attention.key.weight: shape [12, 14]"},
    {"attention.query.weight", 2, {10, 12}, VQL_SHAPE, "10 rows, not a multiple of 4 heads"},
    {"attention.query.weight", 2, {4100, 12}, VQL_SHAPE, "shape [4100, 12], wanted [1 .. 4096"},
    {"attention.query.weight", 2, {8, 12}, VQL_SHAPE, "key.weight: shape [12, 14], wanted [8"},
    {"attention.key.weight", 2, {12, 12}, VQL_SHAPE, "attention.key.weight: shape [12, 12]"},
    {"attention.value.weight", 2, {14, 12}, VQL_SHAPE, "attention.value.weight: shape [14"},
    {"codebook.0", 2, {0, 6}, VQL_SHAPE, "codebook.0: shape [0, 6], wanted [1 .. 65536, 6]"},
    {"codebook.0", 2, {65537, 6}, VQL_SHAPE, "codebook.0: shape [65537, 6]"},
    {"codebook.1", 2, {5, 12}, VQL_SHAPE, "codebook.1: shape [5, 12], wanted [1 .. 65536, 6]"},
    {"time.decay", 1, {0}, VQL_SHAPE, "time.decay: shape [0], wanted [1 .. 16]"},
    {"time.decay", 1, {17}, VQL_SHAPE, "time.decay: shape [17], wanted [1 .. 16]"},
    {"time.decay", 1, {2}, VQL_SHAPE, "time.weight: shape [4, 3], wanted [4, 2]"},
    {"time.weight", 2, {3, 3}, VQL_SHAPE, "time.weight: shape [3, 3], wanted [4, 3]"},
    {"head.0.weight", 2, {8, 23}, VQL_SHAPE, "head.0.weight: shape [8, 23], wanted [1 .. 4096"},
    {"head.0.weight", 2, {9, 24}, VQL_SHAPE, "head.0.bias: shape [8], wanted [9]"},
    {"head.1.weight", 2, {2, 7}, VQL_SHAPE, "head.1.weight: shape [2, 7], wanted [2, 8]"},
    {"head.1.weight", 2, {3, 8}, VQL_SHAPE, "head.1.weight: shape [3, 8], wanted [2, 8]"},
    {"head.1.bias", 1, {1}, VQL_SHAPE, "head.1.bias: shape [1], wanted [2]"},
};

START_TEST(test_wrong_shape)
{
    model_writer *writer = default_writer();
    model_writer_reshape(writer, reshapes[_i].tensor, reshapes[_i].rank, reshapes[_i].shape);
    expect_refusal(writer, reshapes[_i].code, reshapes[_i].text);
}
END_TEST

static const char *const float_tensors[] = {
    "item.embedding",
    "field.field0.embedding",
    "field.field1.embedding",
    "event_type.embedding",
    "attention.query.weight",
    "attention.key.weight",
    "attention.value.weight",
    "codebook.0",
    "codebook.1",
    "time.decay",
    "time.weight",
    "head.0.weight",
    "head.0.bias",
    "head.1.weight",
    "head.1.bias",
};

START_TEST(test_not_finite)
{
    const char *types[] = {"F32", "F16", "BF16"};
    const float values[] = {NAN, INFINITY, -INFINITY};
    const char *tensor = float_tensors[_i];
    for (size_t n = 0; n < 3 * 3 * 2; n++) {
        model_writer *writer = default_writer();
        const size_t last = model_writer_elements(writer, tensor) - 1;
        const size_t element = n % 2 == 0 ? 0 : last;
        model_writer_floats(writer, tensor)[element] = values[n / 2 % 3];
        model_writer_retype(writer, tensor, types[n / 6]);
        char text[96];
        snprintf(text, sizeof text, "tensor %s: element %zu is ", tensor, element);
        expect_refusal(writer, VQL_VALUE, text);
    }
}
END_TEST

START_TEST(test_duplicate_ids)
{
    model_writer *writer = default_writer();
    int64_t *ids = model_writer_i64(writer, "item.id");
    ids[17] = ids[4] = -2;
    expect_refusal(writer, VQL_VALUE,
                   "tensor item.id: rows 4 and 17 have the same id 18446744073709551614");
}
END_TEST

/*
 * One element of a field's integers changed: to what, at which place (-1: the last), and the text.
 */
static const struct {
    const char *tensor;
    int at;
    int32_t value;
    const char *text;
} bad_indices[] = {
    {"field.field1.indices", 0, 6, "field.field1.indices: element 0 is 6, wanted 0 .. 5"},
    {"field.field1.indices", -1, -1, "is -1, wanted 0 .. 5"},
    {"field.field1.indices", 3, INT32_MIN, "element 3 is -2147483648, wanted 0 .. 5"},
    {"field.field1.indices", 3, INT32_MAX, "element 3 is 2147483647, wanted 0 .. 5"},
    {"field.field1.offsets", 0, 1, "tensor field.field1.offsets: 1 .. "},
    {"field.field1.offsets", 0, -1, "field.field1.offsets: element 0 is -1, wanted 0 .. "},
    {"field.field1.offsets", 22, 0, "field.field1.offsets: element 22 is 0, less than the "},
    {"field.field1.offsets", -1, 1, "field.field1.offsets: 0 .. 1, wanted 0 .. "},
    {"field.field1.offsets", -1, INT32_MAX, "element 23 is 2147483647, wanted 0 .. "},
    {"field.field1.offsets", 9, INT32_MAX, "element 9 is 2147483647, wanted 0 .. "},
};

START_TEST(test_bad_indices)
{
    model_writer *writer = default_writer();
    const char *tensor = bad_indices[_i].tensor;
    const size_t at = bad_indices[_i].at >= 0 ? (size_t)bad_indices[_i].at
                                              : model_writer_elements(writer, tensor) - 1;
    model_writer_i32(writer, tensor)[at] = bad_indices[_i].value;
    expect_refusal(writer, VQL_VALUE, bad_indices[_i].text);
}
END_TEST

START_TEST(test_bad_kernel)
{
    model_writer *writer = default_writer();
    model_writer_floats(writer, "time.decay")[0] = -1e-6F;
    expect_refusal(writer, VQL_VALUE, "time.decay: element 0 is -1e-06, wanted at least 0");

    writer = default_writer();
    model_writer_floats(writer, "time.decay")[1] = 4.0F;
    model_writer_floats(writer, "time.decay")[2] = 3.0F;
    expect_refusal(writer, VQL_VALUE, "time.decay: element 2 is 3, wanted at least 4");

    writer = default_writer();
    model_writer_floats(writer, "time.weight")[2 * 3 + 1] = -0.5F;
    expect_refusal(writer, VQL_VALUE, "time.weight: element [2, 1] is -0.5, wanted at least 0");

    writer = default_writer();
    memset(model_writer_floats(writer, "time.weight") + 3 * 3, 0, 3 * sizeof(float));
    expect_refusal(writer, VQL_VALUE, "time.weight: row 3 is 0, wanted a weight above 0");
}
END_TEST

START_TEST(test_layers)
{
    model_writer *writer = default_writer();
    model_writer_rename(writer, "head.1.weight", "head.2.weight");
    model_writer_rename(writer, "head.1.bias", "head.2.bias");
    expect_refusal(writer, VQL_SHAPE, "tensor head.1.weight: missing");

    writer = default_writer();
    model_writer_add(writer, "head.16.weight", "F32", 2, (const uint64_t[]){2, 2});
    expect_refusal(writer, VQL_SHAPE, "tensor head.16.weight: more than 16 layers");

    writer = default_writer();
    model_writer_drop(writer, "head.1.weight");
    expect_refusal(writer, VQL_SHAPE, "tensor head.0.weight: shape [8, 24], wanted [2, 24]");
}
END_TEST

/* ---- metadata ---- */

#define NAME_128                                                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    const char *key;
    const char *value; /* NULL: left out */
    vql_code code;
    const char *text;
} bad_metadata[] = {
    {"format", NULL, VQL_FORMAT, "__metadata__ format: \"\", wanted \"vql\""},
    {"format", "pt", VQL_FORMAT, "__metadata__ format: \"pt\", wanted \"vql\""},
    {"format_version", NULL, VQL_VERSION, "format_version: \"\", wanted \"1\""},
    {"format_version", "2", VQL_VERSION, "format_version: \"2\", wanted \"1\""},
    {"name", NULL, VQL_SHAPE, "__metadata__ name: missing"},
    {"name", "", VQL_VALUE, "__metadata__ name: a name of 0 bytes, wanted 1 .. 127"},
    {"name", NAME_128, VQL_VALUE, "__metadata__ name: a name of 128 bytes, wanted 1 .. 127"},
    {"name", "two\nlines", VQL_VALUE, "name: a name with the control character 0x0a"},
    {"heads", NULL, VQL_SHAPE, "__metadata__ heads: missing"},
    {"heads", "", VQL_VALUE, "__metadata__ heads: \"\", wanted 1 .. 256"},
    {"heads", "0", VQL_VALUE, "__metadata__ heads: \"0\", wanted 1 .. 256"},
    {"heads", "-4", VQL_VALUE, "__metadata__ heads: \"-4\", wanted 1 .. 256"},
    {"heads", "4 ", VQL_VALUE, "__metadata__ heads: \"4 \", wanted 1 .. 256"},
    {"heads", "4.0", VQL_VALUE, "__metadata__ heads: \"4.0\", wanted 1 .. 256"},
    {"heads", "257", VQL_VALUE, "__metadata__ heads: \"257\", wanted 1 .. 256"},
    {"heads", "18446744073709551620", VQL_VALUE, "heads: \"18446744073709551620\", wanted"},
    {"heads", "5", VQL_VALUE, "groups: 2 does not divide 5 heads"},
    {"heads", "8", VQL_SHAPE, "attention.query.weight: 12 rows, not a multiple of 8 heads"},
    {"groups", NULL, VQL_SHAPE, "__metadata__ groups: missing"},
    {"groups", "3", VQL_VALUE, "__metadata__ groups: 3 does not divide 4 heads"},
    {"groups", "4", VQL_SHAPE, "tensor codebook.0: shape [7, 6], wanted [1 .. 65536, 3]"},
    {"tasks", NULL, VQL_SHAPE, "__metadata__ tasks: missing"},
    {"tasks", "", VQL_VALUE, "__metadata__ tasks: 0 names, wanted 1 .. 64"},
    {"tasks", "a,,b", VQL_VALUE, "__metadata__ tasks: a name of 0 bytes"},
    {"tasks", "a,", VQL_VALUE, "__metadata__ tasks: a name of 0 bytes"},
    {"tasks", "same,same", VQL_VALUE, "__metadata__ tasks: \"same\" twice"},
    {"tasks", "a," NAME_128, VQL_VALUE, "__metadata__ tasks: a name of 128 bytes"},
    {"tasks", "a", VQL_SHAPE, "tensor head.1.weight: shape [2, 8], wanted [1, 8]"},
    {"event_types", NULL, VQL_SHAPE, "__metadata__ event_types: missing"},
    {"event_types", "", VQL_VALUE, "__metadata__ event_types: 0 names, wanted 1 .. 4096"},
    {"event_types", "a,b,a", VQL_VALUE, "__metadata__ event_types: \"a\" twice"},
    {"event_types", "a,b", VQL_SHAPE, "event_type.embedding: shape [3, 2], wanted [2, 1"},
    {"fields", NULL, VQL_SHAPE, "__metadata__ fields: missing"},
    {"fields", "field0,field2", VQL_SHAPE, "tensor field.field2.embedding: missing"},
    {"fields", "field0,field0", VQL_VALUE, "__metadata__ fields: \"field0\" twice"},
    {"fields", "field0", VQL_SHAPE, "query.weight: shape [12, 12], wanted [1 .. 4096, 9]"},
    {"rms_epsilon", "", VQL_VALUE, "__metadata__ rms_epsilon: \"\", wanted a finite number"},
    {"rms_epsilon", "0", VQL_VALUE, "__metadata__ rms_epsilon: \"0\", wanted a finite number"},
    {"rms_epsilon", "-1e-6", VQL_VALUE, "rms_epsilon: \"-1e-6\", wanted a finite number"},
    {"rms_epsilon", "nan", VQL_VALUE, "rms_epsilon: \"nan\", wanted a finite number"},
    {"rms_epsilon", "1e999", VQL_VALUE, "rms_epsilon: \"1e999\", wanted a finite number"},
    {"rms_epsilon", "1e-6x", VQL_VALUE, "rms_epsilon: \"1e-6x\", wanted a finite number"},
};

START_TEST(test_bad_metadata)
{
    model_writer *writer = default_writer();
    model_writer_metadata(writer, bad_metadata[_i].key, bad_metadata[_i].value);
    expect_refusal(writer, bad_metadata[_i].code, bad_metadata[_i].text);
}
END_TEST

/* One name more than there may be. */
START_TEST(test_too_many_names)
{
    model_spec spec = model_spec_default(6);
    spec.tasks = VQL_MAX_TASKS + 1;
    expect_refusal(model_writer_new(&spec), VQL_VALUE, "tasks: 65 names, wanted 1 .. 64");
    spec = model_spec_default(6);
    spec.event_types = VQL_MAX_EVENT_TYPES + 1;
    expect_refusal(model_writer_new(&spec), VQL_VALUE, "4097 names, wanted 1 .. 4096");
}
END_TEST

START_TEST(test_not_a_model)
{
    size_t count;
    uint8_t *bytes = safetensors_file("{}", NULL, 0, &count);
    expect_refusal_of(bytes, count, VQL_FORMAT, "__metadata__ format");
    free(bytes);
    expect_refusal_of((const uint8_t *)"", 0, VQL_FORMAT, "file of 0 bytes");
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("model_refusal");
    TCase *tcase = tcase_create("refused");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_truncated);
    tcase_add_loop_test(tcase, test_header_flipped, 0, 5);
    tcase_add_loop_test(tcase, test_missing, 0, COUNT(required_tensors));
    tcase_add_loop_test(tcase, test_misspelt, 0, COUNT(required_tensors));
    tcase_add_loop_test(tcase, test_wrong_type, 0, COUNT(required_tensors));
    tcase_add_loop_test(tcase, test_wrong_rank, 0, COUNT(required_tensors));
    tcase_add_loop_test(tcase, test_wrong_shape, 0, COUNT(reshapes));
    tcase_add_loop_test(tcase, test_not_finite, 0, COUNT(float_tensors));
    tcase_add_test(tcase, test_duplicate_ids);
    tcase_add_loop_test(tcase, test_bad_indices, 0, COUNT(bad_indices));
    tcase_add_test(tcase, test_bad_kernel);
    tcase_add_test(tcase, test_layers);
    tcase_add_loop_test(tcase, test_bad_metadata, 0, COUNT(bad_metadata));
    tcase_add_test(tcase, test_too_many_names);
    tcase_add_test(tcase, test_not_a_model);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
