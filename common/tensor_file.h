/*
 * Writes safetensors files; docs/MODEL_FORMAT.md has the container.
 */
#ifndef VQL_COMMON_TENSOR_FILE_H
#define VQL_COMMON_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

enum { TENSOR_FILE_RANK = 4 };

typedef struct tensor_file_tensor {
    const char *name;
    const char *type; /* "F32": the file's name of it */
    size_t width;     /* bytes of an element */
    uint32_t rank;
    uint64_t shape[TENSOR_FILE_RANK];
    const void *data; /* little-endian, row-major; not read for the header */
} tensor_file_tensor;

/* A string of __metadata__. */
typedef struct tensor_file_note {
    const char *key, *value;
} tensor_file_note;

typedef struct tensor_file {
    const tensor_file_note *notes;
    size_t note_count;
    const tensor_file_tensor *tensors; /* in the order of their data */
    size_t tensor_count;
} tensor_file;

/* The bytes of a tensor's data. */
size_t tensor_file_bytes(const tensor_file_tensor *tensor);

/*
 * What comes before the data: the header's length and the header. The caller frees it. NULL when
 * there is no memory, or a text is not UTF-8.
 */
char *tensor_file_header(const tensor_file *file, size_t *bytes);

/* Writes the file to path, whole or not at all. Returns 0, or the error number. */
int tensor_file_write(const tensor_file *file, const char *path);

#endif
