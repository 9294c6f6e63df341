/*
 * Has the memory of nghttp2's client sessions fail with the C library's. For a program that is
 * linked with --wrap for malloc, calloc, realloc and nghttp2_session_client_new, and that has the
 * first three's wrappers.
 */
#ifndef VQL_TESTS_FAILING_H2_H
#define VQL_TESTS_FAILING_H2_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdlib.h>

#include "wrapped_malloc.h"

int __wrap_nghttp2_session_client_new(nghttp2_session **h2,
                                      const nghttp2_session_callbacks *callbacks, void *context);

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

static nghttp2_mem h2_memory = {NULL, h2_malloc, h2_free, h2_calloc, h2_realloc};

int __wrap_nghttp2_session_client_new(nghttp2_session **h2,
                                      const nghttp2_session_callbacks *callbacks, void *context)
{
    return nghttp2_session_client_new3(h2, callbacks, context, NULL, &h2_memory);
}

#endif
