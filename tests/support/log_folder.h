/*
 * A folder of files of a test's own making, in the system's folder for temporary files.
 */
#ifndef VQL_TESTS_LOG_FOLDER_H
#define VQL_TESTS_LOG_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_FOLDER_FILES = 8, LOG_FOLDER_PATH_BYTES = 256 };

typedef struct log_folder {
    char path[LOG_FOLDER_PATH_BYTES];
    char files[LOG_FOLDER_FILES][LOG_FOLDER_PATH_BYTES + 64]; /* to be removed with it */
    int count;
} log_folder;

static inline void log_folder_make(log_folder *folder)
{
    const char *temporary = getenv("TMPDIR");
    folder->count = 0;
    (void)snprintf(folder->path, sizeof folder->path, "%s/vql-test-XXXXXX",
                   temporary != NULL ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder->path));
}

/* The path of a file of the folder, which is removed with it. */
static inline const char *log_folder_file(log_folder *folder, const char *name)
{
    char path[LOG_FOLDER_PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    for (int i = 0; i < folder->count; i++)
        if (strcmp(folder->files[i], path) == 0)
            return folder->files[i];
    ck_assert_int_lt(folder->count, LOG_FOLDER_FILES);
    return memcpy(folder->files[folder->count++], path, sizeof path);
}

/* Writes a text to a file of the folder. */
static inline void log_folder_write(log_folder *folder, const char *name, const char *text)
{
    FILE *file = fopen(log_folder_file(folder, name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void log_folder_remove(log_folder *folder)
{
    for (int i = 0; i < folder->count; i++)
        (void)unlink(folder->files[i]);
    ck_assert_int_eq(rmdir(folder->path), 0);
}

#endif
