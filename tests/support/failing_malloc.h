/*
 * Makes the C library's allocations fail on demand, one by one. For a program of one file that is
 * linked with --wrap for malloc, calloc and realloc.
 */
#ifndef VQL_TESTS_FAILING_MALLOC_H
#define VQL_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "wrapped_malloc.h"

/* While armed, allocations are counted, and number fail_at fails. */
static bool armed;
static size_t allocations, fail_at;

static bool fails(void)
{
    return armed && allocations++ == fail_at;
}

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

#endif
