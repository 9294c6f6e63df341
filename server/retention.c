#include "retention.h"

#include "post.h"

bool retention_is_on(const retention *r)
{
    return r->errand.rules.max_events > 0 || r->errand.rules.max_age_ms > 0;
}

static uint64_t kept(const history_info *info)
{
    return info->sequence - info->first + 1;
}

static void add_waiting(retention *r, uint64_t user_id)
{
    for (size_t i = 0; i < r->waiting_count; i++)
        if (r->waiting[i] == user_id)
            return;
    if (r->waiting_count < LIMIT_RETAIN_USERS)
        r->waiting[r->waiting_count++] = user_id;
}

/* Some more than are kept may be there, so that not every append takes events out. */
void retention_appended(retention *r, uint64_t user_id, const history_info *info)
{
    const uint64_t most = r->errand.rules.max_events;
    if (most > 0 && info->sequence > 0 && kept(info) > most + most / LIMIT_RETAIN_SLACK)
        add_waiting(r, user_id);
}

static retain_errand *start(retention *r, retain_step step)
{
    retain_errand *e = &r->errand;
    e->errand.kind = ERRAND_RETAIN;
    e->errand.code = STORE_OK;
    e->step = step;
    e->oldest_ms = e->rules.max_age_ms > 0 ? r->now_ms - e->rules.max_age_ms : INT64_MIN;
    e->more = false;
    e->due_count = 0;
    r->busy = true;
    return e;
}

/* The next user that is due. NULL: none is. */
static retain_errand *start_user(retention *r)
{
    if (r->waiting_count == 0)
        return NULL;
    r->errand.user_id = r->waiting[--r->waiting_count];
    r->errand.begun = false;
    return start(r, RETAIN_PLAN);
}

retain_errand *retention_begin(retention *r, int64_t now_ms)
{
    r->now_ms = now_ms;
    if (r->busy || !retention_is_on(r))
        return NULL;
    retain_errand *e = start_user(r);
    if (e)
        return e;
    if (!r->sweeping && now_ms < r->next_pass_ms)
        return NULL;
    if (!r->sweeping) {
        r->sweeping = true;
        r->errand.cursor = 0;
        r->next_pass_ms = now_ms + LIMIT_RETAIN_PASS_MS;
    }
    return start(r, RETAIN_SWEEP);
}

/* What the sweep has found is added; it goes on when retention_begin is called next. */
static void end_sweep(retention *r)
{
    const retain_errand *e = &r->errand;
    for (size_t i = 0; i < e->due_count; i++)
        add_waiting(r, e->due[i]);
    r->sweeping = e->errand.code == STORE_OK && e->more;
}

retain_errand *retention_next(retention *r, bool *trimmed)
{
    const retain_errand *e = &r->errand;
    r->busy = false;
    *trimmed = e->step == RETAIN_TRIM && e->errand.code == STORE_OK && e->more;
    if (e->step == RETAIN_SWEEP) {
        end_sweep(r);
        return start_user(r);
    }
    if (e->errand.code != STORE_OK)
        return NULL;
    if (e->more && e->step == RETAIN_TRIM)
        return start(r, RETAIN_PURGE);
    if (e->more)
        return start(r, e->step);
    return e->step == RETAIN_PLAN ? start(r, RETAIN_TRIM) : start_user(r);
}

static bool is_due(const retain_errand *e, const history_info *info)
{
    if (info->sequence == 0)
        return false;
    return info->cleared < info->first ||
           (e->rules.max_events > 0 && kept(info) > e->rules.max_events) ||
           (kept(info) > 0 && info->first_time_ms < e->oldest_ms);
}

/* Looks at some users, whose turn it is. */
static store_code sweep(retain_errand *e, store *s)
{
    uint64_t users[LIMIT_RETAIN_USERS];
    size_t count;
    store_code code = store_users(s, &e->cursor, users, LIMIT_RETAIN_USERS, &count);
    e->more = count == LIMIT_RETAIN_USERS;
    for (size_t i = 0; code == STORE_OK && i < count; i++) {
        history_info info;
        if (post_of_user(users[i], e->rules.shards) != e->rules.shard)
            continue;
        code = store_info(s, users[i], &info);
        if (code == STORE_OK && is_due(e, &info))
            e->due[e->due_count++] = users[i];
        if (code == STORE_DAMAGED) /* which is for the user's own calls to say */
            code = STORE_OK;
    }
    return code;
}

/* The first event is looked for; then what is after it, for its times. */
static void look_at(retain_errand *e, const event *found)
{
    history_info *left = &e->left;
    if (e->next == left->first && found->time_ms < e->oldest_ms) {
        left->first++;
    } else {
        if (e->next == left->first || found->time_ms < left->first_time_ms)
            left->first_time_ms = found->time_ms;
        if (e->next == left->first || found->time_ms > left->last_time_ms)
            left->last_time_ms = found->time_ms;
    }
    e->next++;
}

/* Looks at so many events at most, up to the last one. */
static store_code look_at_events(retain_errand *e, store *s, size_t most)
{
    event events[LIMIT_REBUILD_CHUNK];
    while (e->next <= e->left.sequence && most > 0) {
        size_t count;
        const uint64_t left = e->left.sequence - e->next + 1;
        const size_t max = left < LIMIT_REBUILD_CHUNK ? (size_t)left : LIMIT_REBUILD_CHUNK;
        const store_code code = store_read(s, e->user_id, e->next, events, max, &count);
        if (code != STORE_OK || count == 0)
            return code == STORE_OK ? STORE_DAMAGED : code;
        for (size_t i = 0; i < count; i++)
            look_at(e, &events[i]);
        most -= count < most ? count : most;
    }
    return STORE_OK;
}

static store_code plan(retain_errand *e, store *s)
{
    history_info info;
    store_code code = store_info(s, e->user_id, &info);
    if (code != STORE_OK || info.sequence == 0)
        return code;
    if (!e->begun || info.born != e->left.born) {
        const uint64_t most = e->rules.max_events;
        e->begun = true;
        e->left = info;
        if (most > 0 && kept(&info) > most)
            e->left.first = info.sequence - most + 1;
        e->next = e->left.first;
    }
    e->left.sequence = info.sequence;
    if (e->left.first == info.first && info.first_time_ms >= e->oldest_ms)
        return STORE_OK;
    code = look_at_events(e, s, LIMIT_RETAIN_EVENTS);
    e->more = code == STORE_OK && e->next <= e->left.sequence && e->left.first > info.first;
    return code;
}

/* What was appended since the plan was made is looked at, too. more: events were taken out. */
static store_code trim(retain_errand *e, store *s)
{
    history_info info;
    store_code code = store_info(s, e->user_id, &info);
    if (code != STORE_OK || info.sequence == 0 || info.born != e->left.born)
        return code;
    e->more = info.cleared < info.first;
    if (e->left.first == info.first)
        return STORE_OK;
    e->left.sequence = info.sequence;
    code = look_at_events(e, s, SIZE_MAX);
    if (kept(&e->left) == 0)
        e->left.first_time_ms = e->left.last_time_ms = 0;
    if (code == STORE_OK)
        code = store_trim(s, e->user_id, &e->left);
    e->more = true;
    return code;
}

store_code retention_run(retain_errand *e, store *s)
{
    switch (e->step) {
    case RETAIN_SWEEP:
        return sweep(e, s);
    case RETAIN_PLAN:
        return plan(e, s);
    case RETAIN_TRIM:
        return trim(e, s);
    case RETAIN_PURGE:
        return store_purge(s, e->user_id, LIMIT_RETAIN_EVENTS, &e->more);
    }
    return STORE_OK;
}
