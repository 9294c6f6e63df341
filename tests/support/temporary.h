/*
 * A file of a test's own making, in the system's folder for temporary files.
 */
#ifndef VQL_TESTS_TEMPORARY_H
#define VQL_TESTS_TEMPORARY_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define TEMPORARY_PATH_BYTES 256

/* Makes a file of these bytes and writes its path, to be unlinked by the caller, to path. */
static inline void temporary_write(char path[TEMPORARY_PATH_BYTES], const void *bytes, size_t count)
{
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, TEMPORARY_PATH_BYTES, "%s/vql-test-XXXXXX",
                   folder != NULL ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, bytes, count), (ssize_t)count);
    ck_assert_int_eq(close(descriptor), 0);
}

/* The same, gzipped. */
static inline void temporary_gzip(char path[TEMPORARY_PATH_BYTES], const void *bytes, size_t count)
{
    temporary_write(path, "", 0);
    gzFile file = gzopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

#endif
