#include "registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "limit.h"

static vql_code system_error(vql_error *error, const char *path)
{
    return vql_fail(error, VQL_FORMAT, "%s: %s", path, strerror(errno));
}

/* The size of an open regular file, checked against the limit. */
static vql_code file_size(FILE *file, const char *path, size_t *size, vql_error *error)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return system_error(error, path);
    if (!S_ISREG(status.st_mode))
        return vql_fail(error, VQL_FORMAT, "%s: not a regular file", path);
    if (status.st_size < 0 || (uint64_t)status.st_size > (uint64_t)LIMIT_MODEL_GIB << 30)
        return vql_fail(error, VQL_FORMAT, "%s: %lld bytes; at most %d GiB", path,
                        (long long)status.st_size, LIMIT_MODEL_GIB);
    *size = (size_t)status.st_size;
    return VQL_OK;
}

/* Reads a whole file into *bytes, which the caller frees. */
static vql_code read_file(const char *path, void **bytes, size_t *size, vql_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return system_error(error, path);
    vql_code code = file_size(file, path, size, error);
    if (code != VQL_OK)
        goto close_file;
    void *content = malloc(*size > 0 ? *size : 1);
    if (!content) {
        code = vql_fail(error, VQL_NO_MEMORY, "%s: no memory for %zu bytes", path, *size);
        goto close_file;
    }
    if (fread(content, 1, *size, file) != *size) {
        code = ferror(file) ? system_error(error, path)
                            : vql_fail(error, VQL_FORMAT, "%s: shrank while it was read", path);
        free(content);
        goto close_file;
    }
    *bytes = content;
close_file:
    (void)fclose(file);
    return code;
}

vql_code registry_load(registry *r, const char *path, const vql_catalog_options *options,
                       vql_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    vql_code code = read_file(path, &bytes, &size, error);
    if (code != VQL_OK)
        return code;

    registry loaded = {0};
    vql_error cause = {0};
    code = vql_model_parse(bytes, size, NULL, &loaded.model, &cause);
    if (code == VQL_OK)
        code = vql_catalog_create(loaded.model, options, &loaded.catalog, &cause);
    free(bytes);
    if (code != VQL_OK) {
        registry_unload(&loaded);
        return vql_fail(error, code, "%s: %s", path, cause.text);
    }
    *r = loaded;
    return VQL_OK;
}

void registry_unload(registry *r)
{
    vql_catalog_free(r->catalog);
    vql_model_free(r->model);
    *r = (registry){0};
}

const char *registry_name(const registry *r)
{
    return vql_model_name(r->model);
}
