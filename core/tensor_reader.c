#include "tensor_reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they are");

enum { SHAPE_TEXT = 96 };

/* Element types that may stand for one another. */
typedef struct type_set {
    uint32_t mask; /* 1 << vql_dtype, of each */
    const char *text;
} type_set;

static const type_set float_types = {
    1u << VQL_DTYPE_F32 | 1u << VQL_DTYPE_F16 | 1u << VQL_DTYPE_BF16,
    "F32, F16 or BF16",
};
static const type_set index_types = {1u << VQL_DTYPE_I32, "I32"};
static const type_set id_types = {1u << VQL_DTYPE_I64, "I64"};

/* ---- type and shape ---- */

/* "[3, 4]", cut off at SHAPE_TEXT. */
static const char *print_shape(char text[SHAPE_TEXT], const vql_tensor *tensor)
{
    size_t used = 1;
    (void)snprintf(text, SHAPE_TEXT, "[");
    for (uint32_t i = 0; i < tensor->rank && used < SHAPE_TEXT; i++) {
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRIu64, i > 0 ? ", " : "",
                                 tensor->shape[i]);
    }
    if (used < SHAPE_TEXT)
        (void)snprintf(text + used, SHAPE_TEXT - used, "]");
    return text;
}

/* "[3, 1 .. 4096]". */
static const char *print_wanted(char text[SHAPE_TEXT], uint32_t rank, const vql_range *wanted)
{
    size_t used = 0;
    for (uint32_t i = 0; i < rank; i++) {
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRIu64, i > 0 ? ", " : "[",
                                 wanted[i].least);
        if (wanted[i].most > wanted[i].least)
            used +=
                (size_t)snprintf(text + used, SHAPE_TEXT - used, " .. %" PRIu64, wanted[i].most);
    }
    (void)snprintf(text + used, SHAPE_TEXT - used, "]");
    return text;
}

/* Finds a tensor of one of the types whose dimensions are as wanted, rank <= 2 of them. */
static vql_code expect(const vql_file_reader *reader, const char *name, const type_set *types,
                       uint32_t rank, const vql_range *wanted, const vql_tensor **out)
{
    const vql_tensor *tensor = vql_safetensors_tensor(reader->file, name);
    if (tensor == NULL)
        return vql_fail(reader->error, VQL_SHAPE, "tensor %s: missing", name);
    if ((types->mask & 1u << tensor->dtype) == 0) {
        return vql_fail(reader->error, VQL_SHAPE, "tensor %s: dtype %s, wanted %s", name,
                        vql_dtype_name(tensor->dtype), types->text);
    }
    uint32_t fitting = 0;
    while (fitting < rank && fitting < tensor->rank &&
           tensor->shape[fitting] >= wanted[fitting].least &&
           tensor->shape[fitting] <= wanted[fitting].most)
        fitting++;
    if (tensor->rank != rank || fitting != rank) {
        char found_text[SHAPE_TEXT];
        char wanted_text[SHAPE_TEXT];
        return vql_fail(reader->error, VQL_SHAPE, "tensor %s: shape %s, wanted %s", name,
                        print_shape(found_text, tensor), print_wanted(wanted_text, rank, wanted));
    }
    *out = tensor;
    return VQL_OK;
}

/* An array for the tensor's elements; NULL, with the error set, when there is no memory. */
static void *allocate_elements(const vql_file_reader *reader, const vql_tensor *tensor,
                               size_t element_bytes)
{
    void *block =
        vql_allocate_array(reader->allocator, tensor->elements, element_bytes, reader->held);
    if (block == NULL) {
        (void)vql_fail(reader->error, VQL_NO_MEMORY,
                       "tensor %s: no memory for %" PRIu64 " elements", tensor->name,
                       tensor->elements);
    }
    return block;
}

/* ---- floats ---- */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10 fraction bits. */
static float from_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half >> 10 & 0x1Fu;
    const uint32_t fraction = half & 0x3FFu;
    if (exponent == 0)
        return copysignf((float)fraction * 0x1p-24F, from_bits(sign));
    if (exponent == 0x1F)
        return from_bits(sign | 0x7F800000u | fraction << 13);
    return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static void widen(const vql_tensor *tensor, float *out)
{
    if (tensor->dtype == VQL_DTYPE_F32) {
        memcpy(out, tensor->data, tensor->elements * sizeof *out);
        return;
    }
    for (uint64_t i = 0; i < tensor->elements; i++) {
        uint16_t bits;
        memcpy(&bits, tensor->data + i * sizeof bits, sizeof bits);
        out[i] = tensor->dtype == VQL_DTYPE_F16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
    }
}

static vql_code check_finite(const vql_file_reader *reader, const vql_tensor *tensor,
                             const float *elements)
{
    for (uint64_t i = 0; i < tensor->elements; i++) {
        if (!isfinite(elements[i])) {
            return vql_fail(reader->error, VQL_VALUE,
                            "tensor %s: element %" PRIu64 " is %g, wanted a finite number",
                            tensor->name, i, (double)elements[i]);
        }
    }
    return VQL_OK;
}

static vql_code load_floats(const vql_file_reader *reader, const vql_tensor *tensor, float **out)
{
    float *elements = allocate_elements(reader, tensor, sizeof *elements);
    if (elements == NULL)
        return VQL_NO_MEMORY;
    widen(tensor, elements);
    const vql_code code = check_finite(reader, tensor, elements);
    if (code != VQL_OK) {
        vql_release(reader->allocator, elements);
        return code;
    }
    *out = elements;
    return VQL_OK;
}

vql_code vql_read_vector(const vql_file_reader *reader, const char *name, vql_range length,
                         float **out, uint32_t *found)
{
    const vql_tensor *tensor = NULL;
    vql_code code = expect(reader, name, &float_types, 1, &length, &tensor);
    if (code == VQL_OK)
        code = load_floats(reader, tensor, out);
    if (code == VQL_OK && found != NULL)
        *found = (uint32_t)tensor->shape[0];
    return code;
}

vql_code vql_read_matrix(const vql_file_reader *reader, const char *name, vql_range rows,
                         vql_range columns, float **out, uint32_t *found_rows,
                         uint32_t *found_columns)
{
    const vql_tensor *tensor = NULL;
    const vql_range wanted[2] = {rows, columns};
    vql_code code = expect(reader, name, &float_types, 2, wanted, &tensor);
    if (code == VQL_OK)
        code = load_floats(reader, tensor, out);
    if (code == VQL_OK && found_rows != NULL)
        *found_rows = (uint32_t)tensor->shape[0];
    if (code == VQL_OK && found_columns != NULL)
        *found_columns = (uint32_t)tensor->shape[1];
    return code;
}

/* ---- integers ---- */

static vql_code check_range(const vql_file_reader *reader, const vql_tensor *tensor,
                            const uint32_t *elements, vql_range values)
{
    for (uint64_t i = 0; i < tensor->elements; i++) {
        if (elements[i] < values.least || elements[i] > values.most) {
            return vql_fail(reader->error, VQL_VALUE,
                            "tensor %s: element %" PRIu64 " is %" PRId32 ", wanted %" PRIu64
                            " .. %" PRIu64,
                            tensor->name, i, (int32_t)elements[i], values.least, values.most);
        }
    }
    return VQL_OK;
}

vql_code vql_read_indices(const vql_file_reader *reader, const char *name, vql_range length,
                          vql_range values, uint32_t **out, uint32_t *found)
{
    const vql_tensor *tensor = NULL;
    vql_code code = expect(reader, name, &index_types, 1, &length, &tensor);
    if (code != VQL_OK)
        return code;
    uint32_t *elements = allocate_elements(reader, tensor, sizeof *elements);
    if (elements == NULL)
        return VQL_NO_MEMORY;
    memcpy(elements, tensor->data, tensor->elements * sizeof *elements);
    code = check_range(reader, tensor, elements, values);
    if (code != VQL_OK) {
        vql_release(reader->allocator, elements);
        return code;
    }
    *out = elements;
    *found = (uint32_t)tensor->elements;
    return VQL_OK;
}

vql_code vql_read_ids(const vql_file_reader *reader, const char *name, vql_range length,
                      uint64_t **out, uint32_t *found)
{
    const vql_tensor *tensor = NULL;
    const vql_code code = expect(reader, name, &id_types, 1, &length, &tensor);
    if (code != VQL_OK)
        return code;
    uint64_t *elements = allocate_elements(reader, tensor, sizeof *elements);
    if (elements == NULL)
        return VQL_NO_MEMORY;
    memcpy(elements, tensor->data, tensor->elements * sizeof *elements);
    *out = elements;
    *found = (uint32_t)tensor->elements;
    return VQL_OK;
}
