#include "job_queue.h"

#include <assert.h>
#include <stdlib.h>

bool job_queue_init(job_queue *q, size_t capacity)
{
    *q = (job_queue){.jobs = calloc(capacity, sizeof *q->jobs), .capacity = capacity};
    return q->jobs != NULL;
}

void job_queue_clear(job_queue *q)
{
    free(q->jobs);
    *q = (job_queue){0};
}

static bool goes_before(const job *a, const job *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

/* Puts j where `hole` is or above it. */
static void rise(job_queue *q, size_t hole, job *j)
{
    while (hole > 0 && goes_before(j, q->jobs[(hole - 1) / 2])) {
        q->jobs[hole] = q->jobs[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    q->jobs[hole] = j;
}

/* Puts j where `hole` is or below it. */
static void sink(job_queue *q, size_t hole, job *j)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child + 1 < q->count && goes_before(q->jobs[child + 1], q->jobs[child]))
            child++;
        if (child >= q->count || !goes_before(q->jobs[child], j))
            break;
        q->jobs[hole] = q->jobs[child];
        hole = child;
    }
    q->jobs[hole] = j;
}

void job_queue_push(job_queue *q, job *j)
{
    assert(q->count < q->capacity);
    j->order = q->pushed++;
    rise(q, q->count++, j);
}

job *job_queue_pop(job_queue *q)
{
    if (q->count == 0)
        return NULL;
    job *first = q->jobs[0];
    job *last = q->jobs[--q->count];
    if (q->count > 0)
        sink(q, 0, last);
    return first;
}

job *job_queue_remove(job_queue *q, bool (*test)(void *context, job *j), void *context)
{
    job *removed = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++) {
        job *j = q->jobs[i];
        if (test(context, j)) {
            j->next_queued = removed;
            removed = j;
        } else {
            q->jobs[kept++] = j;
        }
    }
    q->count = kept;
    for (size_t i = kept / 2; i > 0; i--)
        sink(q, i - 1, q->jobs[i - 1]);
    return removed;
}
