/*
 * Files read whole into memory.
 */
#ifndef VQL_COMMON_WHOLE_FILE_H
#define VQL_COMMON_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>

typedef enum whole_file_result {
    WHOLE_FILE_OK,
    WHOLE_FILE_NO_MEMORY,
    WHOLE_FILE_FAILED
} whole_file_result;

/* Names the file and what is wrong with it. */
typedef struct whole_file_error {
    char text[240];
} whole_file_error;

/*
 * Reads a regular file of at most max_gib GiB into *bytes, which the caller frees. On failure
 * *bytes and *size are untouched.
 */
whole_file_result whole_file_read(const char *path, uint32_t max_gib, void **bytes, size_t *size,
                                  whole_file_error *error);

#endif
