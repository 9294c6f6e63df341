/*
 * Strings of a model file's __metadata__, checked: numbers, names and lists of names. Errors name
 * the key, what was found and what was wanted.
 */
#ifndef VQL_CORE_METADATA_READER_H
#define VQL_CORE_METADATA_READER_H

#include <stdint.h>

#include "file_reader.h"
#include "vql/model.h"

/*
 * A name: 1 … VQL_MAX_NAME_BYTES bytes of UTF-8 (the JSON parser saw to that) without control
 * characters.
 */
typedef char vql_name[VQL_MAX_NAME_BYTES + 1];

/* Each returns VQL_OK, or VQL_SHAPE when the key is missing and it must not be, or VQL_VALUE. */

vql_code vql_read_name(const vql_file_reader *reader, const char *key, vql_name out);

/* A whole number of 1 … most, in decimal digits. */
vql_code vql_read_count(const vql_file_reader *reader, const char *key, uint32_t most,
                        uint32_t *out);

/* A finite number above 0; *out stays as it is when the key is missing. */
vql_code vql_read_positive(const vql_file_reader *reader, const char *key, double *out);

/*
 * Distinct names separated by commas; "" is none of them. *names is a new array, which the caller
 * releases. Also returns VQL_NO_MEMORY.
 */
vql_code vql_read_names(const vql_file_reader *reader, const char *key, vql_range wanted,
                        vql_name **names, uint32_t *count);

#endif
