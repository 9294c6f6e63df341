/*
 * Different 64-bit ids, numbered in the order in which they were added, and found again by a hash.
 * A list of zeros is an empty one.
 */
#ifndef VQL_TRAIN_ID_LIST_H
#define VQL_TRAIN_ID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct id_list {
    uint64_t *ids; /* [count] */
    uint32_t count;
    uint32_t *slots;   /* numbers, at most half of them used; ID_NONE: free */
    size_t slot_count; /* 0 or a power of two */
} id_list;

/* No id's number, so that a list has at most so many. */
#define ID_NONE UINT32_MAX

/* The number of an id; ID_NONE: it is not there. */
uint32_t id_list_find(const id_list *list, uint64_t id);

/* The same, adding the id if it is not there; ID_NONE: no memory, or the list is full. */
uint32_t id_list_add(id_list *list, uint64_t id);

/* Frees the table. */
void id_list_clear(id_list *list);

#endif
