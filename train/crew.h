/*
 * Threads that do one piece of work together and wait for each other. How work is divided depends
 * on the thread's number alone, so that sums are the same in every run.
 */
#ifndef VQL_TRAIN_CREW_H
#define VQL_TRAIN_CREW_H

#include <stddef.h>
#include <stdint.h>

typedef struct train_crew train_crew;

/* `thread` is 0 … threads - 1. */
typedef void (*crew_work)(void *context, uint32_t thread, uint32_t threads);

/* The calling thread is one of them; NULL when the others could not be started. */
train_crew *crew_new(uint32_t threads);
void crew_free(train_crew *crew);

uint32_t crew_threads(const train_crew *crew);

/* Runs work once on every thread and returns when all are done. */
void crew_run(train_crew *crew, crew_work work, void *context);

typedef struct crew_part {
    size_t begin, end;
} crew_part;

/* The thread's part of 0 … count - 1: neighbours, of nearly equal number. */
crew_part crew_share(size_t count, uint32_t thread, uint32_t threads);

#endif
