/* What --wrap makes of malloc, calloc and realloc: the C library's, and the program's own. */
#ifndef VQL_TESTS_WRAPPED_MALLOC_H
#define VQL_TESTS_WRAPPED_MALLOC_H

#include <stddef.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

#endif
