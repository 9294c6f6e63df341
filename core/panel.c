#include "panel.h"

#include <string.h>

#include "allocation.h"

/* Writes a tile: [panel->inputs, VQL_LANES]. */
static void write_tile(const vql_panel *panel, vql_panel_source source, uint32_t tile, float *out)
{
    memset(out, 0, (size_t)panel->inputs * VQL_LANES * sizeof *out);
    for (uint32_t lane = 0; lane < VQL_LANES; lane++) {
        const uint32_t output = tile * VQL_LANES + lane;
        if (output >= source.outputs)
            break;
        const float *row = source.rows + (size_t)output * source.stride + source.first;
        for (uint32_t j = 0; j < source.inputs; j++)
            out[j * VQL_LANES + lane] = row[j];
    }
}

vql_code vql_panel_init(vql_panel *panel, vql_panel_source source, const vql_allocator *allocator,
                        size_t *held)
{
    vql_panel made = {
        .inputs = vql_round_up(source.inputs, 2),
        .outputs = vql_round_up(source.outputs, VQL_LANES),
    };
    *panel = (vql_panel){0};
    made.tiles = vql_allocate_array(allocator, (uint64_t)made.inputs * made.outputs,
                                    sizeof *made.tiles, held);
    if (made.tiles == NULL)
        return VQL_NO_MEMORY;
    for (uint32_t t = 0; t < made.outputs / VQL_LANES; t++)
        write_tile(&made, source, t, made.tiles + (size_t)t * made.inputs * VQL_LANES);
    *panel = made;
    return VQL_OK;
}

void vql_panel_release(vql_panel *panel, const vql_allocator *allocator)
{
    vql_release(allocator, panel->tiles);
    *panel = (vql_panel){0};
}

void vql_panel_multiply(const vql_panel *panel, const vql_kernels *kernels,
                        const float *const *rows, float *sums, size_t stride)
{
    const size_t tile = (size_t)panel->inputs * VQL_LANES;
    for (uint32_t t = 0; t < panel->outputs / VQL_LANES; t++)
        kernels->product(panel->inputs, rows, panel->tiles + t * tile, sums + t * VQL_LANES,
                         stride);
}
