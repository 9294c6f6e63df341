#include "order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "train_memory.h"

/* Draws from a stream one by one. */
typedef struct order_drawer {
    random_stream stream;
    uint64_t next;
} order_drawer;

static uint32_t draw(order_drawer *drawer, size_t bound)
{
    return (uint32_t)random_below(drawer->stream, drawer->next++, bound);
}

static void shuffle(order_drawer *drawer, uint32_t *numbers, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = draw(drawer, i);
        const uint32_t swap = numbers[i - 1];
        numbers[i - 1] = numbers[j];
        numbers[j] = swap;
    }
}

/* Shuffles what has one user and one time; impressions are in that order. */
static void shuffle_moments(const train_impressions *impressions, order_drawer *drawer,
                            uint32_t *numbers)
{
    const train_impression *at = impressions->at;
    for (size_t i = 0; i < impressions->count;) {
        size_t end = i + 1;
        while (end < impressions->count && at[end].user == at[i].user &&
               at[end].time_ms == at[i].time_ms)
            end++;
        shuffle(drawer, numbers + i, end - i);
        i = end;
    }
}

/* Writes where runs begin: the first one of a user has a random length. Returns how many. */
static size_t cut(const train_impressions *impressions, uint32_t run, order_drawer *drawer,
                  uint32_t *starts)
{
    size_t count = 0;
    size_t next = 0;
    for (size_t i = 0; i < impressions->count; i++) {
        const bool begins = i == 0 || impressions->at[i].user != impressions->at[i - 1].user;
        if (!begins && i != next)
            continue;
        starts[count++] = (uint32_t)i;
        next = i + (begins ? 1 + draw(drawer, run) : run);
    }
    return count;
}

void order_epoch(const train_impressions *impressions, uint32_t run, uint64_t seed, uint32_t epoch,
                 uint32_t *order)
{
    const size_t count = impressions->count;
    order_drawer drawer = {random_open(seed, RANDOM_ORDER, epoch), 0};
    uint32_t *numbers = memory_zeros(count, sizeof *numbers);
    uint32_t *starts = memory_zeros(count + 1, sizeof *starts);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)i;
    shuffle_moments(impressions, &drawer, numbers);
    const size_t runs = cut(impressions, run, &drawer, starts);
    starts[runs] = (uint32_t)count;
    uint32_t *places = memory_zeros(runs, sizeof *places);
    for (size_t i = 0; i < runs; i++)
        places[i] = (uint32_t)i;
    shuffle(&drawer, places, runs);
    for (size_t i = 0; i < runs; i++) {
        const uint32_t begin = starts[places[i]];
        const size_t length = starts[places[i] + 1] - begin;
        memcpy(order, numbers + begin, length * sizeof *order);
        order += length;
    }
    free(places);
    free(starts);
    free(numbers);
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void order_sort(uint32_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare);
}
