/*
 * A version of the model: what was read from one file, validated, with the catalog built from it.
 * Never changes once it is made, so that every thread reads it.
 *
 * Versions are counted: whoever scores with one, or keeps caches of it, has a reference. The
 * registry has one as long as anybody else does, and it is the registry that gives up the last one,
 * so that no event loop ever frees a model.
 */
#ifndef VQL_SERVER_VERSION_H
#define VQL_SERVER_VERSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vql/catalog.h"
#include "vql/error.h"
#include "vql/model.h"

/*
 * How far the shards have come with the caches of a version that was added while they served: of
 * the users whose caches of the active version were in memory. Counts of all shards together.
 */
typedef struct version_progress {
    atomic_uint shards; /* that are not through; 0: the version is ready */
    atomic_uint_fast64_t users, users_done;
} version_progress;

typedef struct version {
    atomic_size_t references;
    uint64_t number; /* the registry's, never used again: by it caches are told apart */
    char name[VQL_MAX_NAME_BYTES + 1]; /* by which requests ask for it */
    vql_model *model;
    vql_catalog *catalog;
    uint64_t snapshots;         /* by which its caches' snapshots are told apart in a store */
    struct version *first;      /* the generation whose model this is; NULL: its own */
    version_progress *progress; /* the first generation's */
    version_progress own_progress;
} version;

/*
 * A version of a model and its catalog, which become its own. name: NULL for the model's own. The
 * caller has the one reference. NULL: no memory, and both are the caller's still.
 */
version *version_new(vql_model *model, vql_catalog *catalog, const char *name);

/*
 * The next generation of a version, which has its name, its number, its model and its caches, and
 * another catalog, which becomes its own. It keeps the first generation. NULL: no memory.
 */
version *version_extend(version *v, vql_catalog *catalog);

/*
 * Reads a model file and builds its catalog with the options. On failure *out is untouched and
 * *error names the file and what is wrong with it.
 */
vql_code version_load(const char *path, const char *name, const vql_catalog_options *options,
                      version **out, vql_error *error);

/* One more reference, of any thread that has one or is given one. */
version *version_share(version *v);

/* One reference less; the last one frees. NULL is allowed. */
void version_release(version *v);

/* True when the caller's reference is the only one; nobody else can get one any more then. */
bool version_is_last(const version *v);

/* True when every shard has made the caches that it makes before they are asked for. */
bool version_is_ready(const version *v);

/* What the model and its tables take. */
size_t version_bytes(const version *v);

/*
 * Whether users' histories mean the same to both: the same event types and tasks in the same order.
 * Otherwise *error, which may be NULL, says what differs.
 */
bool version_matches(const version *v, const version *other, vql_error *error);

#endif
