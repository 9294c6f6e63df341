/*
 * The level of instruction set that the inner loops use: "scalar" everywhere; "avx2" (with FMA),
 * "avx512" (F, BW, VL) and "avx512vnni" (with VNNI and VBMI2) on x86-64; "neon" on aarch64. The
 * best level that the processor and the operating system support is chosen at first use. Scores of
 * different levels agree up to rounding.
 */
#ifndef VQL_KERNELS_H
#define VQL_KERNELS_H

#include <stddef.h>

#include "vql/error.h"

/*
 * Forces a level for catalogs and scorers that are made from now on; NULL or "" chooses the best
 * one. Call it before other threads use the library. error may be NULL. Returns VQL_OK, or
 * VQL_VALUE for a level that is unknown or not supported here (the text lists those that are).
 */
vql_code vql_kernels_select(const char *name, vql_error *error);

/* The level in use; a static string. */
const char *vql_kernels_name(void);

/* The levels supported here, the slowest first: a static string, or NULL from their number on. */
const char *vql_kernels_supported(size_t index);

#endif
