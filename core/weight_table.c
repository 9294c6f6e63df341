#include "weight_table.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "kernels.h"
#include "model_data.h"

enum { SPARE_PART = 16 };

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

/*
 * Rows for the model's items, and for the spare ones what is left, but at least a sixteenth: new
 * items are asked for.
 */
static void divide(vql_weight_table *table, uint32_t items, uint32_t spare, size_t bytes)
{
    const size_t fitting = bytes / table->row_bytes;
    const size_t kept = fitting / SPARE_PART < spare ? fitting / SPARE_PART : spare;
    table->capacity = fitting - kept < items ? (uint32_t)(fitting - kept) : items;
    const size_t left = fitting - table->capacity;
    table->spare_capacity = left < spare ? (uint32_t)left : spare;
}

/* The block of all rows; what spare rows take is counted when they are. */
static vql_code allocate_block(vql_weight_table *table, const vql_allocator *allocator,
                               size_t *held)
{
    const uint64_t rows = (uint64_t)table->capacity + table->spare_capacity;
    if (rows == 0)
        return VQL_OK;
    table->block = vql_allocate_array(allocator, rows * table->row_bytes + VQL_LINE, 1, NULL);
    if (table->block == NULL)
        return VQL_NO_MEMORY;
    table->rows = first_line(table->block);
    *held += table->capacity * table->row_bytes + VQL_LINE;
    return VQL_OK;
}

vql_code vql_weight_table_init(vql_weight_table *table, const vql_model *model,
                               vql_scoring_format format, const vql_catalog_options *options,
                               const vql_allocator *allocator, size_t *held)
{
    const uint32_t items = model->shape.items;
    const uint32_t heads = model->shape.heads;
    *table = (vql_weight_table){.format = format, .heads = heads, .items = items};
    table->head_offsets =
        vql_allocate_array(allocator, heads + 1u, sizeof *table->head_offsets, held);
    table->slots = vql_allocate_array(allocator, (uint64_t)items + options->spare_items,
                                      sizeof *table->slots, held);
    if (table->head_offsets == NULL || table->slots == NULL)
        return VQL_NO_MEMORY;
    set_offsets(table, model);
    divide(table, items, options->spare_items, options->table_bytes);
    const vql_code code = allocate_block(table, allocator, held);
    if (code != VQL_OK)
        return code;
    if (options->hotness != NULL && table->capacity < items)
        return assign_by_hotness(table, items, options->hotness, allocator);
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

void vql_weight_table_add(vql_weight_table *table, uint32_t row)
{
    const uint32_t spare = row - table->items;
    table->slots[row] = spare < table->spare_capacity ? table->capacity + spare : VQL_NO_SLOT;
}

void vql_weight_table_put(vql_weight_table *table, uint32_t row, const uint32_t *head_start,
                          const float *weights)
{
    const vql_kernels *kernels = vql_kernels_active();
    uint8_t *out = table->rows + table->slots[row] * table->row_bytes;
    memset(out, 0, table->row_bytes);
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
}
