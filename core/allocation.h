/*
 * How the files of core/ allocate arrays: with the product of the sizes checked and what they hold
 * counted.
 */
#ifndef VQL_CORE_ALLOCATION_H
#define VQL_CORE_ALLOCATION_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"

/*
 * count elements of element_bytes > 0 each, uninitialised; never NULL for a count of 0. *held (may
 * be NULL) grows by the bytes. Returns NULL when there is no memory or the size overflows; *held
 * then stays as it was.
 */
void *vql_allocate_array(const vql_allocator *allocator, uint64_t count, size_t element_bytes,
                         size_t *held);

/* Releases a block; NULL is allowed. */
void vql_release(const vql_allocator *allocator, void *block);

#endif
