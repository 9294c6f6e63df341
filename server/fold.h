/*
 * A score with events of the request's own, which are scored with and not kept.
 */
#ifndef VQL_SERVER_FOLD_H
#define VQL_SERVER_FOLD_H

#include <stdbool.h>

#include "job.h"
#include "store.h"
#include "version_caches.h"
#include "vql/cache.h"
#include "vql/scorer.h"

/*
 * Folds a copy of the cache, NULL for a user without one, with the request's events appended, as
 * far as their ids are new. truth is not asked where j->ids_checked. False: no memory.
 */
bool fold_with_events(store *truth, vql_scorer *scorer, job *j, const vql_cache *cache);

#endif
