/*
 * The page that looks at one user: GET /api/user?id=USER&candidate=ITEM&time=MS&model=NAME, of
 * which only id is needed, answered with JSON (explained_user.h), or with {"error": …} and 400 for
 * an argument that is wrong, 403 where --inspect does not allow it, 404 for a user without a
 * history and for an unknown model, 503 when requests go first, or there are too many of these.
 *
 * Only the copying is the shard's work; all else is the admin thread's.
 */
#ifndef VQL_SERVER_INSPECTOR_H
#define VQL_SERVER_INSPECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "admin.h"
#include "registry.h"
#include "worker.h"

typedef struct inspector {
    registry *models;
    worker *workers; /* [count] */
    uint32_t count;
    bool allowed; /* else nobody may look */

    int64_t second; /* the last one in which there was an inspection, and how many */
    uint32_t inspections;
} inspector;

/* The page's show; context is an inspector. */
void inspector_show(void *context, const admin_request *asked, admin_answer *answer);

#endif
