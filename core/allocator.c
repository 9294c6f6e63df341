#include "vql/allocator.h"

#include <stdlib.h>

#include "allocation.h"

static void *default_allocate(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void *default_reallocate(void *context, void *block, size_t bytes)
{
    (void)context;
    return realloc(block, bytes);
}

static void default_release(void *context, void *block)
{
    (void)context;
    free(block);
}

const vql_allocator *vql_allocator_default(void)
{
    static const vql_allocator allocator = {default_allocate, default_reallocate, default_release,
                                            NULL};
    return &allocator;
}

void *vql_allocate_array(const vql_allocator *allocator, uint64_t count, size_t element_bytes,
                         size_t *held)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, element_bytes, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    void *block = allocator->allocate(allocator->context, bytes > 0 ? bytes : 1);
    if (block != NULL && held != NULL)
        *held += bytes;
    return block;
}

void vql_release(const vql_allocator *allocator, void *block)
{
    allocator->release(allocator->context, block);
}
