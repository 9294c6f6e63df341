/*
 * The server: workers on their threads, and the control thread (the caller's), which waits for
 * signals and stops them.
 */
#ifndef VQL_SERVER_SERVER_H
#define VQL_SERVER_SERVER_H

#include <stdbool.h>

#include "config.h"
#include "database.h"
#include "items.h"
#include "loader.h"
#include "recent.h"
#include "redis_database.h"
#include "registry.h"
#include "secrets.h"

/*
 * models: at least one; loads, whose thread is started here, loads more of them, and upserts
 * applies items to them.
 * d, r: where histories are kept; NULL: not there. Both are for in memory.
 *
 * Serves until SIGTERM or SIGINT, then drains: no new calls, open ones have config->drain_ms to
 * end. Returns true after a clean stop, false when it could not start (the reason is logged).
 */
bool server_run(const config *c, registry *models, loader *loads, items *upserts, recent *requests,
                database *d, redis_database *r, secrets *files);

#endif
