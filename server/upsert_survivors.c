#include "upsert_survivors.h"

#include <stdlib.h>
#include <string.h>

#include "id_map.h"
#include "vql/v1/models.pb.h"
#include "wire.h"

/* Items of more shapes than a log has in practice are all kept. */
enum { SHAPES = 64 };

/* What a request says of an item, without the values. */
typedef struct shape {
    char model[VQL_MAX_NAME_BYTES + 1];
    size_t width, field_count;
    upsert_array names; /* of char: the fields' names, terminated, in their order */
    id_map last;        /* item -> the number of the last one of the shape, from 1 */
} shape;

struct upsert_survivors {
    shape shapes[SHAPES]; /* [shape_count] */
    size_t shape_count;
    upsert_array is_void; /* of bool: of each item of the log */
    size_t void_count;
    size_t filtered; /* items that the filter has seen */
};

upsert_survivors *upsert_survivors_new(void)
{
    return calloc(1, sizeof(upsert_survivors));
}

static void clear_shape(shape *s)
{
    free(s->names.elements);
    id_map_clear(&s->last);
}

void upsert_survivors_free(upsert_survivors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->shape_count; i++)
        clear_shape(&s->shapes[i]);
    free(s->is_void.elements);
    free(s);
}

static bool has_shape(const shape *s, const upsert *u, const vql_item *item)
{
    if (s->width != item->embedding_width || s->field_count != item->field_count ||
        strcmp(s->model, u->model) != 0)
        return false;
    const char *name = s->names.elements;
    for (size_t f = 0; f < item->field_count; f++) {
        if (strcmp(name, item->fields[f].name) != 0)
            return false;
        name += strlen(name) + 1;
    }
    return true;
}

static bool copy_names(upsert_array *out, const vql_item *item)
{
    for (size_t f = 0; f < item->field_count; f++) {
        const char *name = item->fields[f].name;
        for (size_t i = 0; i <= strlen(name); i++)
            if (!upsert_push(out, name + i, 1))
                return false;
    }
    return true;
}

/* The shape of an item, a new one if there is room. *out: NULL: there is none. False: no memory. */
static bool find_shape(upsert_survivors *s, const upsert *u, const vql_item *item, shape **out)
{
    *out = NULL;
    for (size_t i = 0; i < s->shape_count && !*out; i++)
        if (has_shape(&s->shapes[i], u, item))
            *out = &s->shapes[i];
    if (*out || s->shape_count == SHAPES)
        return true;
    shape made = {.width = item->embedding_width, .field_count = item->field_count};
    memcpy(made.model, u->model, sizeof made.model);
    if (!copy_names(&made.names, item)) {
        clear_shape(&made);
        return false;
    }
    *out = &s->shapes[s->shape_count++];
    **out = made;
    return true;
}

static bool add_item(upsert_survivors *s, const upsert *u, const vql_item *item)
{
    static const bool no;
    shape *of;
    if (!find_shape(s, u, item, &of) || (of && !id_map_reserve(&of->last, 1)) ||
        !upsert_push(&s->is_void, &no, sizeof no))
        return false;
    if (!of)
        return true;
    const uintptr_t before = (uintptr_t)id_map_remove(&of->last, item->id);
    if (before != 0) {
        ((bool *)s->is_void.elements)[before - 1] = true;
        s->void_count++;
    }
    id_map_put(&of->last, item->id, (void *)(uintptr_t)s->is_void.count);
    return true;
}

bool upsert_survivors_add(upsert_survivors *s, const upsert *u)
{
    const vql_item *items = upsert_items(u);
    for (size_t i = 0; i < u->items.count; i++)
        if (!add_item(s, u, &items[i]))
            return false;
    return true;
}

size_t upsert_survivors_items(const upsert_survivors *s)
{
    return s->is_void.count;
}

size_t upsert_survivors_void(const upsert_survivors *s)
{
    return s->void_count;
}

size_t upsert_survivors_filter(upsert_survivors *s, const uint8_t *message, size_t bytes,
                               uint8_t *out)
{
    const bool *is_void = s->is_void.elements;
    wire_span rest = {message, bytes};
    wire_field field;
    size_t written = 0, items = 0;
    for (const uint8_t *from = rest.bytes; wire_next(&rest, &field); from = rest.bytes) {
        const size_t field_bytes = (size_t)(rest.bytes - from);
        const bool is_item = field.number == vql_v1_UpsertItemsRequest_items_tag;
        if (is_item && is_void[s->filtered++])
            continue;
        memcpy(out + written, from, field_bytes);
        written += field_bytes;
        items += is_item;
    }
    return items > 0 ? written : 0;
}
