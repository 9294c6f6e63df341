#include "selection.h"

#include <string.h>

/* The k-th largest of x [count], which is reordered; 1 <= k <= count. Hoare's selection. */
static float largest(float *x, size_t count, size_t k)
{
    size_t low = 0, high = count - 1;
    const size_t target = k - 1;
    while (low < high) {
        const float pivot = x[low + (high - low) / 2];
        size_t i = low, j = high + 1;
        for (;;) {
            while (x[i] > pivot)
                i++;
            do
                j--;
            while (x[j] < pivot);
            if (i >= j)
                break;
            const float swap = x[i];
            x[i++] = x[j];
            x[j] = swap;
        }
        if (target <= j)
            high = j;
        else
            low = j + 1;
    }
    return x[target];
}

const float *selection_top(memory_buffer *room, const train_panel *panel, const float *logits,
                           size_t most)
{
    const size_t count = panel->count, padded = panel->columns;
    const float *weights = panel->weights;
    if (count <= most)
        return weights;
    float *chosen = memory_floats(room, padded + count);
    float *scratch = chosen + padded;
    memcpy(scratch, logits, count * sizeof *scratch);
    const float bound = largest(scratch, count, most);
    size_t above = 0;
    for (size_t u = 0; u < count; u++)
        above += logits[u] > bound;
    size_t equal = most - above;
    memset(chosen, 0, padded * sizeof *chosen);
    for (size_t u = count; u-- > 0;) {
        const int taken = logits[u] > bound || (logits[u] == bound && equal > 0);
        equal -= logits[u] == bound && equal > 0;
        chosen[u] = taken ? weights[u] : 0.0F;
    }
    return chosen;
}

const float *selection_matches(const train_pass *pass, pass_thread *thread,
                               const train_panel *panel, size_t impression)
{
    const uint32_t heads = pass->model->config.heads;
    const uint32_t head = panel->head;
    const uint64_t own = pass->signatures[impression * heads + head];
    float *out = memory_floats(&thread->select_room, panel->columns);
    memset(out, 0, panel->columns * sizeof *out);
    const uint64_t lowest =
        UINT64_C(0x1249249249249249) & ((UINT64_C(1) << (SELECTION_BITS * SELECTION_GROUPS)) - 1);
    for (size_t u = 0; u < panel->count; u++) {
        const uint64_t apart = own ^ pass->row_signatures[(size_t)panel->slots[u] * heads + head];
        const uint64_t differing = (apart | apart >> 1 | apart >> 2) & lowest;
        const int matches = SELECTION_GROUPS - __builtin_popcountll(differing);
        out[u] = panel->weights[u] * (float)matches;
    }
    return out;
}

uint64_t selection_signature(size_t count, const float *planes, const float *x)
{
    uint64_t signature = 0;
    for (size_t b = 0; b < (size_t)SELECTION_BITS * SELECTION_GROUPS; b++) {
        float side = 0.0F;
        for (size_t j = 0; j < count; j++)
            side += planes[b * count + j] * x[j];
        signature |= (uint64_t)(side > 0.0F) << b;
    }
    return signature;
}
