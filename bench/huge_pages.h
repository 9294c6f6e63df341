/*
 * Memory in pages of 2 MiB where the system gives them, which spares the walks through page tables
 * that rows at random cost; and a vql_allocator of it, of ordinary pages for small blocks.
 */
#ifndef VQL_BENCH_HUGE_PAGES_H
#define VQL_BENCH_HUGE_PAGES_H

#include <stddef.h>

#include "vql/allocator.h"

/* Aborts when there is no memory. */
void *huge_pages_allocate(size_t bytes);
void huge_pages_release(void *block);

const vql_allocator *huge_pages_allocator(void);

#endif
