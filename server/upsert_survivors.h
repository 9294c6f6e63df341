/*
 * Which items of a log of upserts still say something. An item of a request is void when a later
 * request for the same versions has the same item, with an embedding of the same width and the same
 * fields: wherever the one was applied the other is, and sets all that it has set.
 */
#ifndef VQL_SERVER_UPSERT_SURVIVORS_H
#define VQL_SERVER_UPSERT_SURVIVORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upsert.h"

typedef struct upsert_survivors upsert_survivors;

/* NULL: no memory. */
upsert_survivors *upsert_survivors_new(void);

/* NULL is allowed. */
void upsert_survivors_free(upsert_survivors *s);

/* Takes the next request of the log. False: no memory. */
bool upsert_survivors_add(upsert_survivors *s, const upsert *u);

/* How many items there are in all requests, and how many of them are void. */
size_t upsert_survivors_items(const upsert_survivors *s);
size_t upsert_survivors_void(const upsert_survivors *s);

/*
 * Writes a request without its void items to out, which has room for as many bytes: of all requests
 * one after the other, in the order in which they were taken. Returns how many bytes they are; 0:
 * all its items are void.
 */
size_t upsert_survivors_filter(upsert_survivors *s, const uint8_t *message, size_t bytes,
                               uint8_t *out);

#endif
