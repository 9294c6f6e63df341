#include "huge_pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 2 << 20 };

static void *allocate(void *context, size_t bytes)
{
    (void)context;
    if (bytes < PAGE)
        return malloc(bytes > 0 ? bytes : 1);
    if (bytes > SIZE_MAX - PAGE)
        return NULL;
    const size_t rounded = (bytes + PAGE - 1) / PAGE * PAGE;
    void *block = aligned_alloc(PAGE, rounded);
    if (block)
        (void)madvise(block, rounded, MADV_HUGEPAGE);
    return block;
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    (void)context;
    return realloc(block, bytes > 0 ? bytes : 1);
}

static void release(void *context, void *block)
{
    (void)context;
    free(block);
}

const vql_allocator *huge_pages_allocator(void)
{
    static const vql_allocator allocator = {
        .allocate = allocate, .reallocate = reallocate, .release = release};
    return &allocator;
}
