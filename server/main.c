/*
 * vqld: the online scoring server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "huge_pages.h"
#include "log.h"
#include "registry.h"
#include "secrets.h"
#include "server.h"
#include "vql/kernels.h"

enum { EXIT_USAGE = 2 };

extern char **environ;

/* Loads the model and serves it, or with --check does not. */
static int run_with(const config *c, secrets *files)
{
    registry models = {0};
    vql_error error = {0};
    if (vql_kernels_select(config_kernel(c), &error) != VQL_OK) {
        log_error("cannot use the kernels", log_str("error", error.text));
        return EXIT_FAILURE;
    }
    const vql_catalog_options options = {
        .table_bytes = (size_t)c->table_bytes,
        .format = c->scoring_format == CONFIG_SCORING_F32 ? VQL_SCORING_F32 : VQL_SCORING_INT16,
        .allocator = huge_pages_allocator(),
    };
    if (registry_load(&models, c->model, &options, &error) != VQL_OK) {
        log_error("cannot load the model", log_str("code", vql_code_name(error.code)),
                  log_str("error", error.text));
        return EXIT_FAILURE;
    }
    const vql_shape *shape = vql_model_shape(models.model);
    log_info("model loaded", log_str("model", registry_name(&models)),
             log_u64("items", shape->items), log_str("kernels", vql_kernels_name()),
             log_u64("tasks", shape->tasks), log_u64("event_types", shape->event_types),
             log_u64("bytes", vql_model_bytes(models.model) + vql_catalog_bytes(models.catalog)));
    const bool ok = c->check || server_run(c, &models, files);
    registry_unload(&models);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(const config *c)
{
    log_set_level((log_level)c->log_level);
    secrets files;
    if (!secrets_load(&files, c))
        return EXIT_FAILURE;
    const int status = run_with(c, &files);
    secrets_free(&files);
    return status;
}

int main(int argc, char **argv)
{
    config c;
    config_error error;
    int status = EXIT_SUCCESS;
    switch (config_load(&c, argc, argv, environ, &error)) {
    case CONFIG_LOADED:
        status = run(&c);
        break;
    case CONFIG_HELP:
        config_print_help(stdout);
        break;
    case CONFIG_VERSION:
        (void)puts("vqld " VQLD_VERSION);
        break;
    case CONFIG_FAILED:
        (void)fprintf(stderr, "vqld: %s\n", error.text);
        status = EXIT_USAGE;
        break;
    }
    config_free(&c);
    return status;
}
