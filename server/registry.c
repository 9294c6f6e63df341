#include "registry.h"

#include <stdlib.h>

#include "limit.h"
#include "whole_file.h"

vql_code registry_load(registry *r, const char *path, const vql_catalog_options *options,
                       vql_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    whole_file_error unread;
    const whole_file_result result = whole_file_read(path, LIMIT_MODEL_GIB, &bytes, &size, &unread);
    if (result != WHOLE_FILE_OK)
        return vql_fail(error, result == WHOLE_FILE_NO_MEMORY ? VQL_NO_MEMORY : VQL_FORMAT, "%s",
                        unread.text);

    registry loaded = {0};
    vql_error cause = {0};
    vql_code code = vql_model_parse(bytes, size, NULL, &loaded.model, &cause);
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
