/*
 * Files that are there whole or not at all: written beside their place, under another name, and
 * moved there when everything has reached the disk. What was there before stays until then.
 */
#ifndef VQL_COMMON_NEW_FILE_H
#define VQL_COMMON_NEW_FILE_H

#include <stdbool.h>
#include <stdio.h>

enum { NEW_FILE_PATH_BYTES = 4096 };

typedef struct new_file {
    FILE *stream; /* to write to */
    char path[NEW_FILE_PATH_BYTES];
    char temporary[NEW_FILE_PATH_BYTES + 16];
} new_file;

/* Opens a file that is to be at path. Returns 0, or the error number. */
int new_file_open(new_file *file, const char *path);

/*
 * Closes the file and moves it to its path, if keep; else, or if that fails, removes it. Returns 0,
 * or the error number, of a failed write before it, too.
 */
int new_file_close(new_file *file, bool keep);

#endif
