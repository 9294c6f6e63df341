/*
 * The safetensors container: what is read, and that everything else is refused without a step
 * beyond the buffer (each buffer here is a block of its exact size, for AddressSanitizer).
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "failing_allocator.h"
#include "model_writer.h"
#include "vql/safetensors.h"

/* Parses a block's exact copy with the default allocator. */
static vql_code parse(const uint8_t *bytes, size_t count, vql_safetensors *file, vql_error *error)
{
    return vql_safetensors_parse(bytes, count, vql_allocator_default(), file, error);
}

static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\",\"empty\":\"\"},"
    "\"second\":{\"dtype\":\"I16\",\"shape\":[2,2],\"data_offsets\":[4,12]},"
    "\"first\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
    "\"none\":{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[12,12]}}  ";

static const uint8_t good_data[12] = {0, 0, 128, 63, 1, 0, 2, 0, 3, 0, 4, 1};

static uint8_t *good_file(size_t *count)
{
    return safetensors_file(good_header, good_data, sizeof good_data, count);
}

static void check_good(const uint8_t *bytes, size_t count)
{
    vql_safetensors file;
    vql_error error = {.code = VQL_OK};
    ck_assert_msg(parse(bytes, count, &file, &error) == VQL_OK, "%s", error.text);
    ck_assert_uint_eq(file.tensor_count, 3);

    const vql_tensor *first = vql_safetensors_tensor(&file, "first");
    ck_assert_ptr_nonnull(first);
    ck_assert_int_eq(first->dtype, VQL_DTYPE_F32);
    ck_assert_uint_eq(first->rank, 0);
    ck_assert_uint_eq(first->elements, 1);
    ck_assert_mem_eq(first->data, good_data, 4);

    const vql_tensor *second = vql_safetensors_tensor(&file, "second");
    ck_assert_ptr_nonnull(second);
    ck_assert_str_eq(vql_dtype_name(second->dtype), "I16");
    ck_assert_uint_eq(second->rank, 2);
    ck_assert_uint_eq(second->shape[1], 2);
    ck_assert_uint_eq(second->elements, 4);
    ck_assert_mem_eq(second->data, good_data + 4, 8);

    const vql_tensor *none = vql_safetensors_tensor(&file, "none");
    ck_assert_ptr_nonnull(none);
    ck_assert_uint_eq(none->elements, 0);
    ck_assert_uint_eq(none->shape[0], 3);

    ck_assert_ptr_null(vql_safetensors_tensor(&file, "third"));
    ck_assert_ptr_null(vql_safetensors_tensor(&file, "__metadata__"));
    ck_assert_str_eq(vql_safetensors_metadata(&file, "format"), "pt");
    ck_assert_str_eq(vql_safetensors_metadata(&file, "empty"), "");
    ck_assert_ptr_null(vql_safetensors_metadata(&file, "name"));
    vql_safetensors_release(&file);
}

START_TEST(test_good)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    check_good(bytes, count);
    free(bytes);
}
END_TEST

START_TEST(test_any_alignment)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    for (size_t shift = 1; shift < 8; shift++) {
        uint8_t *moved = malloc(count + shift);
        memcpy(moved + shift, bytes, count);
        check_good(moved + shift, count);
        free(moved);
    }
    free(bytes);
}
END_TEST

START_TEST(test_without_metadata_or_tensors)
{
    size_t count;
    uint8_t *bytes = safetensors_file("{}", NULL, 0, &count);
    vql_safetensors file;
    ck_assert_int_eq(parse(bytes, count, &file, NULL), VQL_OK);
    ck_assert_uint_eq(file.tensor_count, 0);
    ck_assert_ptr_null(vql_safetensors_metadata(&file, "format"));
    vql_safetensors_release(&file);
    free(bytes);
}
END_TEST

#define TENSOR(type, shape, offsets)                                                               \
    "{\"t\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

/* Headers over 8 bytes of data that must be refused, and what the error says. */
static const struct {
    const char *header;
    const char *text;
} refused[] = {
    {"", "header: does not begin with '{'"},
    {"[]", "header: does not begin with '{'"},
    {" {}", "header: does not begin with '{'"},
    {"{", "header: JSON at byte"},
    {"{}x", "header: JSON at byte"},
    {"{\"t\":\xff}", "header: JSON at byte"},
    {"{\"t\\u0000\":1}", "header: JSON at byte"},
    {"{\"t\":1,\"t\":1}", "header: JSON at byte"},
    {"{}", "data: 8 bytes, of which the tensors cover 0"},
    {"{\"__metadata__\":[]}", "__metadata__: not an object"},
    {"{\"__metadata__\":{\"a\":1}}", "__metadata__ a: not a string"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "header: JSON at byte"},
    {"{\"t\":[]}", "tensor t: not an object"},
    {"{\"t\":{}}", "tensor t: dtype is not a string"},
    {"{\"t\":{\"dtype\":1}}", "tensor t: dtype is not a string"},
    {"{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "header: JSON at byte"},
    {TENSOR("F31", "[2]", "[0,8]"), "tensor t: unknown dtype F31"},
    {TENSOR("f32", "[2]", "[0,8]"), "tensor t: unknown dtype f32"},
    {TENSOR("F32", "2", "[0,8]"), "tensor t: shape is not an array"},
    {TENSOR("F32", "{}", "[0,8]"), "tensor t: shape is not an array"},
    {TENSOR("F32", "[-2]", "[0,8]"), "tensor t: shape[0] is not an integer of at least 0"},
    {TENSOR("F32", "[1,2.0]", "[0,8]"), "tensor t: shape[1] is not an integer of at least 0"},
    {TENSOR("F32", "[\"2\"]", "[0,8]"), "tensor t: shape[0] is not an integer of at least 0"},
    {TENSOR("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "tensor t: shape of 9 dimensions"},
    {TENSOR("F32", "[9223372036854775808]", "[0,8]"), "too big integer"},
    {TENSOR("F32", "[4294967296,4294967296]", "[0,8]"), "tensor t: shape[1] of 4294967296"},
    {TENSOR("F32", "[9223372036854775807,2,0]", "[0,0]"), "data: 8 bytes"},
    {TENSOR("F32", "[4611686018427387904,4,0]", "[0,0]"), "tensor t: shape[1] of 4: overflow"},
    {TENSOR("F32", "[4611686018427387906]", "[0,8]"), "wanted 4611686018427387906 elements"},
    {TENSOR("F64", "[2305843009213693953]", "[0,8]"), "wanted 2305843009213693953 elements"},
    {TENSOR("F32", "[2]", "8"), "tensor t: data_offsets is not two integers"},
    {TENSOR("F32", "[2]", "[8]"), "tensor t: data_offsets is not two integers"},
    {TENSOR("F32", "[2]", "[0,8,8]"), "tensor t: data_offsets is not two integers"},
    {TENSOR("F32", "[2]", "[-8,0]"), "tensor t: data_offsets is not two integers"},
    {TENSOR("F32", "[2]", "[0,8.5]"), "tensor t: data_offsets is not two integers"},
    {TENSOR("F32", "[2]", "[0,9223372036854775808]"), "too big integer"},
    {TENSOR("F32", "[2]", "[0,9223372036854775807]"), "[0, 9223372036854775807] of 8 bytes"},
    {TENSOR("F32", "[2]", "[9223372036854775800,9223372036854775807]"), "of 8 bytes of data"},
    {TENSOR("F32", "[2]", "[8,0]"), "tensor t: data_offsets [8, 0] of 8 bytes"},
    {TENSOR("F32", "[2]", "[1,9]"), "tensor t: data_offsets [1, 9] of 8 bytes"},
    {TENSOR("F32", "[1]", "[0,8]"), "tensor t: data_offsets span 8 bytes, wanted 1 elements"},
    {TENSOR("F32", "[3]", "[0,8]"), "tensor t: data_offsets span 8 bytes, wanted 3 elements"},
    {TENSOR("F32", "[1]", "[0,4]"), "data: 8 bytes, of which the tensors cover 4"},
    {TENSOR("F32", "[1]", "[4,8]"), "tensor t: data begins at 4: a hole, wanted 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
     "tensor b: data begins at 4: an overlap, wanted 5"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
     "data begins at 0: an overlap, wanted 8"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
     "tensor b: data begins at 4: a hole, wanted 3"},
};

START_TEST(test_refused)
{
    const uint8_t data[8] = {0};
    size_t count;
    uint8_t *bytes = safetensors_file(refused[_i].header, data, sizeof data, &count);
    vql_safetensors file;
    vql_error error;
    ck_assert_int_eq(parse(bytes, count, &file, &error), VQL_FORMAT);
    ck_assert_int_eq(error.code, VQL_FORMAT);
    ck_assert_msg(strstr(error.text, refused[_i].text) != NULL, "%s: \"%s\", wanted \"%s\"",
                  refused[_i].header, error.text, refused[_i].text);
    ck_assert_int_eq(parse(bytes, count, &file, NULL), VQL_FORMAT);
    free(bytes);
}
END_TEST

/* Lengths of a header that the file does not have, or that no header may have. */
START_TEST(test_header_length)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    const uint64_t lengths[] = {count - 7,
                                count,
                                VQL_SAFETENSORS_HEADER_BYTES,
                                VQL_SAFETENSORS_HEADER_BYTES + 1u,
                                UINT32_MAX,
                                UINT64_C(1) << 63,
                                UINT64_MAX - 7,
                                UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(bytes, &lengths[i], sizeof lengths[i]);
        vql_safetensors file;
        vql_error error;
        ck_assert_int_eq(parse(bytes, count, &file, &error), VQL_FORMAT);
        ck_assert_msg(strstr(error.text, "header length ") != NULL, "%s", error.text);
    }
    free(bytes);
}
END_TEST

/* A header of the bound's length is read; one byte more is not. */
START_TEST(test_header_bound)
{
    for (size_t extra = 0; extra < 2; extra++) {
        const size_t length = VQL_SAFETENSORS_HEADER_BYTES + extra;
        char *header = malloc(length + 1);
        memset(header, ' ', length);
        memcpy(header, "{}", 2);
        header[length] = '\0';
        size_t count;
        uint8_t *bytes = safetensors_file(header, NULL, 0, &count);
        vql_safetensors file;
        const vql_code code = parse(bytes, count, &file, NULL);
        ck_assert_int_eq(code, extra == 0 ? VQL_OK : VQL_FORMAT);
        if (code == VQL_OK)
            vql_safetensors_release(&file);
        free(bytes);
        free(header);
    }
}
END_TEST

START_TEST(test_too_many_tensors)
{
    const size_t tensors = VQL_SAFETENSORS_TENSORS + 1;
    char *header = malloc(tensors * 80);
    size_t used = 0;
    for (size_t i = 0; i < tensors; i++) {
        used += (size_t)snprintf(header + used, 80,
                                 "%s\"%zu\":{\"dtype\":\"U8\",\"shape\":[0],"
                                 "\"data_offsets\":[0,0]}",
                                 i == 0 ? "{" : ",", i);
    }
    memcpy(header + used, "}", 2);
    size_t count;
    uint8_t *bytes = safetensors_file(header, NULL, 0, &count);
    vql_safetensors file;
    vql_error error;
    ck_assert_int_eq(parse(bytes, count, &file, &error), VQL_FORMAT);
    ck_assert_str_eq(error.text, "header: 4097 entries, more than 4096");
    free(bytes);
    free(header);
}
END_TEST

START_TEST(test_deep_nesting)
{
    const size_t depth = 1000000;
    char *header = malloc(depth + 6);
    memcpy(header, "{\"t\":", 5);
    memset(header + 5, '[', depth);
    header[depth + 5] = '\0';
    size_t count;
    uint8_t *bytes = safetensors_file(header, NULL, 0, &count);
    vql_safetensors file;
    vql_error error;
    ck_assert_int_eq(parse(bytes, count, &file, &error), VQL_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.text, "depth"));
    free(bytes);
    free(header);
}
END_TEST

START_TEST(test_truncated_everywhere)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    for (size_t kept = 0; kept < count; kept++) {
        uint8_t *cut = malloc(kept > 0 ? kept : 1);
        memcpy(cut, bytes, kept);
        vql_safetensors file;
        vql_error error;
        ck_assert_msg(parse(cut, kept, &file, &error) == VQL_FORMAT, "%zu bytes", kept);
        free(cut);
    }
    free(bytes);
}
END_TEST

/* Any change of one bit: read or refused, with every tensor within the file. */
START_TEST(test_flipped_everywhere)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    size_t refusals = 0;
    for (size_t bit = 0; bit < 8 * (count - sizeof good_data); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        vql_safetensors file;
        vql_error error;
        if (parse(bytes, count, &file, &error) == VQL_OK) {
            for (size_t i = 0; i < file.tensor_count; i++) {
                const vql_tensor *tensor = &file.tensors[i];
                if (tensor->data < bytes ||
                    tensor->data + (tensor->end - tensor->begin) > bytes + count)
                    ck_abort_msg("bit %zu: tensor %s beyond the file", bit, tensor->name);
            }
            vql_safetensors_release(&file);
        } else {
            refusals++;
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_uint_gt(refusals, 8 * 8);
    free(bytes);
}
END_TEST

START_TEST(test_no_memory)
{
    size_t count;
    uint8_t *bytes = good_file(&count);
    for (size_t i = 0;; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, i);
        vql_safetensors file;
        vql_error error;
        const vql_code code = vql_safetensors_parse(bytes, count, &memory.allocator, &file, &error);
        if (code == VQL_OK)
            vql_safetensors_release(&file);
        ck_assert_uint_eq(memory.live, 0);
        if (code == VQL_OK) {
            ck_assert_uint_gt(i, 0);
            break;
        }
        ck_assert_int_eq(code, VQL_NO_MEMORY);
    }
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tcase = tcase_create("safetensors");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_good);
    tcase_add_test(tcase, test_any_alignment);
    tcase_add_test(tcase, test_without_metadata_or_tensors);
    tcase_add_loop_test(tcase, test_refused, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tcase, test_header_length);
    tcase_add_test(tcase, test_header_bound);
    tcase_add_test(tcase, test_too_many_tensors);
    tcase_add_test(tcase, test_deep_nesting);
    tcase_add_test(tcase, test_truncated_everywhere);
    tcase_add_test(tcase, test_flipped_everywhere);
    tcase_add_test(tcase, test_no_memory);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
