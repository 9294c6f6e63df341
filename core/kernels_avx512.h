/*
 * What the two AVX-512 levels share: the kernels of the lower one.
 */
#ifndef VQL_CORE_KERNELS_AVX512_H
#define VQL_CORE_KERNELS_AVX512_H

#include "kernels.h"

void vql_avx512_axpy(size_t count, float a, const float *x, float *sum);
void vql_avx512_combine(size_t count, size_t terms, const float *a, const float *x, size_t stride,
                        float *sum);
void vql_avx512_exponential(size_t count, float *x);
void vql_avx512_product(size_t count, const float *const *rows, const float *panel,
                        const vql_ahead *ahead, float *sums, size_t stride);
void vql_avx512_totals(size_t count, const float *const *rows, const float *x, float *totals);
void vql_avx512_compact(size_t count, const uint32_t *mask, const float *x, float *out);

#endif
