/*
 * Each rate is the best of several short runs: on a shared machine what stands in the way comes
 * and goes, and a limit is what is there when nothing does.
 */
#include "machine.h"

#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "huge_pages.h"
#include "kernels.h"
#include "random.h"
#include "timing.h"

enum {
    RUNS = 12,
    CHAINS = 12, /* independent sums: more than latency times throughput */
    STEPS = 200000,
    KIB = 1024,
    MIB = 1024 * 1024,
    ROW_BYTES = 2 * KIB,
    ROWS = 20000,
    PICKS = 4096,
    PICKS_AHEAD = 8,
};

/* What results are added to, so that no loop is dead. */
static volatile float sink;

__attribute__((target("avx2,fma"))) static void fma256(void)
{
    __m256 sum[CHAINS];
    const __m256 x = _mm256_set1_ps(0.5f);
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (long n = 0; n < STEPS; n++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], x, x);
    for (int i = 0; i < CHAINS; i++)
        sink = _mm256_cvtss_f32(sum[i]);
}

__attribute__((target("avx512f"))) static void fma512(void)
{
    __m512 sum[CHAINS];
    const __m512 x = _mm512_set1_ps(0.5f);
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (long n = 0; n < STEPS; n++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], x, x);
    for (int i = 0; i < CHAINS; i++)
        sink = _mm512_cvtss_f32(sum[i]);
}

__attribute__((target("avx512f,avx512vnni"))) static void int16(void)
{
    __m512i sum[CHAINS];
    const __m512i x = _mm512_set1_epi32(0x00010002);
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (long n = 0; n < STEPS; n++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpwssd_epi32(sum[i], x, x);
    for (int i = 0; i < CHAINS; i++)
        sink = (float)_mm512_reduce_add_epi32(sum[i]);
}

static double best_seconds(void (*work)(void))
{
    timing t = {.count = 0};
    for (int i = 0; i < RUNS; i++) {
        const double start = timing_now();
        work();
        timing_add(&t, timing_now() - start);
    }
    return timing_best(&t);
}

static double flops(void (*work)(void), double operations)
{
    return operations * CHAINS * STEPS / best_seconds(work);
}

/* Reads bytes as the widest vectors that every x86-64 has; two loads a cycle fill its lines too. */
__attribute__((target("avx2"))) static void read_bytes(const uint8_t *bytes, size_t count)
{
    __m256i sum[4] = {_mm256_setzero_si256()};
    for (size_t i = 0; i < count; i += 4 * sizeof sum[0])
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            sum[j] = _mm256_xor_si256(
                sum[j], _mm256_load_si256((const __m256i *)(const void *)(bytes + i) + j));
    for (size_t j = 0; j < 4; j++)
        sink = (float)_mm256_extract_epi32(sum[j], 0);
}

/* Bytes a second from a block that is read again and again. */
static double bandwidth(const uint8_t *bytes, size_t count)
{
    const size_t times = count < 16 * MIB ? 16 * MIB / count : 1;
    timing t = {.count = 0};
    for (int i = 0; i < RUNS; i++) {
        const double start = timing_now();
        for (size_t n = 0; n < times; n++)
            read_bytes(bytes, count);
        timing_add(&t, timing_now() - start);
    }
    return (double)(times * count) / timing_best(&t);
}

/* Bytes a second in whole rows at random, each asked for PICKS_AHEAD rows before it is read. */
static double random_bandwidth(const uint8_t *bytes)
{
    static uint32_t picks[PICKS + PICKS_AHEAD];
    random_stream random = {1};
    timing t = {.count = 0};
    for (int i = 0; i < RUNS; i++) {
        for (size_t n = 0; n < PICKS + PICKS_AHEAD; n++)
            picks[n] = random_below(&random, ROWS);
        const double start = timing_now();
        for (size_t n = 0; n < PICKS; n++) {
            const uint8_t *ahead = bytes + (size_t)picks[n + PICKS_AHEAD] * ROW_BYTES;
            for (size_t j = 0; j < ROW_BYTES; j += VQL_LINE)
                __builtin_prefetch(ahead + j, 0, 2);
            read_bytes(bytes + (size_t)picks[n] * ROW_BYTES, ROW_BYTES);
        }
        timing_add(&t, timing_now() - start);
    }
    return (double)PICKS * ROW_BYTES / timing_best(&t);
}

static double exponentials(void)
{
    enum { COUNT = 4096, TIMES = 100 };
    static float x[COUNT];
    timing t = {.count = 0};
    for (int i = 0; i < RUNS; i++) {
        memset(x, 0, sizeof x);
        const double start = timing_now();
        for (int n = 0; n < TIMES; n++) {
            x[n] = -1.0f;
            vql_kernels_active()->exponential(COUNT, x);
        }
        timing_add(&t, timing_now() - start);
    }
    sink = x[1];
    return (double)COUNT * TIMES / timing_best(&t);
}

double machine_peak(const machine *m)
{
    return m->fma512_flops > m->fma256_flops ? m->fma512_flops : m->fma256_flops;
}

machine machine_measure(void)
{
    machine m = {0};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        m.fma256_flops = flops(fma256, 2 * 8);
    if (__builtin_cpu_supports("avx512f"))
        m.fma512_flops = flops(fma512, 2 * 16);
    if (__builtin_cpu_supports("avx512vnni"))
        m.int16_operations = flops(int16, 2 * 32);
    const vql_allocator *pages = huge_pages_allocator();
    uint8_t *bytes = pages->allocate(pages->context, 256 * (size_t)MIB);
    if (bytes == NULL)
        abort();
    memset(bytes, 1, 256 * (size_t)MIB);
    m.l1_bytes = bandwidth(bytes, 16 * KIB);
    m.l2_bytes = bandwidth(bytes, 512 * KIB);
    m.l3_bytes = bandwidth(bytes, 8 * MIB);
    m.memory_bytes = bandwidth(bytes, 256 * (size_t)MIB);
    m.random_bytes = random_bandwidth(bytes);
    pages->release(pages->context, bytes);
    m.exponentials = exponentials();
    return m;
}

void machine_print(const machine *m)
{
    printf("## One core of this machine\n\n");
    printf("| limit | measured |\n| --- | --- |\n");
    printf("| float32 multiply-adds, AVX2 | %.1f GFLOP/s |\n", m->fma256_flops / 1e9);
    printf("| float32 multiply-adds, AVX-512 | %.1f GFLOP/s |\n", m->fma512_flops / 1e9);
    printf("| int16 multiply-adds, AVX-512 VNNI | %.1f G/s |\n", m->int16_operations / 1e9);
    printf("| reading 16 KiB, 512 KiB, 8 MiB, 256 MiB | %.0f, %.0f, %.0f, %.0f GB/s |\n",
           m->l1_bytes / 1e9, m->l2_bytes / 1e9, m->l3_bytes / 1e9, m->memory_bytes / 1e9);
    printf("| reading rows of 2 KiB at random from 40 MB | %.1f GB/s |\n", m->random_bytes / 1e9);
    printf("| e^x, kernels %s | %.2f G/s |\n\n", vql_kernels_name(), m->exponentials / 1e9);
}
