#include "upsert.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

bool upsert_push(upsert_array *array, const void *element, size_t bytes)
{
    if (array->count == array->capacity) {
        const size_t capacity = array->capacity > 0 ? 2 * array->capacity : FIRST_CAPACITY;
        if (capacity > SIZE_MAX / 2 / bytes)
            return false;
        void *bigger = realloc(array->elements, capacity * bytes);
        if (!bigger)
            return false;
        array->elements = bigger;
        array->capacity = capacity;
    }
    memcpy((char *)array->elements + array->count++ * bytes, element, bytes);
    return true;
}

void upsert_link(upsert *u)
{
    vql_item *items = u->items.elements;
    vql_item_field *fields = u->fields.elements;
    const float *number = u->numbers.elements;
    const uint32_t *value = u->values.elements;
    const char *name = u->names.elements;
    for (size_t f = 0; f < u->fields.count; f++) {
        fields[f].name = name;
        fields[f].values = value;
        name += strlen(name) + 1;
        value += fields[f].count;
    }
    for (size_t i = 0; i < u->items.count; i++) {
        items[i].embedding = items[i].embedding_width > 0 ? number : NULL;
        items[i].fields = fields;
        number += items[i].embedding_width;
        fields += items[i].field_count;
    }
}

void upsert_clear(upsert *u)
{
    free(u->items.elements);
    free(u->numbers.elements);
    free(u->fields.elements);
    free(u->values.elements);
    free(u->names.elements);
    *u = (upsert){0};
}
