/*
 * The safetensors container, read from memory and trusted in nothing:
 *
 *     file    = length header data
 *     length  = 8 bytes: the header's bytes, unsigned little-endian
 *     header  = a JSON object in UTF-8 that begins with '{', spaces may follow it; no key twice:
 *               { "__metadata__": { KEY: STRING, … },                       optional
 *                 NAME: { "dtype": DTYPE, "shape": [n, …], "data_offsets": [begin, end] }, … }
 *     data    = the rest of the file: little-endian elements, row-major
 *
 * begin and end count bytes of data; end - begin is the product of the shape times the width of
 * DTYPE. The tensors cover data whole: sorted by begin, each begins where the one before it ends,
 * the first at 0 and the last at data's end, so that nothing overlaps and no hole is left. A shape
 * may be empty (a scalar) and a dimension may be 0.
 */
#ifndef VQL_SAFETENSORS_H
#define VQL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/error.h"

/* The element types of the format that fill whole bytes: name and bytes. */
#define VQL_DTYPES(X)                                                                              \
    X(BOOL, 1)                                                                                     \
    X(U8, 1)                                                                                       \
    X(I8, 1)                                                                                       \
    X(F8_E5M2, 1)                                                                                  \
    X(F8_E4M3, 1)                                                                                  \
    X(U16, 2)                                                                                      \
    X(I16, 2)                                                                                      \
    X(F16, 2)                                                                                      \
    X(BF16, 2)                                                                                     \
    X(U32, 4)                                                                                      \
    X(I32, 4)                                                                                      \
    X(F32, 4)                                                                                      \
    X(U64, 8)                                                                                      \
    X(I64, 8)                                                                                      \
    X(F64, 8)

typedef enum vql_dtype {
#define VQL_DTYPE_ENUM(name, bytes) VQL_DTYPE_##name,
    VQL_DTYPES(VQL_DTYPE_ENUM)
#undef VQL_DTYPE_ENUM
} vql_dtype;

enum {
    /*
     * The header's most bytes: the names that a model may have (4096 event types of 128 bytes,
     * tasks and fields: 0.6 MB) and 4096 tensors of 200 bytes (0.8 MB), twice over. JSON values
     * take some ten times that.
     */
    VQL_SAFETENSORS_HEADER_BYTES = 3 << 20,
    VQL_SAFETENSORS_TENSORS = 4096,
    VQL_SAFETENSORS_RANK = 8,
};

/* A tensor of the file. name and data live as long as the header and the file's bytes do. */
typedef struct vql_tensor {
    const char *name;
    vql_dtype dtype;
    uint32_t rank;
    uint64_t shape[VQL_SAFETENSORS_RANK];
    uint64_t elements;   /* the shape's product */
    uint64_t begin, end; /* in the file's data */
    const uint8_t *data; /* of any alignment */
} vql_tensor;

/* A parsed header; the tensors are views of the file's bytes, which must outlive it. */
typedef struct vql_safetensors {
    const vql_allocator *allocator;
    struct json_t *header;
    struct json_t *metadata; /* a part of header; NULL when the file has none */
    size_t tensor_count;
    vql_tensor *tensors; /* in the order of their data */
} vql_safetensors;

/*
 * Parses the container of a whole file. The allocator must outlive *out, and so must bytes. JSON
 * values come from the C library's allocator. On failure *out is untouched and the error names the
 * tensor. Returns VQL_OK, VQL_NO_MEMORY or VQL_FORMAT.
 */
vql_code vql_safetensors_parse(const void *bytes, size_t count, const vql_allocator *allocator,
                               vql_safetensors *out, vql_error *error);

void vql_safetensors_release(vql_safetensors *file);

/* The tensor of that name; NULL when there is none. */
const vql_tensor *vql_safetensors_tensor(const vql_safetensors *file, const char *name);

/* The metadata string of that key; NULL when there is none. Lives as long as file. */
const char *vql_safetensors_metadata(const vql_safetensors *file, const char *key);

/* "F32"; a static string. */
const char *vql_dtype_name(vql_dtype dtype);

#endif
