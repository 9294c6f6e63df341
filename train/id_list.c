#include "id_list.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

/* The slot of an id, or the free one that it belongs into. There is a free one. */
static size_t find_slot(const id_list *list, uint64_t id)
{
    const size_t mask = list->slot_count - 1;
    const uint64_t hash = id * UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing */
    size_t slot = (size_t)(hash >> 32) & mask;
    while (list->slots[slot] != ID_NONE && list->ids[list->slots[slot]] != id)
        slot = (slot + 1) & mask;
    return slot;
}

uint32_t id_list_find(const id_list *list, uint64_t id)
{
    return list->slot_count > 0 ? list->slots[find_slot(list, id)] : ID_NONE;
}

/* Doubles the table. False, with the list as it was, when there is no memory. */
static bool grow(id_list *list)
{
    const size_t slot_count = list->slot_count > 0 ? 2 * list->slot_count : FIRST_SLOTS;
    uint64_t *ids = realloc(list->ids, slot_count / 2 * sizeof *ids);
    if (ids == NULL)
        return false;
    list->ids = ids;
    uint32_t *slots = malloc(slot_count * sizeof *slots);
    if (slots == NULL)
        return false;
    free(list->slots);
    list->slots = slots;
    list->slot_count = slot_count;
    memset(slots, 0xFF, slot_count * sizeof *slots);
    for (uint32_t i = 0; i < list->count; i++)
        slots[find_slot(list, ids[i])] = i;
    return true;
}

uint32_t id_list_add(id_list *list, uint64_t id)
{
    const uint32_t found = id_list_find(list, id);
    if (found != ID_NONE || list->count == ID_NONE - 1)
        return found;
    if (list->count == list->slot_count / 2 && !grow(list))
        return ID_NONE;
    list->slots[find_slot(list, id)] = list->count;
    list->ids[list->count] = id;
    return list->count++;
}

void id_list_clear(id_list *list)
{
    free(list->ids);
    free(list->slots);
    *list = (id_list){0};
}
