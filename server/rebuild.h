/*
 * The making of a new version's caches before it is asked for them: of the users whose caches of
 * the version that serves now are in memory, the hottest first, from their events, a step at a time
 * while nobody waits. It is through when all are made, or when they take half of the budget; the
 * rest is made on demand. One thread.
 */
#ifndef VQL_SERVER_REBUILD_H
#define VQL_SERVER_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_maker.h"
#include "limit.h"
#include "residents.h"
#include "version.h"

/* A user whose cache is being made. */
typedef struct rebuild_user {
    uint64_t id;
    uint8_t heat;
} rebuild_user;

/* Zeros: there is none, or it is through. */
typedef struct rebuild {
    bool running;
    uint64_t from; /* the number of the version whose users they are */
    uint64_t users, users_done;
    uint32_t pass; /* over the users, each down to a lesser heat */
    residents_cursor at;
    rebuild_user in_hand[LIMIT_BACKGROUND_LOADS]; /* [count]; one at a time without a clerk */
    size_t count;
    partial_cache partial; /* without a clerk: of the one in hand */
} rebuild;

struct version_caches;

/*
 * Begins with the users that `from` has caches of; NULL for none. The version counts as ready for
 * this shard when it is through.
 */
void rebuild_begin(struct version_caches *c, const struct version_caches *from);

/* A step, of well under a millisecond. from: as named by `from`; NULL: it is gone. */
void rebuild_step(struct version_caches *c, const struct version_caches *from);

#endif
