#include "codebook.h"

#include <math.h>

enum { CODEBOOK_ROWS = 64 }; /* keys assigned at once */

/* A codebook across: [D_g, K padded], and ‖C‖² / 2 [K padded], infinite beyond K. */
typedef struct codebook_across {
    loops_matrix codewords;
    float *half_norms;
} codebook_across;

static codebook_across turn(const train_codebook *codebook, size_t width, float *room)
{
    const size_t padded = loops_padded(codebook->codewords);
    const codebook_across made = {{room, padded}, room + width * padded};
    for (size_t a = 0; a < padded; a++) {
        float squares = 0.0F;
        for (size_t j = 0; j < width; j++) {
            const float x = a < codebook->codewords ? codebook->value[a * width + j] : 0.0F;
            room[j * padded + a] = x;
            squares += x * x;
        }
        made.half_norms[a] = a < codebook->codewords ? 0.5F * squares : INFINITY;
    }
    return made;
}

void codebook_assign_group(const train_model *model, const train_loops *loops, uint32_t group,
                           const float *keys, size_t count, memory_buffer *buffer, uint32_t *codes)
{
    const train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width, stride = model->config.width;
    const size_t padded = loops_padded(codebook->codewords);
    float *room = memory_floats(buffer, (width + 1 + CODEBOOK_ROWS) * padded);
    const codebook_across across = turn(codebook, width, room);
    const loops_matrix products = {across.half_norms + padded, padded};
    keys += group * width;
    for (size_t i = 0; i < count; i += CODEBOOK_ROWS) {
        const size_t rows = count - i < CODEBOOK_ROWS ? count - i : CODEBOOK_ROWS;
        loops->product(rows, width, padded, (loops_input){keys + i * stride, stride},
                       loops_read(across.codewords), products);
        for (size_t n = 0; n < rows; n++)
            codes[(i + n) * model->config.groups] =
                (uint32_t)loops->nearest(padded, across.half_norms, products.at + n * padded);
    }
}

void codebook_assign(const train_model *model, const train_loops *loops, const float *keys,
                     size_t count, memory_buffer *room, uint32_t *codes)
{
    for (uint32_t g = 0; g < model->config.groups; g++)
        codebook_assign_group(model, loops, g, keys, count, room, codes + g);
}
