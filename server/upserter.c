#include "upserter.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limit.h"
#include "log.h"

struct upserter {
    items *items;
    upserter_owner owner;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t came;
    job *first, **last; /* linked by next_queued */
    size_t waiting;
    bool stopping;
};

static void fail_unavailable(job *j, const char *reason, const char *text)
{
    (void)grpc_fail(&j->error, GRPC_UNAVAILABLE, "%s", text);
    j->error.reason = reason;
    j->error.pushback_ms = LIMIT_PUSHBACK_MS;
}

/* The next job; NULL: the upserter is to stop. */
static job *take(upserter *u)
{
    (void)pthread_mutex_lock(&u->lock);
    while (!u->first && !u->stopping)
        (void)pthread_cond_wait(&u->came, &u->lock);
    job *j = u->stopping ? NULL : u->first;
    if (j) {
        u->first = j->next_queued;
        u->last = u->first ? u->last : &u->first;
        u->waiting--;
    }
    (void)pthread_mutex_unlock(&u->lock);
    return j;
}

static void apply(upserter *u, job *j)
{
    upsert_order *o = j->upsert;
    if (items_upsert(u->items, o->message, o->bytes, &o->outcome, &j->error) != GRPC_OK)
        return;
    u->owner.changed(u->owner.context);
    log_info("items upserted", log_u64("upsert", o->outcome.sequence),
             log_u64("models", o->outcome.model_count), log_u64("room", o->outcome.room));
}

static void *work(void *context)
{
    upserter *u = context;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LIMIT_LOADER_NICE);
    for (job *j = take(u); j; j = take(u)) {
        if (!atomic_load_explicit(&j->cancelled, memory_order_relaxed))
            apply(u, j);
        u->owner.answered(u->owner.context, j);
    }
    return NULL;
}

upserter *upserter_start(items *it, const upserter_owner *owner)
{
    upserter *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->items = it;
    u->owner = *owner;
    u->last = &u->first;
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)pthread_cond_init(&u->came, NULL);
    if (pthread_create(&u->thread, NULL, work, u) == 0)
        return u;
    (void)pthread_cond_destroy(&u->came);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
    return NULL;
}

bool upserter_submit(upserter *u, job *j)
{
    (void)pthread_mutex_lock(&u->lock);
    const bool taken = u->waiting < LIMIT_UPSERTS && !u->stopping;
    if (taken) {
        j->next_queued = NULL;
        *u->last = j;
        u->last = &j->next_queued;
        u->waiting++;
        (void)pthread_cond_signal(&u->came);
    }
    (void)pthread_mutex_unlock(&u->lock);
    if (!taken)
        fail_unavailable(j, "OVERLOADED", "items: too many requests wait");
    return taken;
}

void upserter_stop(upserter *u)
{
    (void)pthread_mutex_lock(&u->lock);
    u->stopping = true;
    (void)pthread_cond_signal(&u->came);
    (void)pthread_mutex_unlock(&u->lock);
    (void)pthread_join(u->thread, NULL);
    for (job *j = u->first, *next; j; j = next) {
        next = j->next_queued;
        fail_unavailable(j, "DRAINING", "the server is stopping");
        u->owner.answered(u->owner.context, j);
    }
    u->first = NULL;
}

void upserter_free(upserter *u)
{
    if (!u)
        return;
    (void)pthread_cond_destroy(&u->came);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}
