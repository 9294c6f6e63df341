/*
 * Tensors of a safetensors file by name, with their type, shape and every element checked, copied
 * into arrays of the numbers that the core computes with. Errors name the tensor, what was found
 * and what was wanted.
 */
#ifndef VQL_CORE_TENSOR_READER_H
#define VQL_CORE_TENSOR_READER_H

#include <stdint.h>

#include "file_reader.h"

/*
 * These set *out to a new array, which the caller releases, and return VQL_OK; or leave *out and
 * return VQL_NO_MEMORY, VQL_SHAPE (the tensor is missing, its type or shape is another) or
 * VQL_VALUE (an element is not finite or out of its range).
 */

/* A vector [length] of floats: F32, or F16 or BF16 widened. */
vql_code vql_read_vector(const vql_file_reader *reader, const char *name, vql_range length,
                         float **out, uint32_t *found);

/* A matrix [rows, columns] of floats. found_rows and found_columns may be NULL. */
vql_code vql_read_matrix(const vql_file_reader *reader, const char *name, vql_range rows,
                         vql_range columns, float **out, uint32_t *found_rows,
                         uint32_t *found_columns);

/* A vector [length] of I32, each in values, which must lie within 0 … INT32_MAX. */
vql_code vql_read_indices(const vql_file_reader *reader, const char *name, vql_range length,
                          vql_range values, uint32_t **out, uint32_t *found);

/* A vector [length] of I64, whose bits are taken as unsigned. */
vql_code vql_read_ids(const vql_file_reader *reader, const char *name, vql_range length,
                      uint64_t **out, uint32_t *found);

#endif
