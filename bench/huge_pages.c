#include "huge_pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 2 << 20 };

void *huge_pages_allocate(size_t bytes)
{
    const size_t rounded = (bytes + PAGE - 1) / PAGE * PAGE;
    void *block = aligned_alloc(PAGE, rounded);
    if (block == NULL)
        abort();
    (void)madvise(block, rounded, MADV_HUGEPAGE);
    return block;
}

void huge_pages_release(void *block)
{
    free(block);
}

static void *allocate(void *context, size_t bytes)
{
    (void)context;
    return bytes < PAGE ? malloc(bytes) : huge_pages_allocate(bytes);
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    (void)context;
    return realloc(block, bytes);
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
