#include "ctl_batch.h"

#include <stdlib.h>

batch *batch_new(uint64_t user_id, size_t capacity)
{
    batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    list_init(&b->place);
    vql__v1__append_request__init(&b->request);
    b->request.user_id = user_id;
    b->capacity = capacity;
    b->events = calloc(capacity, sizeof *b->events);
    b->request.events = calloc(capacity, sizeof *b->request.events);
    if (b->events == NULL || b->request.events == NULL) {
        batch_free(b);
        return NULL;
    }
    return b;
}

void batch_free(batch *b)
{
    free(b->request.events);
    free(b->events);
    free(b);
}

bool batch_full(const batch *b)
{
    return b->request.n_events == b->capacity;
}

void batch_add(batch *b, const event_row *row, uint64_t id, uint64_t line)
{
    const size_t i = b->request.n_events++;
    Vql__V1__Event *event = &b->events[i];
    vql__v1__event__init(event);
    event->item_id = row->item_id;
    event->type = row->type;
    event->time_ms = row->time_ms;
    event->id = id;
    b->request.events[i] = event;
    if (i == 0)
        b->first_line = line;
    b->last_line = line;
}
