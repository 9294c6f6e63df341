#include "panel.h"

#include <string.h>

#include "allocation.h"

/* Writes a tile in float32: [panel->inputs, VQL_LANES]. */
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

vql_code vql_panel_init(vql_panel *panel, vql_panel_source source, vql_scoring_format format,
                        const vql_allocator *allocator, size_t *held)
{
    vql_panel made = {
        .format = format,
        .inputs = vql_round_up(source.inputs, 2),
        .outputs = vql_round_up(source.outputs, VQL_LANES),
    };
    *panel = (vql_panel){0};
    const size_t tile = (size_t)made.inputs * VQL_LANES;
    const size_t number = format == VQL_SCORING_BF16 ? sizeof(uint16_t) : sizeof(float);
    float *wide = vql_allocate_array(allocator, tile, sizeof *wide, NULL);
    if (wide == NULL)
        return VQL_NO_MEMORY;
    made.tiles = vql_allocate_array(allocator, (uint64_t)made.inputs * made.outputs, number, held);
    for (uint32_t t = 0; made.tiles != NULL && t < made.outputs / VQL_LANES; t++) {
        write_tile(&made, source, t, wide);
        if (format == VQL_SCORING_BF16)
            vql_kernels_active()->pack_bf16(made.inputs, wide, VQL_LANES,
                                            (uint16_t *)made.tiles + t * tile);
        else
            memcpy((float *)made.tiles + t * tile, wide, tile * sizeof *wide);
    }
    vql_release(allocator, wide);
    if (made.tiles == NULL)
        return VQL_NO_MEMORY;
    *panel = made;
    return VQL_OK;
}

void vql_panel_release(vql_panel *panel, const vql_allocator *allocator)
{
    vql_release(allocator, panel->tiles);
    *panel = (vql_panel){0};
}

void vql_panel_multiply(const vql_panel *panel, const vql_kernels *kernels, const void *const *rows,
                        float *sums, size_t stride)
{
    const size_t tile = (size_t)panel->inputs * VQL_LANES;
    for (uint32_t t = 0; t < panel->outputs / VQL_LANES; t++) {
        if (panel->format == VQL_SCORING_BF16)
            kernels->product_bf16(panel->inputs, (const uint16_t *const *)rows,
                                  (const uint16_t *)panel->tiles + t * tile, sums + t * VQL_LANES,
                                  stride);
        else
            kernels->product(panel->inputs, (const float *const *)rows,
                             (const float *)panel->tiles + t * tile, sums + t * VQL_LANES, stride);
    }
}
