/*
 * Item id -> row, by hashing: open addressing with linear probing in a power of two of slots, at
 * least half of them empty. A slot holds a row; 0, the unknown item's row, marks an empty one. The
 * ids stay where they are, in the array that the rows index.
 */
#ifndef VQL_CORE_ITEM_TABLE_H
#define VQL_CORE_ITEM_TABLE_H

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
 * A look-up misses the caches twice. These ask for what it will read, well before it: first the
 * slot where the search begins, then, once that is there, the id that it leads to.
 */
void vql_item_table_fetch_slot(const uint32_t *slots, uint64_t mask, uint64_t id);
void vql_item_table_fetch_id(const uint32_t *slots, uint64_t mask, const uint64_t *ids,
                             uint64_t id);

#endif
