#include "train_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Sorted whole hours. */
static void draw_times(random_stream *random, uint32_t count, uint32_t hours, int64_t *times)
{
    for (uint32_t i = 0; i < count; i++)
        times[i] = (int64_t)random_below(random, hours + 1) * 3600000;
    qsort(times, count, sizeof *times, compare_times);
}

static void add_events(dataset *data, const fixture_shape *shape, random_stream *random)
{
    data->events = take((size_t)shape->users * shape->events, sizeof *data->events);
    data->starts = take((size_t)shape->users + 1, sizeof *data->starts);
    int64_t *times = take(shape->events, sizeof *times);
    size_t at = 0;
    for (uint32_t u = 0; u < shape->users; u++) {
        const uint32_t count =
            u + 1 == shape->users ? shape->events : random_below(random, shape->events + 1);
        draw_times(random, count, shape->events, times);
        for (uint32_t i = 0; i < count; i++)
            data->events[at++] = (train_event){.row = random_below(random, shape->rows),
                                               .type = random_below(random, shape->types),
                                               .time_ms = times[i]};
        data->starts[u + 1] = at;
    }
    free(times);
}

static uint32_t events_before(const dataset *data, uint32_t user, int64_t time_ms)
{
    uint32_t count = 0;
    for (size_t i = data->starts[user]; i < data->starts[user + 1]; i++)
        count += data->events[i].time_ms < time_ms;
    return count;
}

static void add_impressions(dataset *data, const fixture_shape *shape, random_stream *random)
{
    const size_t most = (size_t)shape->users * shape->moments * shape->impressions;
    train_impression *all = take(most, sizeof *all);
    int64_t *times = take(shape->moments, sizeof *times);
    size_t count = 0;
    for (uint32_t u = 0; u < shape->users; u++) {
        draw_times(random, shape->moments, shape->events + shape->events / 4 + 1, times);
        for (uint32_t m = 0; m < shape->moments; m++)
            for (uint32_t i = random_below(random, shape->impressions) + 1; i > 0; i--) {
                train_impression *made = &all[count++];
                *made = (train_impression){.user = u,
                                           .row = random_below(random, shape->rows),
                                           .time_ms = times[m],
                                           .history = events_before(data, u, times[m])};
                for (uint32_t t = 0; t < shape->tasks; t++)
                    made->labels[t] = (uint8_t)random_below(random, 2);
            }
    }
    free(times);
    for (int split = 0; split < SPLITS; split++) {
        data->splits[split].at = take(count, sizeof *all);
        data->splits[split].count = count;
        memcpy(data->splits[split].at, all, count * sizeof *all);
    }
    free(all);
}

static void add_field(dataset *data, uint32_t number, random_stream *random)
{
    train_field *field = &data->fields[number];
    snprintf(field->name, sizeof field->name, "field%u", number);
    field->values = 3;
    field->offsets = take((size_t)data->rows + 1, sizeof *field->offsets);
    field->indices = take((size_t)data->rows * 2, sizeof *field->indices);
    for (uint32_t row = 0; row < data->rows; row++) {
        const uint32_t count = row == 0 ? 0 : random_below(random, 3);
        field->offsets[row + 1] = field->offsets[row] + count;
        for (uint32_t i = 0; i < count; i++)
            field->indices[field->offsets[row] + i] = random_below(random, 3);
    }
}

dataset *fixture_dataset(const fixture_shape *shape)
{
    random_stream random = {shape->seed};
    dataset *data = take(1, sizeof *data);
    data->users = shape->users;
    data->rows = shape->rows;
    data->event_types = shape->types;
    data->tasks = shape->tasks;
    data->field_count = shape->fields;
    data->user_ids = take(shape->users, sizeof *data->user_ids);
    data->item_ids = take(shape->rows, sizeof *data->item_ids);
    for (uint32_t row = 0; row < shape->rows; row++)
        data->item_ids[row] = row;
    for (uint32_t f = 0; f < shape->fields; f++)
        add_field(data, f, &random);
    add_events(data, shape, &random);
    add_impressions(data, shape, &random);
    return data;
}
