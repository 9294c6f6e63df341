#include "registry.h"

#include "limit.h"
#include "model_load.h"

vql_code registry_load(registry *r, const char *path, const vql_catalog_options *options,
                       vql_error *error)
{
    loaded_model loaded;
    const vql_code code = model_load(path, LIMIT_MODEL_GIB, options, &loaded, error);
    if (code == VQL_OK)
        *r = (registry){loaded.model, loaded.catalog};
    return code;
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
