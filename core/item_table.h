/*
 * Item id -> row, by hashing: open addressing with linear probing in a power of two of slots, at
 * least half of them empty. A slot holds a row; 0, the unknown item's row, marks an empty one. The
 * ids stay where they are, in the array that the rows index.
 */
#ifndef VQL_CORE_ITEM_TABLE_H
#define VQL_CORE_ITEM_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The slots less 1 that a table for so many rows needs: a mask. rows <= VQL_MAX_ITEMS. */
uint64_t vql_item_table_mask(uint32_t rows);

/*
 * Puts row > 0 in, under ids[row]. Returns row, or the row that has the id already; the table then
 * stays as it was. slots[0 … mask] were zero before the first call.
 */
uint32_t vql_item_table_put(uint32_t *slots, uint64_t mask, const uint64_t *ids, uint32_t row);

/* The same, but in the place of a row that has the id already. */
void vql_item_table_set(uint32_t *slots, uint64_t mask, const uint64_t *ids, uint32_t row);

/* The row of an id; 0 when there is none. */
uint32_t vql_item_table_get(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id);

/*
 * The rows of `count` ids, 0 for those that there are none for; returns how many those are. A
 * look-up misses the caches twice, for its slot and for the id that the slot leads to: here many
 * wait for them at once.
 */
size_t vql_item_table_find(const uint32_t *slots, uint64_t mask, const uint64_t *ids,
                           const uint64_t *wanted, size_t count, uint32_t *rows);

#endif
