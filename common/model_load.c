#include "model_load.h"

#include <stdlib.h>

#include "whole_file.h"

vql_code model_load(const char *path, uint32_t max_gib, const vql_catalog_options *options,
                    loaded_model *out, vql_error *error)
{
    void *bytes;
    size_t count;
    whole_file_error unread;
    const whole_file_result result = whole_file_read(path, max_gib, &bytes, &count, &unread);
    if (result != WHOLE_FILE_OK)
        return vql_fail(error, result == WHOLE_FILE_NO_MEMORY ? VQL_NO_MEMORY : VQL_FORMAT, "%s",
                        unread.text);
    loaded_model loaded = {0};
    vql_error cause;
    vql_code code = vql_model_parse(bytes, count, NULL, &loaded.model, &cause);
    free(bytes);
    if (code == VQL_OK)
        code = vql_catalog_create(loaded.model, options, &loaded.catalog, &cause);
    if (code == VQL_OK) {
        *out = loaded;
        return VQL_OK;
    }
    model_unload(&loaded);
    return vql_fail(error, code, "%s: %s", path, cause.text);
}

void model_unload(loaded_model *model)
{
    vql_catalog_free(model->catalog);
    vql_model_free(model->model);
    *model = (loaded_model){0};
}
