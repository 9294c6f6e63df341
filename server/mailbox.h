/*
 * A mailbox: a bounded queue of jobs that any thread puts into and one thread takes from, without
 * locks (D. Vyukov's bounded queue: a ring whose cells carry the turn at which they may be written
 * or read).
 */
#ifndef VQL_SERVER_MAILBOX_H
#define VQL_SERVER_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "job.h"

typedef struct mailbox mailbox;

/* A mailbox for `capacity` jobs, a power of two. NULL: no memory. */
mailbox *mailbox_new(size_t capacity);

/* Frees an empty mailbox. */
void mailbox_free(mailbox *m);

/* Puts a job in, from any thread. False: the mailbox is full. */
bool mailbox_put(mailbox *m, job *j);

/* Takes the oldest job out, by the owner alone. NULL: the mailbox is empty. */
job *mailbox_take(mailbox *m);

#endif
