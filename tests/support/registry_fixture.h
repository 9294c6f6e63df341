/*
 * A real model for the tests of one program, loaded once: each test runs in a process of its own
 * that has it already. To be added with tcase_add_unchecked_fixture.
 */
#ifndef VQL_TESTS_REGISTRY_FIXTURE_H
#define VQL_TESTS_REGISTRY_FIXTURE_H

#include <check.h>

#include "model_view.h"
#include "registry.h"

static registry *models;
static model_set *model_now; /* the registry's set when a model was last loaded */
static version *loaded;      /* the active one of that */

/* Adds the version in a file. name: NULL for the model's own. */
static inline version *add_model(const char *path, const char *name)
{
    vql_error error;
    grpc_error refusal;
    version *added;
    const vql_catalog_options options = {0};
    ck_assert_msg(version_load(path, name, &options, &added, &error) == VQL_OK, "%s", error.text);
    ck_assert_msg(registry_add(models, added, &refusal) == GRPC_OK, "%s", refusal.message);
    model_set_release(model_now);
    model_now = registry_share(models);
    loaded = model_set_active(model_now);
    return added;
}

static void load_model(const char *path)
{
    models = registry_new(LIMIT_MODELS);
    ck_assert_ptr_nonnull(models);
    (void)add_model(path, NULL);
}

/* tests/golden: one task, one event type. */
static inline void load_retail(void)
{
    load_model(VQL_SOURCE_DIR "/tests/golden/retail.safetensors");
}

/* tests/golden: tasks click and long_view, five event types. */
static inline void load_kuairand(void)
{
    load_model(VQL_SOURCE_DIR "/tests/golden/kuairand.safetensors");
}

static void unload_model(void)
{
    model_set_release(model_now);
    model_now = NULL;
    registry_free(models);
}

#endif
