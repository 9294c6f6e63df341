/*
 * Items that are added or changed while the server serves: applied to versions, and kept in a log,
 * from which a version that is loaded later gets them too.
 *
 *   request ─> decode ─> extend each version's catalog ─> the log ─> new generations serve
 *
 * A request is applied whole, to all of its versions at once, or not at all. Any thread may call
 * what is here, and waits for whoever is at it: not one that serves.
 */
#ifndef VQL_SERVER_ITEMS_H
#define VQL_SERVER_ITEMS_H

#include <stddef.h>
#include <stdint.h>

#include "grpc.h"
#include "registry.h"
#include "upsert.h"
#include "upsert_log.h"

typedef struct items items;

/*
 * For the versions of a registry, which must outlive it, and with room for max_new_items in each.
 * The log becomes its own. NULL: no memory, and the log is the caller's still.
 */
items *items_new(registry *models, upsert_log *log, uint32_t max_new_items);

/* NULL is allowed. */
void items_free(items *it);

/*
 * Applies an UpsertItemsRequest. INVALID_ARGUMENT for what does not fit a version, NOT_FOUND for
 * one that is not loaded, RESOURCE_EXHAUSTED when there is no room, UNAVAILABLE when the store
 * refuses: nothing is changed then.
 */
grpc_status items_upsert(items *it, const uint8_t *message, size_t bytes, upsert_outcome *out,
                         grpc_error *error);

/*
 * Adds a version to the registry (registry_add) with the items of all requests that are for it and
 * fit it; those that do not are logged, and passed over whole. FAILED_PRECONDITION when there is no
 * room for them.
 */
grpc_status items_add_version(items *it, version *v, grpc_error *error);

#endif
