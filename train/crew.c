#include "crew.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "train_memory.h"

typedef struct crew_member {
    train_crew *crew;
    uint32_t number;
    pthread_t thread;
} crew_member;

struct train_crew {
    pthread_mutex_t lock;
    pthread_cond_t begun, done;
    uint64_t round;   /* of work, from 1 */
    uint32_t working; /* members that have not finished the round */
    bool ending;
    crew_work work;
    void *context;
    uint32_t threads, started; /* with the caller; without */
    crew_member *members;      /* [threads]; the first one is the caller */
};

static void *serve(void *argument)
{
    const crew_member *member = argument;
    train_crew *crew = member->crew;
    pthread_mutex_lock(&crew->lock);
    for (uint64_t round = 1;; round++) {
        while (crew->round < round && !crew->ending)
            pthread_cond_wait(&crew->begun, &crew->lock);
        if (crew->ending)
            break;
        pthread_mutex_unlock(&crew->lock);
        crew->work(crew->context, member->number, crew->threads);
        pthread_mutex_lock(&crew->lock);
        if (--crew->working == 0)
            pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

train_crew *crew_new(uint32_t threads)
{
    train_crew *made = memory_zeros(1, sizeof *made);
    made->members = memory_zeros(threads, sizeof *made->members);
    made->threads = threads;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->begun, NULL);
    pthread_cond_init(&made->done, NULL);
    for (uint32_t i = 1; i < threads; i++) {
        made->members[i] = (crew_member){.crew = made, .number = i};
        if (pthread_create(&made->members[i].thread, NULL, serve, &made->members[i]) != 0) {
            crew_free(made);
            return NULL;
        }
        made->started = i;
    }
    return made;
}

void crew_free(train_crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    pthread_cond_broadcast(&crew->begun);
    pthread_mutex_unlock(&crew->lock);
    for (uint32_t i = 1; i <= crew->started; i++)
        pthread_join(crew->members[i].thread, NULL);
    pthread_cond_destroy(&crew->done);
    pthread_cond_destroy(&crew->begun);
    pthread_mutex_destroy(&crew->lock);
    free(crew->members);
    free(crew);
}

uint32_t crew_threads(const train_crew *crew)
{
    return crew->threads;
}

void crew_run(train_crew *crew, crew_work work, void *context)
{
    pthread_mutex_lock(&crew->lock);
    crew->work = work;
    crew->context = context;
    crew->working = crew->threads - 1;
    crew->round++;
    pthread_cond_broadcast(&crew->begun);
    pthread_mutex_unlock(&crew->lock);
    work(context, 0, crew->threads);
    pthread_mutex_lock(&crew->lock);
    while (crew->working > 0)
        pthread_cond_wait(&crew->done, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

crew_part crew_share(size_t count, uint32_t thread, uint32_t threads)
{
    const size_t each = count / threads;
    const size_t extra = count % threads;
    const size_t begin = each * thread + (thread < extra ? thread : extra);
    return (crew_part){begin, begin + each + (thread < extra ? 1 : 0)};
}
