#include "post.h"

#include <stdlib.h>

#include "id_map.h"
#include "limit.h"
#include "meters.h"

uint32_t post_of_user(uint64_t user_id, uint32_t count)
{
    return (uint32_t)((id_hash(user_id) >> 32) * count >> 32);
}

static bool route(void *owner, job *j)
{
    post *p = owner;
    const uint32_t home = post_of_user(j->user_id, p->count);
    if (home == p->index)
        return shard_submit(p->shard, j, p->service->now_ns);
    if (!mailbox_put(p->all[home].requests, j)) {
        service_overloaded(p->service, j, LIMIT_MAILBOX);
        return false;
    }
    p->to_wake[home] = true;
    return true;
}

static bool refuses(void *owner, uint64_t user_id, bool is_long)
{
    const post *p = owner;
    return shard_refuses(p->all[post_of_user(user_id, p->count)].shard, is_long);
}

grpc_status post_inspect(post *posts, uint32_t count, inspection *i, uint32_t *home)
{
    job *j = &i->job;
    *home = post_of_user(j->user_id, count);
    const post *p = &posts[*home];
    if (!shard_refuses(p->shard, false) && !shard_refuses(p->shard, true) &&
        mailbox_put(p->requests, j))
        return GRPC_OK;
    return grpc_fail(&j->error, GRPC_UNAVAILABLE,
                     "the shard of user %llu is overloaded: requests go first",
                     (unsigned long long)j->user_id);
}

bool post_init(post *p)
{
    p->service->route = route;
    p->service->refuses = refuses;
    p->service->owner = p;
    p->service->origin = p->index;
    p->requests = mailbox_new(LIMIT_MAILBOX);
    p->answers = mailbox_new(LIMIT_JOBS);
    p->to_wake = calloc(p->count, sizeof *p->to_wake);
    return p->requests && p->answers && p->to_wake;
}

/* Cannot be full: it has room for every job that its thread may have under way. */
void post_answer(post *p, job *j)
{
    (void)mailbox_put(p->answers, j);
}

/* Sends an answered job back to where it came from. */
static void return_job(post *p, job *j)
{
    const uint32_t origin = j->origin;
    if (j->operation == OPERATION_INSPECT) {
        inspection_done(j);
        return;
    }
    if (origin == p->index) {
        service_complete(p->service, j);
        return;
    }
    post_answer(&p->all[origin], j);
    p->to_wake[origin] = true;
}

void post_receive(post *p)
{
    for (job *j = mailbox_take(p->requests); j; j = mailbox_take(p->requests))
        if (!shard_submit(p->shard, j, p->service->now_ns))
            return_job(p, j);
    for (job *j = mailbox_take(p->answers); j; j = mailbox_take(p->answers))
        service_complete(p->service, j);
}

static void count_work(meters *m, const job *j, uint64_t now)
{
    if (!m)
        return;
    m->now_ns = now;
    if (j->operation == OPERATION_SCORE && j->started_ns != 0)
        histogram_observe(&m->score_time, &histogram_seconds, now - j->started_ns);
}

void post_work(post *p, uint64_t (*clock_ns)(void), uint64_t turn_ns)
{
    uint64_t now = clock_ns();
    const uint64_t end = now + turn_ns;
    while (!shard_idle(p->shard) && now < end) {
        job *j = shard_step(p->shard, now);
        now = clock_ns();
        if (j) {
            count_work(p->service->meters, j, now);
            return_job(p, j);
        }
    }
}

bool post_work_behind(post *p, uint64_t (*clock_ns)(void), uint64_t turn_ns)
{
    if (!shard_has_background(p->shard))
        return false;
    const uint64_t end = clock_ns() + turn_ns;
    if (!shard_idle(p->shard)) {
        if (++p->denied % LIMIT_BACKGROUND_SHARE == 0)
            shard_work(p->shard);
        return true;
    }
    do
        shard_work(p->shard);
    while (shard_has_background(p->shard) && clock_ns() < end);
    return true;
}

void post_wake(post *p, void (*wake)(void *context, uint32_t index), void *context)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (!p->to_wake[i])
            continue;
        p->to_wake[i] = false;
        wake(context, i);
    }
}

void post_reclaim(post *p)
{
    post_receive(p);
    for (job *j = shard_take(p->shard); j; j = shard_take(p->shard))
        if (j->operation == OPERATION_INSPECT)
            inspection_done(j);
        else
            service_complete(p->all[j->origin].service, j);
}

void post_clear(post *p)
{
    shard_free(p->shard);
    mailbox_free(p->requests);
    mailbox_free(p->answers);
    free(p->to_wake);
}
