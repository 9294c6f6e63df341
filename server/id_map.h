/*
 * A hash table from 64-bit ids to pointers: users by id, applied event ids. Open addressing with
 * linear probing, at most three quarters full, entries removed by moving later ones back, so that
 * lookups never pass tombstones.
 */
#ifndef VQL_SERVER_ID_MAP_H
#define VQL_SERVER_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct id_map_slot {
    uint64_t id;
    void *value; /* NULL: the slot is empty */
} id_map_slot;

typedef struct id_map {
    id_map_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
} id_map;

/* A well-mixed 64-bit hash of an id (the finaliser of SplitMix64). */
uint64_t id_hash(uint64_t id);

/* The value of an id; NULL: there is none. */
void *id_map_get(const id_map *map, uint64_t id);

/*
 * Makes sure that `extra` more entries can be put without failing. False: no memory, or too many.
 */
bool id_map_reserve(id_map *map, size_t extra);

/*
 * Adds an id that is not in the map, with a value that is not NULL. Room must have been reserved.
 */
void id_map_put(id_map *map, uint64_t id, void *value);

/* Removes an id and returns its value; NULL: there was none. */
void *id_map_remove(id_map *map, uint64_t id);

/* Bytes that the table takes. */
size_t id_map_bytes(const id_map *map);

/* Frees the table, not the values. An id_map of zeros is an empty one. */
void id_map_clear(id_map *map);

#endif
