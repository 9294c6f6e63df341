/*
 * vqld: the online scoring server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "database.h"
#include "loader.h"
#include "log.h"
#include "option.h"
#include "recent.h"
#include "registry.h"
#include "secrets.h"
#include "server.h"
#include "store_export.h"
#include "store_walk.h"
#include "vql/kernels.h"

enum { EXIT_USAGE = 2 };

extern char **environ;

static bool check_store(database *d)
{
    walk_totals totals;
    database_error error;
    if (!store_walk(d, NULL, NULL, &totals, &error)) {
        log_error("the store is damaged", log_str("error", error.text));
        return false;
    }
    log_info("the store is whole", log_u64("users", totals.users), log_u64("events", totals.events),
             log_u64("ids", totals.ids), log_u64("snapshots", totals.snapshots),
             log_u64("bad_snapshots", totals.bad_snapshots));
    return true;
}

/* Opens the store, if there is one, and serves. */
static bool run_with_store(const config *c, registry *models, loader *loads, recent *requests,
                           secrets *files)
{
    const char *folder = option_store_folder(c->store);
    if (!folder)
        return c->check || server_run(c, models, loads, requests, NULL, files);
    database_error error;
    const bool serves = !c->check && !c->export_file;
    database *d = serves ? database_open(folder, (durability)c->durability, &error)
                         : database_open_to_read(folder, &error);
    if (!d) {
        log_error("cannot open the store", log_str("error", error.text));
        return false;
    }
    bool ok;
    if (serves)
        ok = server_run(c, models, loads, requests, d, files);
    else
        ok = c->check ? check_store(d) : store_export(d, c->export_file);
    database_close(d);
    return ok;
}

/* Loads the models and serves them, or does with the store what was asked. */
static int run_with(const config *c, secrets *files)
{
    vql_error error = {0};
    if (vql_kernels_select(config_kernel(c), &error) != VQL_OK) {
        log_error("cannot use the kernels", log_str("error", error.text));
        return EXIT_FAILURE;
    }
    registry *models = registry_new(c->max_models);
    recent *requests = recent_new();
    loader *loads = models && requests ? loader_new(c, models, requests) : NULL;
    bool ok = loads != NULL;
    if (ok)
        ok = loader_begin(loads) && run_with_store(c, models, loads, requests, files);
    else
        log_error("no memory for the models");
    loader_free(loads);
    recent_free(requests);
    registry_free(models);
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
