#include "load_table.h"

#include <stdlib.h>

bool load_table_init(load_table *t, uint32_t capacity)
{
    uint32_t size = 16;
    while (size < 4 * (uint64_t)capacity)
        size *= 2;
    t->mask = size - 1;
    t->ids = calloc(size, sizeof *t->ids);
    t->slots = calloc(size, sizeof *t->slots);
    if (t->ids != NULL && t->slots != NULL)
        return true;
    load_table_free(t);
    return false;
}

void load_table_free(load_table *t)
{
    free(t->ids);
    free(t->slots);
    *t = (load_table){0};
}

/* Ids are odd and count up: neighbours lie side by side. */
static uint32_t home(const load_table *t, uint32_t id)
{
    return id >> 1 & t->mask;
}

/* Where the id is, or else would be. */
static uint32_t locate(const load_table *t, uint32_t id)
{
    uint32_t at = home(t, id);
    while (t->ids[at] != 0 && t->ids[at] != id)
        at = (at + 1) & t->mask;
    return at;
}

void load_table_put(load_table *t, uint32_t id, uint32_t slot)
{
    const uint32_t at = locate(t, id);
    t->ids[at] = id;
    t->slots[at] = slot;
}

uint32_t load_table_find(const load_table *t, uint32_t id)
{
    const uint32_t at = locate(t, id);
    return id != 0 && t->ids[at] == id ? t->slots[at] : UINT32_MAX;
}

/* What stands behind it moves up if it may, so that no probe meets a gap (Knuth, 6.4, R). */
void load_table_remove(load_table *t, uint32_t id)
{
    uint32_t gap = locate(t, id);
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & t->mask;
        if (t->ids[at] == 0)
            break;
        const uint32_t distance = (at - home(t, t->ids[at])) & t->mask;
        if (distance >= ((at - gap) & t->mask)) {
            t->ids[gap] = t->ids[at];
            t->slots[gap] = t->slots[at];
            gap = at;
        }
    }
    t->ids[gap] = 0;
}
