#include "id_map.h"

#include <stdlib.h>

enum { SMALLEST_CAPACITY = 16 };

uint64_t id_hash(uint64_t id)
{
    id += UINT64_C(0x9e3779b97f4a7c15);
    id = (id ^ (id >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    id = (id ^ (id >> 27)) * UINT64_C(0x94d049bb133111eb);
    return id ^ (id >> 31);
}

/* The slot that holds the id, or the empty one where it would go. The table has an empty slot. */
static size_t find(const id_map_slot *slots, size_t capacity, uint64_t id)
{
    size_t i = (size_t)id_hash(id) & (capacity - 1);
    while (slots[i].value && slots[i].id != id)
        i = (i + 1) & (capacity - 1);
    return i;
}

void *id_map_get(const id_map *map, uint64_t id)
{
    return map->capacity == 0 ? NULL : map->slots[find(map->slots, map->capacity, id)].value;
}

bool id_map_reserve(id_map *map, size_t extra)
{
    if (extra > SIZE_MAX / 4 - map->count)
        return false;
    const size_t needed = map->count + extra;
    size_t capacity = map->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : map->capacity;
    while (capacity / 4 * 3 < needed) {
        if (capacity > SIZE_MAX / 2 / sizeof *map->slots)
            return false;
        capacity *= 2;
    }
    if (capacity == map->capacity)
        return true;
    id_map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            slots[find(slots, capacity, map->slots[i].id)] = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

void id_map_put(id_map *map, uint64_t id, void *value)
{
    map->slots[find(map->slots, map->capacity, id)] = (id_map_slot){.id = id, .value = value};
    map->count++;
}

void *id_map_remove(id_map *map, uint64_t id)
{
    if (map->capacity == 0)
        return NULL;
    const size_t mask = map->capacity - 1;
    size_t hole = find(map->slots, map->capacity, id);
    void *value = map->slots[hole].value;
    if (!value)
        return NULL;
    map->count--;
    /* Each later entry of the run moves into the hole unless its home lies behind the hole. */
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        const size_t home = (size_t)id_hash(map->slots[i].id) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (id_map_slot){0};
    return value;
}

size_t id_map_bytes(const id_map *map)
{
    return map->capacity * sizeof *map->slots;
}

void id_map_clear(id_map *map)
{
    free(map->slots);
    *map = (id_map){0};
}
