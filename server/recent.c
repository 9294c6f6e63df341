#include "recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct recent {
    pthread_mutex_t lock;
    size_t count, next;
    recent_request requests[LIMIT_WARM_UP_REQUESTS];
};

recent *recent_new(void)
{
    recent *r = calloc(1, sizeof *r);
    if (r)
        (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void recent_free(recent *r)
{
    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

void recent_note(recent *r, const job *j)
{
    if (pthread_mutex_trylock(&r->lock) != 0)
        return;
    recent_request *to = &r->requests[r->next];
    r->next = (r->next + 1) % LIMIT_WARM_UP_REQUESTS;
    r->count += r->count < LIMIT_WARM_UP_REQUESTS;
    to->item_count =
        j->item_count < LIMIT_WARM_UP_CANDIDATES ? j->item_count : LIMIT_WARM_UP_CANDIDATES;
    memcpy(to->item_ids, j->item_ids, to->item_count * sizeof *to->item_ids);
    to->time_ms = j->time_ms;
    (void)pthread_mutex_unlock(&r->lock);
}

size_t recent_copy(recent *r, recent_request *out)
{
    (void)pthread_mutex_lock(&r->lock);
    const size_t count = r->count;
    memcpy(out, r->requests, count * sizeof *out);
    (void)pthread_mutex_unlock(&r->lock);
    return count;
}
