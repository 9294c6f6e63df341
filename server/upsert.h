/*
 * Items to be added or changed, decoded from a request: what libvql takes, with all that it points
 * to. Filled by decode_upsert.
 */
#ifndef VQL_SERVER_UPSERT_H
#define VQL_SERVER_UPSERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limit.h"
#include "store.h"
#include "vql/catalog.h"
#include "vql/model.h"

/* An array that grows. */
typedef struct upsert_array {
    void *elements;
    size_t count, capacity;
} upsert_array;

typedef struct upsert {
    char model[VQL_MAX_NAME_BYTES + 1]; /* a version's name; empty: all */
    upsert_array items;                 /* of vql_item */

    /* What the items have, one after the other. */
    upsert_array numbers; /* of float: embeddings */
    upsert_array fields;  /* of vql_item_field */
    upsert_array values;  /* of uint32_t */
    upsert_array names;   /* of char: terminated names */
} upsert;

/* What became of it. */
typedef struct upsert_outcome {
    durability durability;
    uint32_t room;     /* for more items, in the version that has the least */
    uint64_t sequence; /* of the request among all */
    size_t model_count;
    char models[LIMIT_MODELS][VQL_MAX_NAME_BYTES + 1]; /* [model_count]: the versions' names */
} upsert_outcome;

/* A request on its way to be applied, and what became of it. */
typedef struct upsert_order {
    upsert_outcome outcome;
    size_t bytes;
    uint8_t message[]; /* [bytes] */
} upsert_order;

/* Adds an element of `bytes` bytes, of which an array has only one kind. False: no memory. */
bool upsert_push(upsert_array *array, const void *element, size_t bytes);

/*
 * Has items and fields, whose counts are set, point to what they have. Until then pointers mean
 * nothing.
 */
void upsert_link(upsert *u);

/* The items, upsert_link having been called. */
static inline const vql_item *upsert_items(const upsert *u)
{
    return u->items.elements;
}

/* Frees all, and leaves zeros. */
void upsert_clear(upsert *u);

#endif
