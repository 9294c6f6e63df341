/*
 * Jobs that wait, the most urgent first: a binary heap by due time, and by arrival among equals, so
 * that the requests of one stream, whose due times never fall, leave in their order. Its room is
 * taken at the start; nothing here allocates later.
 */
#ifndef VQL_SERVER_JOB_QUEUE_H
#define VQL_SERVER_JOB_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"

typedef struct job_queue {
    job **jobs; /* [capacity], a heap of count */
    size_t count, capacity;
    uint64_t pushed; /* since the start */
} job_queue;

/* False: no memory. */
bool job_queue_init(job_queue *q, size_t capacity);

/* Frees the room; the jobs are the caller's. */
void job_queue_clear(job_queue *q);

/* Adds a job by its due_ns. There is room. */
void job_queue_push(job_queue *q, job *j);

/* Takes the most urgent job out; NULL: none waits. */
job *job_queue_pop(job_queue *q);

/*
 * Takes out every job that the test holds for, in O(count): a list linked by next_queued, in no
 * order.
 */
job *job_queue_remove(job_queue *q, bool (*test)(void *context, job *j), void *context);

#endif
