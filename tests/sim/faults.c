#include "faults.h"

#include <stdlib.h>

#include "failing_h2.h"
#include "world.h"
#include "wrapped_malloc.h"

#ifdef VQL_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
#endif

static bool is_armed;

bool faults_arm(bool armed)
{
    const bool was = is_armed;
    is_armed = armed && !sim.calm && sim.plan.allocation_gap > 0;
    return was;
}

static bool fails(void)
{
    if (!is_armed)
        return false;
    if (sim.until_failure > 0) {
        sim.until_failure--;
        return false;
    }
    sim.until_failure = below(2 * sim.plan.allocation_gap);
    sim.failed_allocations++;
    note("no memory", sim.failed_allocations, 0, 0);
    return true;
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

#ifdef VQL_JEMALLOC

void *__real_mallocx(size_t bytes, int flags);
void *__real_rallocx(void *block, size_t bytes, int flags);
void *__wrap_mallocx(size_t bytes, int flags);
void *__wrap_rallocx(void *block, size_t bytes, int flags);

void *__wrap_mallocx(size_t bytes, int flags)
{
    return fails() ? NULL : __real_mallocx(bytes, flags);
}

void *__wrap_rallocx(void *block, size_t bytes, int flags)
{
    return fails() ? NULL : __real_rallocx(block, bytes, flags);
}

static uint64_t counter(const char *name)
{
    uint64_t value = 0;
    size_t bytes = sizeof value;
    (void)mallctl(name, &value, &bytes, NULL, 0);
    return value;
}

size_t faults_allocated(void)
{
    return (size_t)(counter("thread.allocated") - counter("thread.deallocated"));
}

#else

size_t faults_allocated(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
}

#endif
