/*
 * A real model for the tests of one program, loaded once: each test runs in a process of its own
 * that has it already. To be added with tcase_add_unchecked_fixture.
 */
#ifndef VQL_TESTS_REGISTRY_FIXTURE_H
#define VQL_TESTS_REGISTRY_FIXTURE_H

#include <check.h>

#include "registry.h"

static registry models;

static void load_model(const char *path)
{
    vql_error error;
    const vql_catalog_options options = {0};
    ck_assert_msg(registry_load(&models, path, &options, &error) == VQL_OK, "%s", error.text);
}

/* examples/retail: one task, one event type. */
static inline void load_retail(void)
{
    load_model(VQL_SOURCE_DIR "/examples/retail/model.safetensors");
}

/* tests/golden: tasks click and long_view, five event types. */
static inline void load_kuairand(void)
{
    load_model(VQL_SOURCE_DIR "/tests/golden/kuairand.safetensors");
}

static void unload_model(void)
{
    registry_unload(&models);
}

#endif
