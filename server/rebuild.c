#include "rebuild.h"

#include "log.h"
#include "version_caches.h"

/* The least heat of each pass; the last one takes all. */
static const uint8_t least_heat[] = {EVICTION_HOT, EVICTION_WARM, 0};

enum { PASSES = sizeof least_heat / sizeof *least_heat };

/* One shard more is through. */
static void finish(version_caches *c, const char *why)
{
    rebuild *r = &c->rebuild;
    version_progress *p = c->version->progress;
    cache_maker_drop(&r->partial);
    *r = (rebuild){.running = false, .users = r->users, .users_done = r->users_done};
    if (atomic_fetch_sub_explicit(&p->shards, 1, memory_order_acq_rel) == 1)
        log_info("model ready", log_str("model", c->version->name),
                 log_u64("users", atomic_load(&p->users)),
                 log_u64("users_done", atomic_load(&p->users_done)), log_str("because", why));
}

void rebuild_begin(version_caches *c, const version_caches *from)
{
    rebuild *r = &c->rebuild;
    *r = (rebuild){.running = true};
    if (!from) {
        finish(c, "there are no users");
        return;
    }
    r->from = from->version->number;
    r->users = residents_count(from->residents);
    (void)atomic_fetch_add(&c->version->progress->users, r->users);
}

/* A user's cache was made, or will not be. */
static void count_done(version_caches *c, const rebuild_user *user)
{
    residents_warm(c->residents, user->id, user->heat);
    c->rebuild.users_done++;
    (void)atomic_fetch_add(&c->version->progress->users_done, 1);
}

/* Finds the next user, looking at a part of the table. False: not yet, or r->pass is PASSES. */
static bool find_next(version_caches *c, const version_caches *from, rebuild_user *found)
{
    rebuild *r = &c->rebuild;
    size_t slots = LIMIT_BACKGROUND_SLOTS;
    while (residents_next(from->residents, &r->at, &slots, &found->id, &found->heat))
        if (found->heat >= least_heat[r->pass] && !version_caches_peek(c, found->id))
            return true;
    if (slots > 0) {
        r->pass++;
        r->at = (residents_cursor){0};
    }
    return false;
}

/* True when the version's caches have their half of the budget. */
static bool is_full(const version_caches *c)
{
    const size_t budget = residents_budget(c->residents);
    return budget > 0 && residents_bytes(c->residents) > budget / 2;
}

/* Makes the cache in hand, from a store that never blocks. False: no memory. */
static bool make(version_caches *c, const version_caches *from)
{
    rebuild *r = &c->rebuild;
    const rebuild_user *user = &r->in_hand[0];
    const bool wanted =
        residents_peek(from->residents, user->id) && !residents_peek(c->residents, user->id);
    rebuild_result result = REBUILD_DONE;
    if (wanted)
        result = cache_maker_rebuild(&c->maker, &r->partial, user->id);
    else
        cache_maker_drop(&r->partial);
    if (result == REBUILD_GOES_ON)
        return true;
    r->count = 0;
    count_done(c, user);
    return result == REBUILD_DONE;
}

/* Takes those out of hand whose loads are through. */
static void take_loaded(version_caches *c)
{
    rebuild *r = &c->rebuild;
    for (size_t i = r->count; i > 0; i--) {
        const rebuild_user user = r->in_hand[i - 1];
        if (loads_find(&c->loads, user.id))
            continue;
        r->in_hand[i - 1] = r->in_hand[--r->count];
        count_done(c, &user);
    }
}

/* Goes on with those in hand. False: no memory. */
static bool go_on(version_caches *c, const version_caches *from)
{
    if (!c->loads.clerk)
        return c->rebuild.count == 0 || make(c, from);
    take_loaded(c);
    return true;
}

/* Takes another user in hand. False: no memory. */
static bool take_next(version_caches *c, const version_caches *from)
{
    rebuild *r = &c->rebuild;
    rebuild_user next;
    if (r->count == (c->loads.clerk ? LIMIT_BACKGROUND_LOADS : 1) || r->pass == PASSES ||
        !find_next(c, from, &next))
        return true;
    r->in_hand[r->count++] = next;
    return !c->loads.clerk || loads_prefetch(&c->loads, next.id);
}

void rebuild_step(version_caches *c, const version_caches *from)
{
    const rebuild *r = &c->rebuild;
    if (!from)
        finish(c, "the version before it is gone");
    else if (is_full(c))
        finish(c, "they have half of the budget");
    else if (!go_on(c, from) || !take_next(c, from))
        finish(c, "there is no memory");
    else if (r->pass == PASSES && r->count == 0)
        finish(c, "all are made");
}
