/*
 * Versions of small models of random parameters: those of different seeds have the same event types
 * and tasks, and other scores.
 */
#ifndef VQL_TESTS_RANDOM_VERSION_H
#define VQL_TESTS_RANDOM_VERSION_H

#include <stdlib.h>

#include "model_writer.h"
#include "version.h"

static inline version *version_of(const model_spec *spec, const char *name)
{
    model_writer *writer = model_writer_new(spec);
    vql_model *parsed = model_writer_parse(writer);
    vql_catalog *catalog;
    model_writer_free(writer);
    if (vql_catalog_create(parsed, &(vql_catalog_options){0}, &catalog, NULL) != VQL_OK)
        abort();
    version *made = version_new(parsed, catalog, name);
    if (!made)
        abort();
    return made;
}

static inline version *random_version(uint64_t seed, const char *name)
{
    const model_spec spec = model_spec_default(seed);
    return version_of(&spec, name);
}

#endif
