#include "history.h"

#include <stdlib.h>

#include "train_memory.h"

/* seen[row] is one more than the number of the user's row, counted from `base`; 0: not seen. */
static size_t add_user(train_history *made, const dataset *data, uint32_t user, size_t base,
                       uint32_t *seen)
{
    size_t count = base;
    for (size_t i = data->starts[user]; i < data->starts[user + 1]; i++) {
        const train_event *event = &data->events[i];
        const uint32_t row = event->row * data->event_types + event->type;
        if (seen[row] == 0) {
            made->rows[count] = row;
            made->first[count] = (uint32_t)(i - data->starts[user]);
            seen[row] = (uint32_t)(++count - base);
        }
        made->local[i] = seen[row] - 1;
    }
    for (size_t i = base; i < count; i++)
        seen[made->rows[i]] = 0;
    return count;
}

train_history *history_new(const dataset *data)
{
    const size_t events = data->starts[data->users];
    train_history *made = memory_zeros(1, sizeof *made);
    made->starts = memory_zeros((size_t)data->users + 1, sizeof *made->starts);
    made->rows = memory_zeros(events, sizeof *made->rows);
    made->first = memory_zeros(events, sizeof *made->first);
    made->local = memory_zeros(events, sizeof *made->local);
    uint32_t *seen = memory_zeros((size_t)data->rows * data->event_types, sizeof *seen);
    for (uint32_t u = 0; u < data->users; u++)
        made->starts[u + 1] = add_user(made, data, u, made->starts[u], seen);
    free(seen);
    return made;
}

void history_free(train_history *history)
{
    if (history == NULL)
        return;
    free(history->starts);
    free(history->rows);
    free(history->first);
    free(history->local);
    free(history);
}

uint32_t history_distinct(const train_history *history, uint32_t user, uint32_t events)
{
    size_t low = history->starts[user], high = history->starts[user + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (history->first[middle] < events)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)(low - history->starts[user]);
}
