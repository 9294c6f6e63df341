/*
 * vqld: the online scoring server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "database.h"
#include "items.h"
#include "loader.h"
#include "log.h"
#include "recent.h"
#include "redis_database.h"
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
             log_u64("bad_snapshots", totals.bad_snapshots), log_u64("upserts", totals.upserts));
    return true;
}

/* Loads the models, with the items that the store has, and serves them or does what was asked. */
static bool run_with_items(const config *c, registry *models, items *upserts, database *d,
                           redis_database *r, secrets *files)
{
    recent *requests = recent_new();
    loader *loads = requests ? loader_new(c, models, upserts, requests) : NULL;
    bool ok = loads != NULL;
    if (!ok)
        log_error("no memory for the models");
    else if (!loader_begin(loads))
        ok = false;
    else if (c->check)
        ok = !d || check_store(d);
    else if (c->export_file && d)
        ok = store_export(d, c->export_file);
    else
        ok = server_run(c, models, loads, upserts, requests, d, r, files);
    loader_free(loads);
    recent_free(requests);
    return ok;
}

static bool run_with_store(const config *c, database *d, redis_database *r, secrets *files)
{
    registry *models = registry_new(c->max_models);
    upsert_log *log = upsert_log_open(d);
    items *upserts = models && log ? items_new(models, log, c->max_new_items) : NULL;
    bool ok = upserts != NULL;
    if (ok) {
        ok = run_with_items(c, models, upserts, d, r, files);
    } else {
        log_error("cannot open the store", log_str("store", r ? "redis" : c->store),
                  log_str("error", "its items cannot be read, or there is no memory"));
        upsert_log_close(log);
    }
    registry_free(models);
    items_free(upserts);
    return ok;
}

/* Opens the store, if there is one. */
static int run_with(const config *c, secrets *files)
{
    vql_error error = {0};
    database_error refusal;
    if (vql_kernels_select(config_kernel(c), &error) != VQL_OK) {
        log_error("cannot use the kernels", log_str("error", error.text));
        return EXIT_FAILURE;
    }
    const char *folder = config_store_folder(c), *where = config_store_redis(c);
    const bool serves = !c->check && !c->export_file;
    database *d = NULL;
    redis_database *r = NULL;
    if (folder) {
        d = serves ? database_open(folder, (durability)c->durability, &refusal)
                   : database_open_to_read(folder, &refusal);
        if (!d) {
            log_error("cannot open the store", log_str("error", refusal.text));
            return EXIT_FAILURE;
        }
    }
    if (where) {
        r = redis_database_open(where, (durability)c->durability, &refusal);
        if (!r) {
            log_error("cannot open the store", log_str("error", refusal.text));
            return EXIT_FAILURE;
        }
    }
    const bool ok = run_with_store(c, d, r, files);
    redis_database_close(r);
    database_close(d);
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
