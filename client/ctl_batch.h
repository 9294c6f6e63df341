/*
 * Events of one user on their way to the server: an AppendRequest and the lines that they stand in.
 */
#ifndef VQL_CLIENT_CTL_BATCH_H
#define VQL_CLIENT_CTL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl_event_file.h"
#include "list.h"
#include "vqlclient.h"

typedef struct batch {
    list_link place; /* for whoever holds the batch */
    uint64_t first_line;
    uint64_t last_line;
    size_t capacity;
    Vql__V1__AppendRequest request; /* its arrays are the batch's */
    Vql__V1__Event *events;         /* [capacity] */
} batch;

/* Makes a batch without events. NULL when there is no memory. */
batch *batch_new(uint64_t user_id, size_t capacity);
void batch_free(batch *b);

/* Whether it has as many events as it can have. */
bool batch_full(const batch *b);

/* Adds the event of a line, with an id, to a batch that is not full. */
void batch_add(batch *b, const event_row *row, uint64_t id, uint64_t line);

#endif
