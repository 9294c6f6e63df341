/*
 * Where libvql gets its memory. Every object takes an allocator when it is made, keeps a copy, and
 * uses no other; the context must outlive the objects. All three functions follow malloc, realloc
 * and free; allocate and reallocate may return NULL, which is reported as VQL_NO_MEMORY and leaves
 * every object as it was.
 */
#ifndef VQL_ALLOCATOR_H
#define VQL_ALLOCATOR_H

#include <stddef.h>

typedef struct vql_allocator {
    void *(*allocate)(void *context, size_t bytes);
    void *(*reallocate)(void *context, void *block, size_t bytes);
    void (*release)(void *context, void *block);
    void *context;
} vql_allocator;

/* The C library's malloc. Static. */
const vql_allocator *vql_allocator_default(void);

#endif
