#include "inspection.h"

#include <stdlib.h>
#include <time.h>

#include "version_caches.h"

inspection *inspection_new(model_set *models, uint64_t user_id, uint32_t max_events)
{
    pthread_condattr_t monotonic;
    inspection *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->models = model_set_share(models);
    i->job.operation = OPERATION_INSPECT;
    i->job.user_id = user_id;
    i->job.max_events = max_events;
    i->job.deadline_ns = UINT64_MAX;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&i->lock, NULL);
    (void)pthread_cond_init(&i->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return i;
}

void inspection_free(inspection *i)
{
    if (!i)
        return;
    (void)pthread_cond_destroy(&i->changed);
    (void)pthread_mutex_destroy(&i->lock);
    version_release(i->version);
    model_set_release(i->models);
    free(i->cache);
    free(i->job.events);
    free(i);
}

bool inspection_take(job *j, const vql_cache *cache)
{
    inspection *i = (inspection *)(void *)j;
    if (cache) {
        const size_t bytes = vql_cache_serialized_size(cache);
        i->cache = malloc(bytes);
        if (!i->cache)
            return false;
        vql_cache_serialize(cache, i->cache);
        i->cache_bytes = bytes;
        i->memory_bytes = vql_cache_bytes(cache);
    }
    i->version = version_share(j->caches->version);
    i->cache_sequence = j->sequence;
    i->taken = true;
    j->before_sequence = j->sequence + 1; /* of the events: no later ones than the cache has */
    return true;
}

bool inspection_has_taken(const job *j)
{
    return ((const inspection *)(const void *)j)->taken;
}

void inspection_done(job *j)
{
    inspection *i = (inspection *)(void *)j;
    (void)pthread_mutex_lock(&i->lock);
    const bool abandoned = i->abandoned;
    i->answered = true;
    (void)pthread_cond_signal(&i->changed);
    (void)pthread_mutex_unlock(&i->lock);
    if (abandoned)
        inspection_free(i);
}

bool inspection_wait(inspection *i, uint32_t timeout_ms)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    int result = 0;
    (void)pthread_mutex_lock(&i->lock);
    while (!i->answered && result == 0)
        result = pthread_cond_timedwait(&i->changed, &i->lock, &end);
    const bool answered = i->answered;
    i->abandoned = !answered;
    if (!answered)
        atomic_store(&i->job.cancelled, true);
    (void)pthread_mutex_unlock(&i->lock);
    return answered;
}
