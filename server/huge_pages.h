/*
 * Large blocks in pages of 2 MiB where the system gives them: rows of a catalog's table that are
 * read at random then cost no walk through page tables. Small blocks are malloc's as they are.
 */
#ifndef VQL_SERVER_HUGE_PAGES_H
#define VQL_SERVER_HUGE_PAGES_H

#include "vql/allocator.h"

/* Any number of threads may allocate. */
const vql_allocator *huge_pages_allocator(void);

#endif
