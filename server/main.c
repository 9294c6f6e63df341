/*
 * vqld: the online scoring server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "database.h"
#include "huge_pages.h"
#include "items.h"
#include "log.h"
#include "model_folder.h"
#include "option.h"
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

static void log_loaded(const version *v)
{
    const vql_shape *shape = vql_model_shape(v->model);
    log_info("model loaded", log_str("model", v->name), log_u64("items", shape->items),
             log_str("kernels", vql_kernels_name()), log_u64("tasks", shape->tasks),
             log_u64("event_types", shape->event_types), log_u64("bytes", version_bytes(v)));
}

/* Adds what is in a model file. name: NULL for the model's own. False: logged. */
static bool load_version(const config *c, items *upserts, const char *path, const char *name)
{
    version *v;
    vql_error error = {0};
    grpc_error refusal;
    const vql_catalog_options options = {
        .table_bytes = (size_t)c->table_bytes,
        .format = c->scoring_format == CONFIG_SCORING_F32 ? VQL_SCORING_F32 : VQL_SCORING_INT16,
        .spare_items = c->max_new_items,
        .allocator = huge_pages_allocator(),
    };
    if (version_load(path, name, &options, &v, &error) != VQL_OK) {
        log_error("cannot load the model", log_str("code", vql_code_name(error.code)),
                  log_str("error", error.text));
        return false;
    }
    if (items_add_version(upserts, v, &refusal) != GRPC_OK) {
        log_error("cannot load the model", log_str("error", refusal.message));
        version_release(v);
        return false;
    }
    log_loaded(v);
    return true;
}

/* Loads the newest versions of a folder, the newest of which is active. False: none can be. */
static bool load_folder(const config *c, items *upserts)
{
    model_name *names;
    size_t count;
    vql_error error = {0};
    uint32_t loaded = 0;
    if (!model_folder_list(c->model, &names, &count, &error)) {
        log_error("cannot read the folder of models", log_str("error", error.text));
        return false;
    }
    for (size_t i = count; i > 0 && loaded < c->max_models; i--) {
        char path[OPTION_PATH_BYTES];
        if (model_folder_path(c->model, names[i - 1].text, path, sizeof path))
            loaded += load_version(c, upserts, path, names[i - 1].text);
    }
    if (loaded == 0)
        log_error("the folder has no model that can be loaded", log_str("model", c->model));
    free(names);
    return loaded > 0;
}

/* Loads the models, with the items that the store has, and serves them or does what was asked. */
static bool run_with_items(const config *c, registry *models, items *upserts, database *d,
                           secrets *files)
{
    if (!(model_folder_is(c->model) ? load_folder(c, upserts)
                                    : load_version(c, upserts, c->model, NULL)))
        return false;
    if (c->check)
        return !d || check_store(d);
    if (c->export_file && d)
        return store_export(d, c->export_file);
    return server_run(c, models, upserts, d, files);
}

static bool run_with_store(const config *c, registry *models, database *d, secrets *files)
{
    upsert_log *log = upsert_log_open(d);
    items *upserts = log ? items_new(models, log, c->max_new_items) : NULL;
    if (!upserts) {
        log_error("no memory for items, or they cannot be read");
        upsert_log_close(log);
        return false;
    }
    const bool ok = run_with_items(c, models, upserts, d, files);
    items_free(upserts);
    return ok;
}

/* NULL, with *ok as it was: there is none to open. */
static database *open_store(const config *c, bool *ok)
{
    const char *folder = option_store_folder(c->store);
    database_error error;
    if (!folder)
        return NULL;
    database *d = c->check || c->export_file
                      ? database_open_to_read(folder, &error)
                      : database_open(folder, (durability)c->durability, &error);
    *ok = d != NULL;
    if (!d)
        log_error("cannot open the store", log_str("error", error.text));
    return d;
}

static int run_with(const config *c, secrets *files)
{
    vql_error error = {0};
    if (vql_kernels_select(config_kernel(c), &error) != VQL_OK) {
        log_error("cannot use the kernels", log_str("error", error.text));
        return EXIT_FAILURE;
    }
    registry *models = registry_new(c->max_models);
    if (!models) {
        log_error("no memory for the models");
        return EXIT_FAILURE;
    }
    bool ok = true;
    database *d = open_store(c, &ok);
    ok = ok && run_with_store(c, models, d, files);
    registry_free(models);
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
