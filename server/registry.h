/*
 * The model that the server scores with: the file, read and validated, and the catalog built from
 * it. Never changes once loaded, so that every thread reads it.
 */
#ifndef VQL_SERVER_REGISTRY_H
#define VQL_SERVER_REGISTRY_H

#include <stddef.h>

#include "vql/catalog.h"
#include "vql/error.h"
#include "vql/model.h"

typedef struct registry {
    vql_model *model;
    vql_catalog *catalog;
} registry;

/*
 * Reads a model file and builds its catalog with the options. On failure *r is
 * untouched and *error names the file and what is wrong with it.
 */
vql_code registry_load(registry *r, const char *path, const vql_catalog_options *options,
                       vql_error *error);

/* Frees what registry_load made. */
void registry_unload(registry *r);

/* The model's name, by which requests ask for it. */
const char *registry_name(const registry *r);

#endif
