#include "item_table.h"

/* Look-ups whose misses of the caches overlap. */
enum { BATCH = 128 };

/* The finaliser of splitmix64: every bit of the id moves every bit of the slot. */
static uint64_t hash(uint64_t id)
{
    id = (id ^ (id >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    id = (id ^ (id >> 27)) * UINT64_C(0x94D049BB133111EB);
    return id ^ (id >> 31);
}

/* The slot where the id is, or the empty one where it would go; the search begins at `slot`. */
static uint64_t probe(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id,
                      uint64_t slot)
{
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
    const uint64_t slot = probe(slots, mask, ids, ids[row], hash(ids[row]) & mask);
    if (slots[slot] == 0)
        slots[slot] = row;
    return slots[slot];
}

void vql_item_table_set(uint32_t *slots, uint64_t mask, const uint64_t *ids, uint32_t row)
{
    slots[probe(slots, mask, ids, ids[row], hash(ids[row]) & mask)] = row;
}

uint32_t vql_item_table_get(const uint32_t *slots, uint64_t mask, const uint64_t *ids, uint64_t id)
{
    return slots[probe(slots, mask, ids, id, hash(id) & mask)];
}

/* At most BATCH look-ups: first all slots, then all ids that they lead to. */
static size_t find_batch(const uint32_t *slots, uint64_t mask, const uint64_t *ids,
                         const uint64_t *wanted, size_t count, uint32_t *rows)
{
    uint64_t begins[BATCH];
    for (size_t n = 0; n < count; n++) {
        begins[n] = hash(wanted[n]) & mask;
        __builtin_prefetch(&slots[begins[n]]);
    }
    for (size_t n = 0; n < count; n++) {
        rows[n] = slots[begins[n]];
        __builtin_prefetch(&ids[rows[n]]);
    }
    size_t unknown = 0;
    for (size_t n = 0; n < count; n++) {
        if (rows[n] != 0 && ids[rows[n]] != wanted[n])
            rows[n] = slots[probe(slots, mask, ids, wanted[n], begins[n])];
        unknown += rows[n] == 0;
    }
    return unknown;
}

size_t vql_item_table_find(const uint32_t *slots, uint64_t mask, const uint64_t *ids,
                           const uint64_t *wanted, size_t count, uint32_t *rows)
{
    size_t unknown = 0;
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t left = count - done;
        unknown +=
            find_batch(slots, mask, ids, wanted + done, left < BATCH ? left : BATCH, rows + done);
    }
    return unknown;
}
