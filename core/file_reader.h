/*
 * What reads a model file's parts: where from, and where to. tensor_reader.h and metadata_reader.h
 * have the functions.
 */
#ifndef VQL_CORE_FILE_READER_H
#define VQL_CORE_FILE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "vql/safetensors.h"

typedef struct vql_file_reader {
    const vql_safetensors *file;
    const vql_allocator *allocator; /* of the arrays that are read */
    size_t *held;                   /* grows by the bytes of every array */
    vql_error *error;               /* may be NULL */
} vql_file_reader;

/* What a dimension, a count or an integer may be: least … most. */
typedef struct vql_range {
    uint64_t least, most;
} vql_range;

static inline vql_range vql_exactly(uint64_t value)
{
    return (vql_range){value, value};
}

/* 1 … most. */
static inline vql_range vql_up_to(uint64_t most)
{
    return (vql_range){1, most};
}

#endif
