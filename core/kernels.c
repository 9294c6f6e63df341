/*
 * The choice of a level. __builtin_cpu_supports asks the processor (cpuid) and whether the
 * operating system saves the registers in question (xgetbv).
 */
#include "kernels.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct level {
    const vql_kernels *kernels;
    bool (*supported)(void);
} level;

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

static bool has_avx512vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vbmi2");
}
#endif

/* The slowest first. */
static const level levels[] = {
    {&vql_kernels_scalar, always},
#if defined(__x86_64__)
    {&vql_kernels_avx2, has_avx2},
    {&vql_kernels_avx512, has_avx512},
    {&vql_kernels_avx512vnni, has_avx512vnni},
#elif defined(__aarch64__)
    {&vql_kernels_neon, always},
#endif
};

enum { LEVELS = sizeof levels / sizeof levels[0] };

static _Atomic(const vql_kernels *) active;

static const vql_kernels *best(void)
{
    size_t i = LEVELS - 1;
    while (!levels[i].supported())
        i--;
    return levels[i].kernels;
}

const vql_kernels *vql_kernels_active(void)
{
    const vql_kernels *chosen = atomic_load_explicit(&active, memory_order_acquire);
    if (chosen == NULL) {
        chosen = best();
        atomic_store_explicit(&active, chosen, memory_order_release);
    }
    return chosen;
}

const vql_kernels *vql_kernels_find(const char *name)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].kernels->name, name) == 0 && levels[i].supported())
            return levels[i].kernels;
    return NULL;
}

const char *vql_kernels_supported(size_t index)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (levels[i].supported() && index-- == 0)
            return levels[i].kernels->name;
    return NULL;
}

const char *vql_kernels_name(void)
{
    return vql_kernels_active()->name;
}

static vql_code fail_level(const char *name, vql_error *error)
{
    char list[64] = "";
    size_t length = 0;
    const char *supported;
    for (size_t i = 0; (supported = vql_kernels_supported(i)) != NULL && length < sizeof list; i++)
        length += (size_t)snprintf(list + length, sizeof list - length, " %s", supported);
    return vql_fail(error, VQL_VALUE, "kernels \"%.40s\": supported here are%s", name, list);
}

vql_code vql_kernels_select(const char *name, vql_error *error)
{
    const bool chosen = name != NULL && name[0] != '\0';
    const vql_kernels *kernels = chosen ? vql_kernels_find(name) : best();
    if (kernels == NULL)
        return fail_level(name, error);
    atomic_store_explicit(&active, kernels, memory_order_release);
    return VQL_OK;
}
