/*
 * Whole files for tests.
 */
#ifndef VQL_TESTS_FILE_H
#define VQL_TESTS_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The content of a file, in a block of exactly *count bytes that the caller frees; aborts if it
 * cannot.
 */
static inline uint8_t *file_read(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "cannot open %s\n", path);
        abort();
    }
    const long end = ftell(file);
    rewind(file);
    uint8_t *bytes = end > 0 ? malloc((size_t)end) : NULL;
    if (bytes == NULL || fread(bytes, 1, (size_t)end, file) != (size_t)end) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    fclose(file);
    *count = (size_t)end;
    return bytes;
}

#endif
