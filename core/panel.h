/*
 * A constant matrix as the kernels' products take it: cut into tiles of VQL_LANES outputs, each a
 * panel of kernels.h.
 *
 *     rows [outputs, inputs]  ──>  [outputs / 16, rounded up][inputs, rounded up to even][16]
 *
 * What is beyond the matrix is zero.
 */
#ifndef VQL_CORE_PANEL_H
#define VQL_CORE_PANEL_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "vql/allocator.h"
#include "vql/error.h"

typedef struct vql_panel {
    uint32_t inputs;  /* even */
    uint32_t outputs; /* a multiple of VQL_LANES */
    float *tiles;
} vql_panel;

/* A part of a matrix: `inputs` columns from `first` on, of rows `stride` numbers long. */
typedef struct vql_panel_source {
    const float *rows; /* [outputs, stride] */
    uint32_t outputs, inputs, first, stride;
} vql_panel_source;

static inline uint32_t vql_round_up(uint32_t count, uint32_t unit)
{
    return (count + unit - 1) / unit * unit;
}

/* *held (may be NULL) grows by what the panel takes. VQL_NO_MEMORY: *panel is all zeros. */
vql_code vql_panel_init(vql_panel *panel, vql_panel_source source, const vql_allocator *allocator,
                        size_t *held);

void vql_panel_release(vql_panel *panel, const vql_allocator *allocator);

/*
 * sums[m · stride + k] += Σ_j rows[m][j] · matrix[k][j] for a block of rows; each has
 * panel->inputs numbers, a last one beyond the matrix being finite.
 */
void vql_panel_multiply(const vql_panel *panel, const vql_kernels *kernels,
                        const float *const *rows, float *sums, size_t stride);

#endif
