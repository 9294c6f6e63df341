/*
 * An errand: something that a store is asked for, by its shard's thread where the store never
 * blocks, else through a clerk by another. Whoever runs an errand has all that belongs to it for so
 * long, the job too.
 */
#ifndef VQL_SERVER_ERRAND_H
#define VQL_SERVER_ERRAND_H

#include "store.h"

typedef enum errand_kind {
    ERRAND_JOB,  /* it is a job: its Append, Get or Delete, or what is new of its Score's events */
    ERRAND_LOAD, /* a load_errand */
    ERRAND_SAVE, /* a save_errand */
    ERRAND_RETAIN, /* a retain_errand, of retention.h */
} errand_kind;

typedef struct errand {
    struct errand *next;
    errand_kind kind;
    store_code code; /* what became of it */
} errand;

/* Reads the next events of a user, and what they are to be added to. */
typedef struct load_errand {
    errand errand; /* first, so that it is the load too */
    uint64_t user_id;
    uint64_t next_sequence;  /* the first event to read; 0: the snapshot, and the events after it */
    history_info info;       /* answer: of the user, at the same moment */
    uint64_t model;          /* whose snapshot it is to be, by its fingerprint */
    store_snapshot snapshot; /* answer, for next_sequence 0 */
    event *events;           /* answer: [count], of LIMIT_REBUILD_CHUNK */
    size_t count;
} load_errand;

/* Saves a snapshot. */
typedef struct save_errand {
    errand errand; /* first, so that it is the save too */
    uint64_t user_id;
    store_snapshot snapshot;
    snapshot_keep keep;
} save_errand;

/* Does it; an append holds when the store is committed. */
void errand_run(errand *e, store *s);

/* True for what changes the store. */
bool errand_writes(const errand *e);

/* True for what all that is before it has to be committed for. */
bool errand_comes_after_commit(const errand *e);

#endif
