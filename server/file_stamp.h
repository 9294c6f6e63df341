/*
 * By what a file's change is told.
 */
#ifndef VQL_SERVER_FILE_STAMP_H
#define VQL_SERVER_FILE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* Zeros: the file is not there. */
typedef struct file_stamp {
    uint64_t device, file, bytes;
    int64_t seconds, nanoseconds; /* of its last change, since the Unix epoch */
} file_stamp;

/* The stamp of a file as it is now. path: NULL for none. */
file_stamp file_stamp_of(const char *path);

bool file_stamp_equal(const file_stamp *a, const file_stamp *b);

#endif
