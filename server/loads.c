#include "loads.h"

#include <stdlib.h>

static void free_load(load *one)
{
    vql_cache_free(one->cache);
    free(one->errand.snapshot.bytes);
    free(one);
}

void loads_clear(loads *l)
{
    for (size_t i = 0; i < l->users.capacity; i++)
        if (l->users.slots[i].value)
            free_load(l->users.slots[i].value);
    id_map_clear(&l->users);
}

load *loads_find(const loads *l, uint64_t user_id)
{
    return id_map_get(&l->users, user_id);
}

static void drop_cache(load *one)
{
    vql_cache_free(one->cache);
    one->cache = NULL;
    one->mark = (cache_mark){0};
}

static void drop_snapshot(load *one)
{
    free(one->errand.snapshot.bytes);
    one->errand.snapshot = (store_snapshot){0};
}

/* Reads from the snapshot on. */
static void restart(load *one)
{
    drop_cache(one);
    drop_snapshot(one);
    one->erased = false;
    one->errand.next_sequence = 0;
}

/* Has the clerk read what comes next, as it is from now on. */
static void send(loads *l, load *one)
{
    one->newest = 0;
    one->news = news_number(l->news, one->errand.user_id);
    clerk_send(l->clerk, &one->errand.errand);
}

/* Reads on, though all had been read. */
static void reread(loads *l, load *one)
{
    one->ready = false;
    one->errand.next_sequence = one->cache ? one->mark.sequence + 1 : 0;
    send(l, one);
}

static load *make(loads *l, uint64_t user_id)
{
    if (l->users.count >= LIMIT_LOADS || !id_map_reserve(&l->users, 1))
        return NULL;
    load *one = calloc(1, sizeof *one);
    if (!one)
        return NULL;
    one->errand.errand.kind = ERRAND_LOAD;
    one->errand.user_id = user_id;
    one->errand.model = l->maker->version->snapshots;
    one->errand.events = one->events;
    one->of = l;
    id_map_put(&l->users, user_id, one);
    return one;
}

static load *begin(loads *l, uint64_t user_id)
{
    load *one = make(l, user_id);
    if (one)
        send(l, one);
    return one;
}

void loads_resume(loads *l, uint64_t user_id, vql_cache *cache, const cache_mark *mark)
{
    load *one = make(l, user_id);
    if (!one) {
        vql_cache_free(cache);
        return;
    }
    one->cache = cache;
    one->mark = *mark;
    reread(l, one);
}

/* Whether a load that is ready is to be read on for a job that has it, or is to have it. */
static bool is_behind(const loads *l, const load *one, const job *j)
{
    if (!l->news || one->left || one->code != STORE_OK)
        return false;
    if (!j->load)
        return !news_is_current(l->news, j->user_id, one->mark.news);
    return j->ids_checked && j->history.sequence != one->mark.sequence;
}

void loads_doubt(loads *l, load *one)
{
    if (one->ready && !one->left)
        reread(l, one);
    else
        one->news--;
}

bool loads_wait(loads *l, job *j, bool *ok)
{
    load *one = j->load ? j->load : loads_find(l, j->user_id);
    if (!one)
        one = begin(l, j->user_id);
    *ok = one != NULL;
    if (!one)
        return false;
    if (one->ready && is_behind(l, one, j))
        reread(l, one);
    one->jobs += !j->load;
    j->load = one;
    if (one->ready)
        return false;
    j->next_queued = one->waiting;
    one->waiting = j;
    return true;
}

bool loads_prefetch(loads *l, uint64_t user_id)
{
    return begin(l, user_id) != NULL;
}

/* Nobody has it any more, and nothing is to be read: the cache becomes a resident. */
static void retire(loads *l, load *one)
{
    const uint64_t user_id = one->errand.user_id;
    if (one->left) {
        free_load(one);
        return;
    }
    if (one->cache && one->code == STORE_OK && residents_put(l->residents, user_id, one->cache)) {
        *residents_mark(l->residents, user_id) = one->mark;
        one->cache = NULL;
    }
    (void)id_map_remove(&l->users, user_id);
    free_load(one);
}

void loads_leave(loads *l, job *j)
{
    load *one = j->load;
    j->load = NULL;
    if (one && --one->jobs == 0 && one->ready)
        retire(l, one);
}

/* Begins the cache with the snapshot. False: there is none that can be used. */
static bool begin_with_snapshot(loads *l, load *one)
{
    const store_snapshot *snapshot = &one->errand.snapshot;
    if (snapshot->bytes && snapshot->born == one->errand.info.born)
        one->cache = cache_maker_parse(l->maker, snapshot->bytes, snapshot->count);
    if (one->cache)
        one->mark.sequence = one->mark.saved = snapshot->sequence;
    drop_snapshot(one);
    return one->cache != NULL;
}

/* Takes what was read into the cache. False: it is of another history, or of no use. */
static bool take(loads *l, load *one)
{
    const load_errand *e = &one->errand;
    if (!one->cache) {
        const bool from_snapshot = begin_with_snapshot(l, one);
        one->mark.born = e->info.born;
        if (!from_snapshot && e->next_sequence > e->info.first)
            return false;
        if (!from_snapshot)
            one->mark.sequence = e->info.first - 1;
    }
    if (!one->cache)
        one->cache = cache_maker_new(l->maker, e->user_id, residents_allocator(l->residents));
    if (!one->cache || !cache_maker_append(l->maker, one->cache, e->events, e->count)) {
        one->code = STORE_NO_MEMORY;
        return true;
    }
    one->mark.sequence += e->count;
    return true;
}

/* Takes what was read. True: there is more to read. */
static bool advance(loads *l, load *one)
{
    load_errand *e = &one->errand;
    one->code = e->errand.code;
    if (one->code != STORE_OK)
        return false;
    if (one->erased || (one->cache && e->info.born != one->mark.born)) {
        restart(one);
        return true;
    }
    if (e->info.sequence > 0 && !take(l, one)) {
        drop_cache(one);
        e->next_sequence = e->info.first; /* without the snapshot */
        return true;
    }
    e->next_sequence = one->mark.sequence + 1;
    return one->code == STORE_OK &&
           (one->mark.sequence < e->info.sequence || one->mark.sequence < one->newest);
}

/* Takes the jobs that wait, in the order in which they came. */
static job *release(load *one)
{
    job *jobs = NULL;
    while (one->waiting) {
        job *j = one->waiting;
        one->waiting = j->next_queued;
        j->next_queued = jobs;
        jobs = j;
    }
    return jobs;
}

static job *finish(loads *l, load *one)
{
    one->ready = true;
    job *jobs = release(one);
    if (one->jobs == 0)
        retire(l, one);
    return jobs;
}

job *loads_step(load_errand *done)
{
    load *one = (load *)(void *)done;
    loads *l = one->of;
    if (advance(l, one)) {
        send(l, one);
        return NULL;
    }
    one->mark.news = one->news;
    if (one->code != STORE_OK)
        drop_cache(one);
    return finish(l, one);
}

job *loads_abandon(load_errand *done)
{
    load *one = (load *)(void *)done;
    one->code = STORE_UNAVAILABLE;
    return finish(one->of, one);
}

/* Appends to a cache that has all that was before. False: no memory. */
static bool extend(loads *l, load *one, const event *events, size_t count, const history_info *info)
{
    if (!one->cache) {
        one->cache =
            cache_maker_new(l->maker, one->errand.user_id, residents_allocator(l->residents));
        one->mark.born = info->born;
    }
    if (!one->cache || !cache_maker_append(l->maker, one->cache, events, count))
        return false;
    one->mark.sequence = info->sequence;
    return true;
}

void loads_appended(loads *l, load *one, const event *events, size_t count,
                    const history_info *info)
{
    one->newest = info->sequence;
    if (!one->ready || one->code != STORE_OK ||
        (one->mark.sequence >= info->sequence && (!l->news || one->mark.born == info->born)))
        return;
    if (l->news && one->mark.sequence > 0 && !one->left &&
        (one->mark.born != info->born || one->mark.sequence + count != info->sequence)) {
        reread(l, one); /* others have written, before it */
        return;
    }
    if (one->mark.sequence + count != info->sequence || !extend(l, one, events, count, info)) {
        drop_cache(one);
        one->code = STORE_NO_MEMORY;
    }
}

void loads_trimmed(loads *l, load *one)
{
    one->erased = !one->ready;
    one->left = one->ready;
    if (one->left)
        (void)id_map_remove(&l->users, one->errand.user_id);
}

void loads_erased(load *one)
{
    one->newest = 0;
    one->erased = !one->ready;
    if (one->ready)
        drop_cache(one);
}
