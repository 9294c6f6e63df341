/*
 * Which form a cache takes: the one of the fewest bytes.
 */
#ifndef VQL_CORE_CACHE_CHOICE_H
#define VQL_CORE_CACHE_CHOICE_H

#include "cache_data.h"

/*
 * The form that a cache should have for `count` more events, with times from first_ms to last_ms.
 * Looks closely only when a size passes a power of two, or a limit. VQL_NO_MEMORY.
 */
vql_code vql_cache_choose(const vql_cache *cache, const vql_cache_event *events, size_t count,
                          int64_t first_ms, int64_t last_ms, vql_cache_form *form);

#endif
