/*
 * Makes the C library's allocations fail on demand, one by one, and nghttp2's with them. For a
 * program of one file that is linked with --wrap for malloc, calloc and realloc.
 */
#ifndef VQL_TESTS_FAILING_MALLOC_H
#define VQL_TESTS_FAILING_MALLOC_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* While armed, allocations are counted, and number fail_at fails. */
static bool armed;
static size_t allocations, fail_at;

static bool fails(void)
{
    return armed && allocations++ == fail_at;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *block, size_t bytes)
{
    return fails() ? NULL : __real_realloc(block, bytes);
}

static void *h2_malloc(size_t bytes, void *context)
{
    (void)context;
    return __wrap_malloc(bytes);
}

static void *h2_calloc(size_t count, size_t bytes, void *context)
{
    (void)context;
    return __wrap_calloc(count, bytes);
}

static void *h2_realloc(void *block, size_t bytes, void *context)
{
    (void)context;
    return __wrap_realloc(block, bytes);
}

static void h2_free(void *block, void *context)
{
    (void)context;
    free(block);
}

static nghttp2_mem failing_h2_memory = {NULL, h2_malloc, h2_free, h2_calloc, h2_realloc};

#endif
