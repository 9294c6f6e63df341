#include "version.h"

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

version *version_new(vql_model *model, vql_catalog *catalog, const char *name)
{
    version *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    atomic_init(&v->references, 1);
    (void)snprintf(v->name, sizeof v->name, "%s", name ? name : vql_model_name(model));
    v->model = model;
    v->catalog = catalog;
    v->progress = &v->own_progress;
    return v;
}

version *version_extend(version *v, vql_catalog *catalog)
{
    version *next = version_new(v->model, catalog, v->name);
    if (!next)
        return NULL;
    next->number = v->number;
    next->first = version_share(v->first ? v->first : v);
    next->progress = v->progress;
    return next;
}

/* Makes a version of a file's bytes. */
static vql_code make(const void *bytes, size_t size, const char *name,
                     const vql_catalog_options *options, version **out, vql_error *error)
{
    vql_model *model = NULL;
    vql_catalog *catalog = NULL;
    vql_code code = vql_model_parse(bytes, size, NULL, &model, error);
    if (code != VQL_OK)
        return code;
    code = vql_catalog_create(model, options, &catalog, error);
    if (code != VQL_OK)
        goto free_model;
    *out = version_new(model, catalog, name);
    if (*out)
        return VQL_OK;
    code = vql_fail(error, VQL_NO_MEMORY, "no memory");
    vql_catalog_free(catalog);
free_model:
    vql_model_free(model);
    return code;
}

vql_code version_load(const char *path, const char *name, const vql_catalog_options *options,
                      version **out, vql_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    vql_code code = read_file(path, &bytes, &size, error);
    if (code != VQL_OK)
        return code;
    vql_error cause = {0};
    code = make(bytes, size, name, options, out, &cause);
    free(bytes);
    return code == VQL_OK ? VQL_OK : vql_fail(error, code, "%s: %s", path, cause.text);
}

version *version_share(version *v)
{
    (void)atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    return v;
}

void version_release(version *v)
{
    while (v && atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) == 1) {
        version *first = v->first;
        vql_catalog_free(v->catalog);
        if (!first)
            vql_model_free(v->model);
        free(v);
        v = first;
    }
}

bool version_is_last(const version *v)
{
    return atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

bool version_is_ready(const version *v)
{
    return atomic_load_explicit(&v->progress->shards, memory_order_acquire) == 0;
}

size_t version_bytes(const version *v)
{
    return vql_model_bytes(v->model) + vql_catalog_bytes(v->catalog);
}

/* Names of one kind, of two models, in order. */
static bool names_match(const char *kind, const version *a, const version *b, uint32_t a_count,
                        uint32_t b_count, const char *(*name_of)(const vql_model *, uint32_t),
                        vql_error *error)
{
    if (a_count != b_count) {
        (void)vql_fail(error, VQL_MISMATCH, "has %u %s, but \"%.60s\" has %u", a_count, kind,
                       b->name, b_count);
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (strcmp(name_of(a->model, i), name_of(b->model, i)) == 0)
            continue;
        (void)vql_fail(error, VQL_MISMATCH, "%s[%u] is \"%.50s\", but \"%.50s\" in \"%.50s\"", kind,
                       i, name_of(a->model, i), name_of(b->model, i), b->name);
        return false;
    }
    return true;
}

bool version_matches(const version *v, const version *other, vql_error *error)
{
    const vql_shape *a = vql_model_shape(v->model);
    const vql_shape *b = vql_model_shape(other->model);
    return names_match("event_types", v, other, a->event_types, b->event_types,
                       vql_model_event_type, error) &&
           names_match("tasks", v, other, a->tasks, b->tasks, vql_model_task, error);
}
