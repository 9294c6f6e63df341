/*
 * A model file with its catalog, as the serving core has them.
 */
#ifndef VQL_COMMON_MODEL_LOAD_H
#define VQL_COMMON_MODEL_LOAD_H

#include <stdint.h>

#include "vql/catalog.h"

typedef struct loaded_model {
    vql_model *model;
    vql_catalog *catalog;
} loaded_model;

/* Reads a file of at most max_gib GiB; the error names it. On failure *out is untouched. */
vql_code model_load(const char *path, uint32_t max_gib, const vql_catalog_options *options,
                    loaded_model *out, vql_error *error);

/* Frees what model_load made. */
void model_unload(loaded_model *model);

#endif
