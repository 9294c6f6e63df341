#include "item_table.h"

/* The finaliser of splitmix64: every bit of the id moves every bit of the slot. */
static uint64_t hash(uint64_t id)
{
    id = (id ^ (id >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    id = (id ^ (id >> 27)) * UINT64_C(0x94D049BB133111EB);
    return id ^ (id >> 31);
}

/* The slot where the id is, or the empty one where it would go. */
static uint64_t probe(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id)
{
    uint64_t slot = hash(id) & mask;
    while (slots[slot] != 0 && ids[slots[slot]] != id)
        slot = (slot + 1) & mask;
    return slot;
}

uint64_t vql_item_table_mask(uint32_t rows)
{
    uint64_t slots = 2;
    while (slots < 2 * (uint64_t)rows)
        slots *= 2;
    return slots - 1;
}

uint32_t vql_item_table_put(uint32_t *slots, uint64_t mask, const uint64_t *ids, uint32_t row)
{
    const uint64_t slot = probe(slots, mask, ids, ids[row]);
    if (slots[slot] == 0)
        slots[slot] = row;
    return slots[slot];
}

void vql_item_table_set(uint32_t *slots, uint64_t mask, const uint64_t *ids, uint32_t row)
{
    slots[probe(slots, mask, ids, ids[row])] = row;
}

uint32_t vql_item_table_get(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id)
{
    return slots[probe(slots, mask, ids, id)];
}

void vql_item_table_fetch_slot(const uint32_t *slots, uint64_t mask, uint64_t id)
{
    __builtin_prefetch(&slots[hash(id) & mask]);
}

void vql_item_table_fetch_id(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id)
{
    __builtin_prefetch(&ids[slots[hash(id) & mask]]);
}
