#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static whole_file_result system_error(const char *path, whole_file_error *error)
{
    (void)snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(errno));
    return WHOLE_FILE_FAILED;
}

/* The size of an open regular file, checked against the limit. */
static whole_file_result measure(FILE *file, const char *path, uint32_t max_gib, size_t *size,
                                 whole_file_error *error)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return system_error(path, error);
    if (!S_ISREG(status.st_mode)) {
        (void)snprintf(error->text, sizeof error->text, "%s: not a regular file", path);
        return WHOLE_FILE_FAILED;
    }
    if (status.st_size < 0 || (uint64_t)status.st_size > (uint64_t)max_gib << 30) {
        (void)snprintf(error->text, sizeof error->text, "%s: %lld bytes; at most %u GiB", path,
                       (long long)status.st_size, max_gib);
        return WHOLE_FILE_FAILED;
    }
    *size = (size_t)status.st_size;
    return WHOLE_FILE_OK;
}

/* Reads size bytes of an open file into a new block. */
static whole_file_result read_bytes(FILE *file, const char *path, size_t size, void **bytes,
                                    whole_file_error *error)
{
    void *content = malloc(size > 0 ? size : 1);
    if (content == NULL) {
        (void)snprintf(error->text, sizeof error->text, "%s: no memory for %zu bytes", path, size);
        return WHOLE_FILE_NO_MEMORY;
    }
    if (fread(content, 1, size, file) == size) {
        *bytes = content;
        return WHOLE_FILE_OK;
    }
    free(content);
    if (ferror(file))
        return system_error(path, error);
    (void)snprintf(error->text, sizeof error->text, "%s: shrank while it was read", path);
    return WHOLE_FILE_FAILED;
}

whole_file_result whole_file_read(const char *path, uint32_t max_gib, void **bytes, size_t *size,
                                  whole_file_error *error)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return system_error(path, error);
    size_t measured = 0;
    whole_file_result result = measure(file, path, max_gib, &measured, error);
    if (result == WHOLE_FILE_OK)
        result = read_bytes(file, path, measured, bytes, error);
    if (result == WHOLE_FILE_OK)
        *size = measured;
    (void)fclose(file);
    return result;
}
