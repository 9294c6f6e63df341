/*
 * What the rows of a cache are of, by its form: of codewords, G groups of K_g with D_g + 1 numbers
 * a kernel; or of items, one group of I · A, and more with spare items, with one number, n, a
 * kernel.
 */
#ifndef VQL_CORE_CACHE_LAYOUT_H
#define VQL_CORE_CACHE_LAYOUT_H

#include "cache_codec.h"
#include "cache_data.h"
#include "catalog_data.h"
#include "model_data.h"

typedef struct vql_row_layout {
    vql_cache_format format; /* of a slice */
    uint32_t groups;
    uint32_t kernels;
    uint32_t width; /* numbers S of a slice */
    uint32_t slice_bytes;
    bool items;
} vql_row_layout;

static inline vql_row_layout vql_row_layout_of(const vql_cache *cache)
{
    const vql_shape *shape = &cache->tables->model->shape;
    vql_row_layout made = {
        .format = cache->format,
        .groups = shape->groups,
        .kernels = shape->kernels,
        .width = shape->group_width,
        .items = cache->form == VQL_FORM_ITEMS,
    };
    if (made.items) {
        made.groups = 1;
        made.width = 0;
        if (made.format != VQL_CACHE_FP32)
            made.format = VQL_CACHE_BF16; /* an n alone */
    }
    made.slice_bytes = (uint32_t)vql_codec_slice_bytes(made.format, made.width);
    return made;
}

/* The positions of a group of a cache's rows. */
static inline uint32_t vql_group_positions(const vql_row_layout *layout, const vql_cache *cache,
                                           uint32_t group)
{
    return layout->items ? cache->rows.codewords : cache->tables->model->codewords[group];
}

/* An event's position within a group. */
static inline uint32_t vql_event_code(const vql_row_layout *layout, const vql_tables *tables,
                                      const vql_cache_event *event, uint32_t group)
{
    if (layout->items)
        return event->row * tables->model->shape.event_types + event->event_type;
    return vql_tables_codes(tables, event->row, event->event_type)[group];
}

/* The event of an item's position, without its time. */
static inline vql_cache_event vql_item_event(const vql_model *model, uint32_t position)
{
    const uint32_t event_types = model->shape.event_types;
    return (vql_cache_event){.row = position / event_types, .event_type = position % event_types};
}

/* Whether the items are few enough to be rows. */
static inline bool vql_items_fit(const vql_tables *tables)
{
    const uint64_t event_types = tables->model->shape.event_types;
    return tables->capacity * event_types <= VQL_CACHE_MOST_POSITIONS;
}

/*
 * The positions that the rows of a form have in a map for a cache and some events, or none: those
 * of all codewords; those of the model's items, and of spare ones as far as they are there.
 */
uint32_t vql_form_positions(const vql_cache *cache, vql_cache_form form,
                            const vql_cache_event *events, size_t count);

#endif
