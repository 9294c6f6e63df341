#include "weight_table.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "kernels.h"
#include "model_data.h"

typedef struct ranked_item {
    float hotness;
    uint32_t row;
} ranked_item;

/* Descending by hotness, ascending by row. */
static int compare_items(const void *left, const void *right)
{
    const ranked_item *a = left;
    const ranked_item *b = right;
    if (a->hotness != b->hotness)
        return a->hotness > b->hotness ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Gives slots to the items of greatest hotness. VQL_NO_MEMORY when there is none to sort in. */
static vql_code assign_by_hotness(vql_weight_table *table, uint32_t items, const float *hotness,
                                  const vql_allocator *allocator)
{
    ranked_item *ranked = vql_allocate_array(allocator, items, sizeof *ranked, NULL);
    if (ranked == NULL)
        return VQL_NO_MEMORY;
    for (uint32_t row = 0; row < items; row++)
        ranked[row] = (ranked_item){hotness[row], row};
    qsort(ranked, items, sizeof *ranked, compare_items);
    for (uint32_t rank = 0; rank < items; rank++)
        table->slots[ranked[rank].row] = rank < table->capacity ? rank : VQL_NO_SLOT;
    vql_release(allocator, ranked);
    return VQL_OK;
}

/* Where heads begin in a row, and how long it is. */
static void set_offsets(vql_weight_table *table, const vql_model *model)
{
    const uint32_t heads_per_group = model->shape.heads / model->shape.groups;
    const size_t number = table->format == VQL_SCORING_INT16 ? sizeof(int16_t) : sizeof(float);
    table->head_offsets[0] = 0;
    for (uint32_t h = 0; h < table->heads; h++) {
        const size_t bytes = model->codewords[h / heads_per_group] * number;
        const size_t lines = (bytes + VQL_LINE - 1) / VQL_LINE;
        table->head_offsets[h + 1] = table->head_offsets[h] + lines * VQL_LINE;
    }
    /*
     * An odd number of lines: rows a power of two apart would all fall on the same few sets of the
     * first-level cache, and a block of them would drive each other out of it.
     */
    table->row_bytes = (table->head_offsets[table->heads] / VQL_LINE | 1) * VQL_LINE;
}

/* The first cache line that begins in a block. */
static uint8_t *first_line(void *block)
{
    const size_t beyond = (uintptr_t)block % VQL_LINE;
    return (uint8_t *)block + (beyond > 0 ? VQL_LINE - beyond : 0);
}

vql_code vql_weight_table_init(vql_weight_table *table, const vql_model *model,
                               vql_scoring_format format, size_t bytes, const float *hotness,
                               const vql_allocator *allocator, size_t *held)
{
    const uint32_t items = model->shape.items;
    const uint32_t heads = model->shape.heads;
    *table = (vql_weight_table){.format = format, .heads = heads};
    table->head_offsets =
        vql_allocate_array(allocator, heads + 1u, sizeof *table->head_offsets, held);
    table->slots = vql_allocate_array(allocator, items, sizeof *table->slots, held);
    if (table->head_offsets == NULL || table->slots == NULL)
        return VQL_NO_MEMORY;
    set_offsets(table, model);
    const size_t fitting = bytes / table->row_bytes;
    table->capacity = fitting < items ? (uint32_t)fitting : items;
    table->items = table->capacity;
    if (table->capacity > 0) {
        const uint64_t size = (uint64_t)table->capacity * table->row_bytes + VQL_LINE;
        table->block = vql_allocate_array(allocator, size, 1, held);
        if (table->block == NULL)
            return VQL_NO_MEMORY;
        table->rows = first_line(table->block);
        memset(table->rows, 0, table->capacity * table->row_bytes);
    }
    if (hotness != NULL && table->capacity < items)
        return assign_by_hotness(table, items, hotness, allocator);
    for (uint32_t row = 0; row < items; row++)
        table->slots[row] = row < table->capacity ? row : VQL_NO_SLOT;
    return VQL_OK;
}

void vql_weight_table_release(vql_weight_table *table, const vql_allocator *allocator)
{
    vql_release(allocator, table->block);
    vql_release(allocator, table->slots);
    vql_release(allocator, table->head_offsets);
    *table = (vql_weight_table){0};
}

void vql_weight_table_put(vql_weight_table *table, uint32_t row, const uint32_t *head_start,
                          const float *weights)
{
    const vql_kernels *kernels = vql_kernels_active();
    uint8_t *out = table->rows + table->slots[row] * table->row_bytes;
    for (uint32_t h = 0; h < table->heads; h++) {
        const size_t count = head_start[h + 1] - head_start[h];
        void *numbers = out + table->head_offsets[h];
        if (table->format == VQL_SCORING_INT16)
            kernels->quantize(count, VQL_WEIGHT_STEPS, weights + head_start[h], numbers);
        else
            memcpy(numbers, weights + head_start[h], count * sizeof *weights);
    }
}

void vql_weight_table_refuse(vql_weight_table *table, uint32_t row)
{
    table->slots[row] = VQL_NO_SLOT;
    table->items--;
}
