#include "batch.h"

#include <stdlib.h>
#include <string.h>

train_batch *batch_new(const dataset *data, const train_history *history)
{
    train_batch *made = memory_zeros(1, sizeof *made);
    made->data = data;
    made->history = history;
    const size_t rows = (size_t)data->rows * data->event_types;
    made->slots = memory_zeros(rows, sizeof *made->slots);
    memset(made->slots, 0xff, rows * sizeof *made->slots);
    return made;
}

void batch_free(train_batch *batch)
{
    if (batch == NULL)
        return;
    free(batch->slots);
    free(batch->impression_room.data);
    free(batch->moment_room.data);
    free(batch->row_room.data);
    free(batch->count_room.data);
    free(batch->seen_room.data);
    free(batch);
}

static void find_moments(train_batch *batch, uint32_t max_history)
{
    batch->moments = memory_reserve(&batch->moment_room, batch->count, sizeof *batch->moments);
    batch->moment_count = 0;
    train_moment *last = NULL;
    for (uint32_t i = 0; i < batch->count; i++) {
        const train_impression *impression = batch->impressions[i];
        if (last != NULL && last->user == impression->user &&
            batch->impressions[i - 1]->time_ms == impression->time_ms) {
            last->count++;
            continue;
        }
        const uint32_t end = impression->history;
        const uint32_t begin = end > max_history ? end - max_history : 0;
        last = &batch->moments[batch->moment_count++];
        *last = (train_moment){impression->user, begin, end, i, 1};
    }
}

/* Gives slots to the rows of the user's first `events` events. */
static void add_rows(train_batch *batch, uint32_t user, uint32_t events)
{
    const train_history *history = batch->history;
    const uint32_t *rows = history->rows + history->starts[user];
    const uint32_t distinct = history_distinct(history, user, events);
    for (uint32_t i = 0; i < distinct; i++) {
        if (batch->slots[rows[i]] != BATCH_NO_SLOT)
            continue;
        batch->slots[rows[i]] = (uint32_t)batch->row_count;
        batch->rows[batch->row_count++] = rows[i];
    }
}

/*
 * Counts the events that a user's moments [count] see: the difference of the numbers of impressions
 * that see neighbouring events, summed up from the last event to the first.
 */
static void count_user(train_batch *batch, const train_moment *moments, size_t count)
{
    const train_moment *last = &moments[count - 1];
    uint32_t first = last->begin;
    for (size_t i = 0; i < count; i++)
        first = moments[i].begin < first ? moments[i].begin : first;
    const size_t span = last->end - first;
    int32_t *seen = memory_reserve(&batch->seen_room, span + 1, sizeof *seen);
    memset(seen, 0, (span + 1) * sizeof *seen);
    for (size_t i = 0; i < count; i++) {
        seen[moments[i].end - first] += (int32_t)moments[i].count;
        seen[moments[i].begin - first] -= (int32_t)moments[i].count;
    }
    const size_t user_rows = batch->history->starts[last->user];
    const uint32_t *local = batch->history->local + batch->data->starts[last->user] + first;
    int32_t times = 0;
    for (size_t i = span; i-- > 0;) {
        times += seen[i + 1];
        const uint32_t row = batch->history->rows[user_rows + local[i]];
        batch->row_counts[batch->slots[row]] += (float)times;
        batch->events += (double)times;
    }
}

static void count_rows(train_batch *batch)
{
    batch->row_counts = memory_floats(&batch->count_room, batch->row_count + 1);
    memset(batch->row_counts, 0, batch->row_count * sizeof *batch->row_counts);
    batch->events = 0.0;
    for (size_t i = 0; i < batch->moment_count;) {
        size_t next = i + 1;
        while (next < batch->moment_count && batch->moments[next].user == batch->moments[i].user)
            next++;
        count_user(batch, batch->moments + i, next - i);
        i = next;
    }
}

void batch_fill(train_batch *batch, const train_impression *from, const uint32_t *picks,
                size_t count, uint32_t max_history)
{
    for (size_t i = 0; i < batch->row_count; i++)
        batch->slots[batch->rows[i]] = BATCH_NO_SLOT;
    batch->impressions = memory_reserve(&batch->impression_room, count, sizeof *batch->impressions);
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->impressions[i] = &from[picks != NULL ? picks[i] : i];
    find_moments(batch, max_history);
    size_t most = 0;
    for (size_t i = 0; i < batch->moment_count; i++)
        most += history_distinct(batch->history, batch->moments[i].user, batch->moments[i].end);
    const size_t all = (size_t)batch->data->rows * batch->data->event_types;
    batch->rows = memory_integers(&batch->row_room, (most < all ? most : all) + 1);
    batch->row_count = 0;
    for (size_t i = 0; i < batch->moment_count; i++)
        if (i + 1 == batch->moment_count || batch->moments[i + 1].user != batch->moments[i].user)
            add_rows(batch, batch->moments[i].user, batch->moments[i].end);
    count_rows(batch);
}
