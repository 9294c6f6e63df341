/*
 * The post of one thread: how jobs get from the thread that received them to the shards of their
 * users, on any thread, and back. No I/O, no clock, no threads of its own.
 *
 *   service ── route ──> the shard of the same thread ─────────────────────────> service_complete
 *                   └──> requests of another's post ──> its shard ──> answers ──> service_complete
 *
 * What a post puts into another's mailboxes is found there by the other's post_receive. Whose turn
 * that is, post_wake says, once for all that was put there since it was last called.
 */
#ifndef VQL_SERVER_POST_H
#define VQL_SERVER_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "inspection.h"
#include "mailbox.h"
#include "service.h"
#include "shard.h"

typedef struct post post;

struct post {
    uint32_t index;
    post *all; /* [count]: all threads' posts; all[index] is this one */
    uint32_t count;

    struct loader *loader; /* the owner's, as is upserter: for service->control */
    struct upserter *upserter;
    shard *shard;     /* NULL until it has one, and then its own */
    service *service; /* of the same thread */
    mailbox *requests;
    mailbox *answers;
    uint32_t denied; /* how often in a row there were jobs when post_work_behind was called */
    bool *to_wake;   /* [count]: whose mailboxes got something */
};

/* The post whose shard has a user. */
uint32_t post_of_user(uint64_t user_id, uint32_t count);

/*
 * Makes the mailboxes and becomes the service's route, refuses, owner and origin. index, all, count
 * and service are set. False: no memory; post_clear is to be called all the same.
 */
bool post_init(post *p);

/* From any thread: a job that came from here and was no shard's is done. */
void post_answer(post *p, job *j);

/* Takes what others have put into the mailboxes: requests to the shard, answers to the service. */
void post_receive(post *p);

/*
 * From any thread: gives an inspection to its user's shard, *home, whose owner is to be woken.
 * UNAVAILABLE, as its job's error says: there are too many requests already, and it is the caller's
 * still.
 */
grpc_status post_inspect(post *posts, uint32_t count, inspection *i, uint32_t *home);

/*
 * Has the shard work, for about turn_ns of the clock or until it has nothing to do, and sends the
 * answers on.
 */
void post_work(post *p, uint64_t (*clock_ns)(void), uint64_t turn_ns);

/*
 * Has the shard do what nobody waits for, for about turn_ns of the clock, or one step now and then
 * while there are jobs. False: there is nothing of that kind.
 */
bool post_work_behind(post *p, uint64_t (*clock_ns)(void), uint64_t turn_ns);

/* Calls wake for each post that got something since the last time. */
void post_wake(post *p, void (*wake)(void *context, uint32_t index), void *context);

/*
 * Gives jobs that were under way back to the services that they came from, unanswered. No thread
 * works any more; called for each post before the first is cleared.
 */
void post_reclaim(post *p);

/* Frees the shard and the mailboxes, which are empty. */
void post_clear(post *p);

#endif
