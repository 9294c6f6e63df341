/*
 * The candidates of a request: ids from operands and from a file.
 */
#ifndef VQL_CLIENT_CTL_CANDIDATES_H
#define VQL_CLIENT_CTL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl_arguments.h"

/* All zero: no candidates. */
typedef struct candidates {
    uint64_t *item_ids; /* owned */
    size_t count;
    size_t capacity;
} candidates;

void candidates_free(candidates *c);

/* Adds an item. False when there is no memory. */
bool candidates_add(candidates *c, uint64_t item_id);

/*
 * Adds the items of a file: those of its column item_id when the first line names one, else the
 * first of each line. "-" is standard input. Not CTL_OK: what is wrong was printed.
 */
ctl_exit candidates_read(candidates *c, const char *path);

#endif
