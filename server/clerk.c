#include "clerk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "limit.h"

/* First in, first out. */
typedef struct errand_list {
    errand *first, **end;
} errand_list;

/* One thread, its store, and what waits for it. */
typedef struct desk {
    clerk *clerk;
    store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    errand_list waiting;
    bool stopping;
} desk;

enum { WRITER, READER, DESKS };

struct clerk {
    desk desks[DESKS];
    errand_list unsent[DESKS]; /* of the shard's thread */
    size_t unsent_count;
    bool running;
    clerk_meters meters; /* of the thread that writes */
    void (*wake)(void *context);
    void *context;
    pthread_mutex_t lock;
    errand_list done;
    atomic_bool has_done;
};

static void list_init(errand_list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void list_add(errand_list *l, errand *e)
{
    e->next = NULL;
    *l->end = e;
    l->end = &e->next;
}

/* Moves all of one list behind another. */
static void list_move(errand_list *from, errand_list *to)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    list_init(from);
}

static errand *list_take(errand_list *l)
{
    errand *e = l->first;
    if (!e)
        return NULL;
    l->first = e->next;
    if (!l->first)
        l->end = &l->first;
    return e;
}

/* Hands over what was run. */
static void finish(clerk *c, errand_list *run)
{
    (void)pthread_mutex_lock(&c->lock);
    list_move(run, &c->done);
    atomic_store_explicit(&c->has_done, true, memory_order_release);
    (void)pthread_mutex_unlock(&c->lock);
    if (c->wake)
        c->wake(c->context);
}

/* Waits for errands and takes up to `most`. False: the desk closes, and there is none left. */
static bool take_waiting(desk *d, errand_list *taken, size_t most)
{
    list_init(taken);
    (void)pthread_mutex_lock(&d->lock);
    while (!d->waiting.first && !d->stopping)
        (void)pthread_cond_wait(&d->came, &d->lock);
    for (size_t i = 0; i < most && d->waiting.first; i++)
        list_add(taken, list_take(&d->waiting));
    (void)pthread_mutex_unlock(&d->lock);
    return taken->first != NULL;
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Commits what was run, and hands it over. */
static void commit(desk *d, errand_list *run)
{
    if (!run->first)
        return;
    clerk_meters *m = &d->clerk->meters;
    const uint64_t begin_ns = clock_ns();
    const store_code code = store_commit(d->store);
    histogram_observe(&m->commit_time, &histogram_seconds, clock_ns() - begin_ns);
    cell_add(&m->failed_commits, code != STORE_OK);
    for (errand *e = run->first; code != STORE_OK && e; e = e->next)
        if (e->code == STORE_OK)
            e->code = code;
    finish(d->clerk, run);
}

static void *write_errands(void *argument)
{
    desk *d = argument;
    errand_list taken, run;
    list_init(&run);
    while (take_waiting(d, &taken, LIMIT_COMMIT_ERRANDS)) {
        for (errand *e = list_take(&taken); e; e = list_take(&taken)) {
            if (errand_comes_after_commit(e))
                commit(d, &run);
            errand_run(e, d->store);
            list_add(&run, e);
        }
        commit(d, &run);
    }
    return NULL;
}

static void *read_errands(void *argument)
{
    desk *d = argument;
    errand_list taken;
    while (take_waiting(d, &taken, 1)) {
        errand_run(taken.first, d->store);
        finish(d->clerk, &taken);
    }
    return NULL;
}

static bool open_desk(desk *d, clerk *c, store *s, void *(*work)(void *))
{
    d->clerk = c;
    d->store = s;
    list_init(&d->waiting);
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->came, NULL);
    if (pthread_create(&d->thread, NULL, work, d) == 0)
        return true;
    (void)pthread_cond_destroy(&d->came);
    (void)pthread_mutex_destroy(&d->lock);
    return false;
}

/* Waits for the desk's thread, which runs all that waits first. */
static void close_desk(desk *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    (void)pthread_cond_signal(&d->came);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    (void)pthread_cond_destroy(&d->came);
    (void)pthread_mutex_destroy(&d->lock);
}

clerk *clerk_new(store *writer, store *reader)
{
    clerk *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    list_init(&c->done);
    for (int i = 0; i < DESKS; i++)
        list_init(&c->unsent[i]);
    (void)pthread_mutex_init(&c->lock, NULL);
    if (!open_desk(&c->desks[WRITER], c, writer, write_errands))
        goto free_clerk;
    if (!open_desk(&c->desks[READER], c, reader, read_errands))
        goto close_writer;
    c->running = true;
    return c;
close_writer:
    close_desk(&c->desks[WRITER]);
free_clerk:
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

void clerk_stop(clerk *c)
{
    if (!c->running)
        return;
    c->running = false;
    clerk_flush(c);
    for (int i = 0; i < DESKS; i++)
        close_desk(&c->desks[i]);
}

void clerk_free(clerk *c)
{
    if (!c)
        return;
    clerk_stop(c);
    for (int i = 0; i < DESKS; i++)
        store_close(c->desks[i].store);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void clerk_set_wake(clerk *c, void (*wake)(void *context), void *context)
{
    c->wake = wake;
    c->context = context;
}

void clerk_send(clerk *c, errand *e)
{
    list_add(&c->unsent[errand_writes(e) ? WRITER : READER], e);
    c->unsent_count++;
}

void clerk_flush(clerk *c)
{
    for (int i = 0; i < DESKS; i++) {
        desk *d = &c->desks[i];
        (void)pthread_mutex_lock(&d->lock);
        list_move(&c->unsent[i], &d->waiting);
        (void)pthread_cond_signal(&d->came);
        (void)pthread_mutex_unlock(&d->lock);
    }
    c->unsent_count = 0;
}

size_t clerk_unsent(const clerk *c)
{
    return c->unsent_count;
}

bool clerk_has_done(const clerk *c)
{
    return atomic_load_explicit(&c->has_done, memory_order_acquire);
}

errand *clerk_take(clerk *c)
{
    if (!clerk_has_done(c))
        return NULL;
    (void)pthread_mutex_lock(&c->lock);
    errand *e = list_take(&c->done);
    if (!c->done.first)
        atomic_store_explicit(&c->has_done, false, memory_order_release);
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}

const clerk_meters *clerk_look(const clerk *c)
{
    return &c->meters;
}
