#include "vql/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

/* How much of a name from the file an error shows. */
#define NAME_FORMAT "tensor %.64s"

#define LENGTH_BYTES 8

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
#define DTYPE_ENTRY(name, bytes) [VQL_DTYPE_##name] = {#name, bytes},
    VQL_DTYPES(DTYPE_ENTRY)
#undef DTYPE_ENTRY
};

enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

const char *vql_dtype_name(vql_dtype dtype)
{
    return dtypes[dtype].name;
}

/* ---- the header's text ---- */

static uint64_t read_length(const uint8_t *bytes)
{
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    return length;
}

/* Sets *header_bytes to the length of the header, which then lies whole within the file. */
static vql_code measure_header(const uint8_t *bytes, size_t count, size_t *header_bytes,
                               vql_error *error)
{
    if (count < LENGTH_BYTES) {
        return vql_fail(error, VQL_FORMAT, "file of %zu bytes: not even a header length of %d",
                        count, LENGTH_BYTES);
    }
    const uint64_t length = read_length(bytes);
    if (length > VQL_SAFETENSORS_HEADER_BYTES) {
        return vql_fail(error, VQL_FORMAT, "header length %" PRIu64 ": more than %d bytes", length,
                        VQL_SAFETENSORS_HEADER_BYTES);
    }
    if (length > count - LENGTH_BYTES) {
        return vql_fail(error, VQL_FORMAT,
                        "header length %" PRIu64 ": the file has %zu bytes after it", length,
                        count - LENGTH_BYTES);
    }
    *header_bytes = (size_t)length;
    return VQL_OK;
}

static vql_code load_header(const char *text, size_t length, json_t **out, vql_error *error)
{
    if (length == 0 || text[0] != '{')
        return vql_fail(error, VQL_FORMAT, "header: does not begin with '{'");
    json_error_t problem;
    memset(&problem, 0, sizeof problem);
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (*out != NULL)
        return VQL_OK;
    if (json_error_code(&problem) == json_error_out_of_memory || problem.text[0] == '\0')
        return vql_fail(error, VQL_NO_MEMORY, "header: no memory for %zu bytes of JSON", length);
    return vql_fail(error, VQL_FORMAT, "header: JSON at byte %d: %s", problem.position,
                    problem.text);
}

/* ---- one tensor's entry ---- */

/* Whether value is an integer of at least 0. */
static bool read_size(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static vql_code read_dtype(const json_t *entry, vql_tensor *tensor, vql_error *error)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (text == NULL)
        return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": dtype is not a string", tensor->name);
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            tensor->dtype = (vql_dtype)i;
            return VQL_OK;
        }
    }
    return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": unknown dtype %.32s", tensor->name, text);
}

/* Reads the shape and its product. */
static vql_code read_shape(const json_t *entry, vql_tensor *tensor, vql_error *error)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": shape is not an array", tensor->name);
    const size_t rank = json_array_size(shape);
    if (rank > VQL_SAFETENSORS_RANK) {
        return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": shape of %zu dimensions: more than %d",
                        tensor->name, rank, VQL_SAFETENSORS_RANK);
    }
    tensor->rank = (uint32_t)rank;
    tensor->elements = 1;
    for (size_t i = 0; i < rank; i++) {
        if (!read_size(json_array_get(shape, i), &tensor->shape[i])) {
            return vql_fail(error, VQL_FORMAT,
                            NAME_FORMAT ": shape[%zu] is not an integer of at least 0",
                            tensor->name, i);
        }
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[i], &tensor->elements)) {
            return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": shape[%zu] of %" PRIu64 ": overflow",
                            tensor->name, i, tensor->shape[i]);
        }
    }
    return VQL_OK;
}

/* Reads the offsets and checks them against the data and the shape. */
static vql_code read_offsets(const json_t *entry, uint64_t data_bytes, vql_tensor *tensor,
                             vql_error *error)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &tensor->begin) ||
        !read_size(json_array_get(offsets, 1), &tensor->end)) {
        return vql_fail(error, VQL_FORMAT,
                        NAME_FORMAT ": data_offsets is not two integers of at least 0",
                        tensor->name);
    }
    if (tensor->begin > tensor->end || tensor->end > data_bytes) {
        return vql_fail(error, VQL_FORMAT,
                        NAME_FORMAT ": data_offsets [%" PRIu64 ", %" PRIu64 "] of %" PRIu64
                                    " bytes of data",
                        tensor->name, tensor->begin, tensor->end, data_bytes);
    }
    uint64_t bytes;
    if (__builtin_mul_overflow(tensor->elements, dtypes[tensor->dtype].bytes, &bytes) ||
        bytes != tensor->end - tensor->begin) {
        return vql_fail(error, VQL_FORMAT,
                        NAME_FORMAT ": data_offsets span %" PRIu64 " bytes, wanted %" PRIu64
                                    " elements of %s",
                        tensor->name, tensor->end - tensor->begin, tensor->elements,
                        dtypes[tensor->dtype].name);
    }
    return VQL_OK;
}

static vql_code read_tensor(const char *name, const json_t *entry, const uint8_t *data,
                            uint64_t data_bytes, vql_tensor *tensor, vql_error *error)
{
    *tensor = (vql_tensor){.name = name};
    if (!json_is_object(entry))
        return vql_fail(error, VQL_FORMAT, NAME_FORMAT ": not an object", name);
    vql_code code = read_dtype(entry, tensor, error);
    if (code == VQL_OK)
        code = read_shape(entry, tensor, error);
    if (code == VQL_OK)
        code = read_offsets(entry, data_bytes, tensor, error);
    if (code == VQL_OK)
        tensor->data = data + tensor->begin;
    return code;
}

/* ---- the whole header ---- */

static vql_code check_metadata(json_t *metadata, vql_error *error)
{
    if (metadata != NULL && !json_is_object(metadata))
        return vql_fail(error, VQL_FORMAT, "__metadata__: not an object");
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return vql_fail(error, VQL_FORMAT, "__metadata__ %.64s: not a string", key);
    }
    return VQL_OK;
}

static int compare_data(const void *left, const void *right)
{
    const vql_tensor *a = left;
    const vql_tensor *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* Sorts the tensors by their data and checks that they cover it without overlap or hole. */
static vql_code check_cover(vql_tensor *tensors, size_t count, uint64_t data_bytes,
                            vql_error *error)
{
    qsort(tensors, count, sizeof *tensors, compare_data);
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].begin != covered) {
            return vql_fail(error, VQL_FORMAT,
                            NAME_FORMAT ": data begins at %" PRIu64 ": %s, wanted %" PRIu64,
                            tensors[i].name, tensors[i].begin,
                            tensors[i].begin < covered ? "an overlap" : "a hole", covered);
        }
        covered = tensors[i].end;
    }
    if (covered != data_bytes) {
        return vql_fail(error, VQL_FORMAT,
                        "data: %" PRIu64 " bytes, of which the tensors cover %" PRIu64, data_bytes,
                        covered);
    }
    return VQL_OK;
}

/* Reads every entry but the metadata into file->tensors, which has room for them. */
static vql_code read_tensors(vql_safetensors *file, const uint8_t *data, uint64_t data_bytes,
                             vql_error *error)
{
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (entry == file->metadata)
            continue;
        const vql_code code =
            read_tensor(name, entry, data, data_bytes, &file->tensors[file->tensor_count], error);
        if (code != VQL_OK)
            return code;
        file->tensor_count++;
    }
    return check_cover(file->tensors, file->tensor_count, data_bytes, error);
}

static vql_code read_header(vql_safetensors *file, const uint8_t *data, uint64_t data_bytes,
                            vql_error *error)
{
    file->metadata = json_object_get(file->header, "__metadata__");
    const vql_code code = check_metadata(file->metadata, error);
    if (code != VQL_OK)
        return code;
    const size_t entries = json_object_size(file->header);
    if (entries > VQL_SAFETENSORS_TENSORS) {
        return vql_fail(error, VQL_FORMAT, "header: %zu entries, more than %d", entries,
                        VQL_SAFETENSORS_TENSORS);
    }
    file->tensors = vql_allocate_array(file->allocator, entries, sizeof *file->tensors, NULL);
    if (file->tensors == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "header: no memory for %zu tensors", entries);
    return read_tensors(file, data, data_bytes, error);
}

vql_code vql_safetensors_parse(const void *bytes, size_t count, const vql_allocator *allocator,
                               vql_safetensors *out, vql_error *error)
{
    const uint8_t *file_bytes = bytes;
    size_t header_bytes = 0;
    vql_code code = measure_header(file_bytes, count, &header_bytes, error);
    if (code != VQL_OK)
        return code;
    vql_safetensors file = {.allocator = allocator};
    code = load_header((const char *)file_bytes + LENGTH_BYTES, header_bytes, &file.header, error);
    if (code != VQL_OK)
        return code;
    const uint8_t *data = file_bytes + LENGTH_BYTES + header_bytes;
    code = read_header(&file, data, count - LENGTH_BYTES - header_bytes, error);
    if (code != VQL_OK) {
        vql_safetensors_release(&file);
        return code;
    }
    *out = file;
    return VQL_OK;
}

void vql_safetensors_release(vql_safetensors *file)
{
    vql_release(file->allocator, file->tensors);
    json_decref(file->header);
}

/* ---- look-up ---- */

const vql_tensor *vql_safetensors_tensor(const vql_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *vql_safetensors_metadata(const vql_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}
