/*
 * The open HTTP/2 streams of a connection by their ids: a hash table of fixed size, probed in line.
 */
#ifndef VQL_CLIENT_LOAD_TABLE_H
#define VQL_CLIENT_LOAD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct load_table {
    uint32_t *ids;   /* 0: empty */
    uint32_t *slots; /* what each id stands for */
    uint32_t mask;
} load_table;

/* For so many ids at a time. False when there is no memory. */
bool load_table_init(load_table *t, uint32_t capacity);
void load_table_free(load_table *t);

/* Adds an id, not 0, that is not in it. */
void load_table_put(load_table *t, uint32_t id, uint32_t slot);

/* The id's slot; UINT32_MAX: it is not in the table, which 0 never is. */
uint32_t load_table_find(const load_table *t, uint32_t id);

/* Takes an id out that is in the table. */
void load_table_remove(load_table *t, uint32_t id);

#endif
