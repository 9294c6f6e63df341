/*
 * A folder of a test's own, in the system's folder for temporary files.
 */
#ifndef VQL_TESTS_TEMPORARY_FOLDER_H
#define VQL_TESTS_TEMPORARY_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOLDER_PATH_BYTES = 200 };

/* Makes a folder and writes its path. */
static inline void folder_make(char path[FOLDER_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, FOLDER_PATH_BYTES, "%s/vql-test-XXXXXX", parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline int folder_remove_entry(const char *path, const struct stat *status, int type,
                                      struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

/* Removes the folder and all that is in it. */
static inline void folder_remove(const char *path)
{
    ck_assert_int_eq(nftw(path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
