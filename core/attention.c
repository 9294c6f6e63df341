#include "attention.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "model_data.h"

/* ---- memory ---- */

/*
 * An integer weight is the nearest of 32,767 steps. When a candidate's weights, averaged over the
 * history's normalisers, are below this many of them, as when only codewords at the low end of its
 * ŝ are in use, they are computed anew, relative to the largest of the codewords in use.
 */
enum { LEAST_MEAN_WEIGHT = 256 };

static size_t number_bytes(vql_scoring_format format)
{
    return format == VQL_SCORING_INT16 ? sizeof(int16_t) : sizeof(float);
}

void vql_attention_take(vql_attention *attention, const vql_tables *tables, vql_scratch *scratch)
{
    const vql_model *model = tables->model;
    const uint32_t heads = model->shape.heads;
    const size_t number = number_bytes(tables->table.format);
    const uint32_t columns = vql_round_up(model->shape.head_width, VQL_LANES);
    attention->tables = tables;
    attention->kernels = vql_kernels_active();
    attention->format = tables->table.format;
    attention->columns = columns;
    attention->heads = vql_scratch_take(scratch, heads, sizeof *attention->heads);
    uint32_t most = 0;
    for (uint32_t h = 0; h < heads; h++) {
        const uint32_t codewords = tables->head_start[h + 1] - tables->head_start[h];
        const vql_folded_head folded = {
            .codewords = codewords,
            .mask = vql_scratch_take(scratch, (codewords + 31) / 32, sizeof(uint32_t)),
            .values = vql_scratch_take(scratch, (codewords + 1) * (size_t)columns, number),
            .normalisers = vql_scratch_take(scratch, codewords + 1, number),
            .centre = vql_scratch_take(scratch, columns, sizeof(float)),
            .scales = vql_scratch_take(scratch, columns, sizeof(float)),
        };
        if (attention->heads != NULL)
            attention->heads[h] = folded;
        most = codewords > most ? codewords : most;
    }
    attention->weight_stride = vql_round_up(most, VQL_LANES) + 2;
    const size_t numbers = VQL_BLOCK * attention->weight_stride;
    attention->fold_values = vql_scratch_take(scratch, (most + 1) * (size_t)columns, sizeof(float));
    attention->fold_normalisers = vql_scratch_take(scratch, most + 1, sizeof(float));
    attention->logits = vql_scratch_take(scratch, numbers, sizeof(float));
    attention->wide_weights = vql_scratch_take(scratch, attention->weight_stride, sizeof(float));
    attention->weights = vql_scratch_take(scratch, numbers, number);
}

/* ---- the folded history ---- */

void vql_attention_clear(vql_attention *attention)
{
    for (uint32_t h = 0; h < attention->tables->model->shape.heads; h++)
        attention->heads[h].occupied = 0;
}

bool vql_attention_is_clear(const vql_attention *attention)
{
    for (uint32_t h = 0; h < attention->tables->model->shape.heads; h++)
        if (attention->heads[h].occupied > 0)
            return false;
    return true;
}

/* What a tile's columns of the fold's values are, the centre taken out. */
typedef struct column_sizes {
    float most[VQL_LANES];
    float sum[VQL_LANES];
} column_sizes;

/* Takes the mean value out of a tile's columns of the fold's values, and into centre. */
static column_sizes take_centre(vql_attention *attention, uint32_t rows, float total,
                                uint32_t first, float *centre)
{
    const float *normalisers = attention->fold_normalisers;
    const size_t columns = attention->columns;
    column_sizes sizes = {{0.0f}, {0.0f}};
    float middle[VQL_LANES] = {0.0f};
    const float *value = attention->fold_values + first;
    for (uint32_t i = 0; i < rows; i++, value += columns)
        for (size_t j = 0; j < VQL_LANES; j++)
            middle[j] += value[j];
    for (size_t j = 0; j < VQL_LANES; j++)
        centre[first + j] = middle[j] /= total;
    float *left = attention->fold_values + first;
    for (uint32_t i = 0; i < rows; i++, left += columns) {
        for (size_t j = 0; j < VQL_LANES; j++) {
            left[j] -= normalisers[i] * middle[j];
            const float size = fabsf(left[j]);
            sizes.sum[j] += size;
            sizes.most[j] = size > sizes.most[j] ? size : sizes.most[j];
        }
    }
    return sizes;
}

/*
 * What numbers are to be multiplied by so that, rounded, none is above 32,767 and the sizes of
 * `rows` of them sum to at most 65,535.
 */
static float quantizing_factor(float most, float sum, uint32_t rows)
{
    const float room = 65535.0f - 0.5f * (float)rows;
    const float factor = room / sum < 32767.0f / most ? room / sum : 32767.0f / most;
    return most > 0.0f && isfinite(factor) ? factor : 0.0f;
}

static void pack_int16(vql_attention *attention, vql_folded_head *folded, uint32_t rows)
{
    const vql_kernels *kernels = attention->kernels;
    int16_t *values = folded->values;
    float most = 0.0f;
    float total = 0.0f;
    for (uint32_t i = 0; i < rows; i++) {
        total += attention->fold_normalisers[i];
        most = fmaxf(most, attention->fold_normalisers[i]);
    }
    const float factor = quantizing_factor(most, total, rows);
    kernels->quantize(rows, factor, attention->fold_normalisers, folded->normalisers);
    folded->least_total = (int32_t)(LEAST_MEAN_WEIGHT * factor * total);
    for (uint32_t first = 0; first < attention->columns; first += VQL_LANES) {
        const column_sizes sizes = take_centre(attention, rows, total, first, folded->centre);
        float factors[VQL_LANES];
        for (size_t j = 0; j < VQL_LANES; j++) {
            factors[j] = quantizing_factor(sizes.most[j], sizes.sum[j], rows);
            folded->scales[first + j] = factors[j] > 0.0f ? factor / factors[j] : 0.0f;
        }
        kernels->pack_int16(rows, attention->fold_values + first, attention->columns, factors,
                            values + (size_t)first * rows);
    }
}

static void pack_f32(const vql_attention *attention, vql_folded_head *folded, uint32_t rows)
{
    const size_t columns = attention->columns;
    float *values = folded->values;
    for (uint32_t first = 0; first < columns; first += VQL_LANES)
        for (uint32_t i = 0; i < rows; i++, values += VQL_LANES)
            memcpy(values, attention->fold_values + i * columns + first,
                   VQL_LANES * sizeof *values);
    memcpy(folded->normalisers, attention->fold_normalisers, rows * sizeof(float));
}

/* Marks the codewords in use. */
static void set_mask(vql_folded_head *folded, const float *normalisers)
{
    folded->occupied = 0;
    memset(folded->mask, 0, (folded->codewords + 31) / 32 * sizeof *folded->mask);
    for (uint32_t a = 0; a < folded->codewords; a++) {
        const uint32_t bit = normalisers[a] > 0.0f;
        folded->mask[a / 32] |= bit << a % 32;
        folded->occupied += bit;
    }
}

/* Copies the rows of the panel to the scratch, and zeros behind them. */
static void gather_rows(vql_attention *attention, const vql_folded_head *folded,
                        const float *values, const float *normalisers)
{
    const size_t columns = attention->columns;
    float *to = attention->fold_values;
    uint32_t rows = 0;
    if (folded->whole) {
        rows = folded->codewords;
        memcpy(to, values, rows * columns * sizeof *to);
        memcpy(attention->fold_normalisers, normalisers, rows * sizeof *normalisers);
    } else {
        for (uint32_t a = 0; a < folded->codewords; a++) {
            if (!(normalisers[a] > 0.0f))
                continue;
            attention->fold_normalisers[rows] = normalisers[a];
            memcpy(to + rows++ * columns, values + a * columns, columns * sizeof *to);
        }
    }
    memset(to + rows * columns, 0, columns * sizeof *to);
    attention->fold_normalisers[rows] = 0.0f;
}

void vql_attention_set_head(vql_attention *attention, uint32_t head, const float *values,
                            const float *normalisers)
{
    vql_folded_head *folded = &attention->heads[head];
    set_mask(folded, normalisers);
    if (folded->occupied == 0)
        return;
    folded->whole = 2 * folded->occupied >= folded->codewords;
    folded->rows = vql_round_up(folded->whole ? folded->codewords : folded->occupied, 2);
    gather_rows(attention, folded, values, normalisers);
    if (attention->format == VQL_SCORING_INT16) {
        pack_int16(attention, folded, folded->rows);
    } else {
        memset(folded->centre, 0, attention->columns * sizeof(float));
        pack_f32(attention, folded, folded->rows);
    }
}

/* ---- candidates' weights ---- */

static void *scratch_weights(const vql_attention *attention, size_t candidate)
{
    uint8_t *weights = attention->weights;
    return weights + candidate * attention->weight_stride * number_bytes(attention->format);
}

/* Writes a zero behind an odd number of weights: the kernels take pairs. */
static void pad_weights(const vql_attention *attention, uint32_t count, void *weights)
{
    if (count % 2 == 0)
        return;
    if (attention->format == VQL_SCORING_INT16)
        ((int16_t *)weights)[count] = 0;
    else
        ((float *)weights)[count] = 0.0f;
}

/* Picks the weights of codewords in use out of a row of the table. */
static const void *pick_weights(const vql_attention *attention, const vql_folded_head *folded,
                                const void *row, size_t candidate)
{
    void *weights = scratch_weights(attention, candidate);
    if (attention->format == VQL_SCORING_INT16)
        attention->kernels->compact_int16(folded->codewords, folded->mask, row, weights);
    else
        attention->kernels->compact(folded->codewords, folded->mask, row, weights);
    pad_weights(attention, folded->occupied, weights);
    return weights;
}

/* q · C_a of a block, for all codewords of a head, to attention->logits. */
static void compute_logits(vql_attention *attention, uint32_t head, const uint32_t *rows)
{
    const vql_panel *codewords = &attention->tables->codewords[head];
    const size_t head_width = attention->tables->model->shape.head_width;
    const float *queries[VQL_BLOCK];
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        queries[m] = vql_tables_query(attention->tables, rows[m]) + head * head_width;
        memset(attention->logits + m * attention->weight_stride, 0,
               codewords->outputs * sizeof(float));
    }
    vql_panel_multiply(codewords, attention->kernels, queries, attention->logits,
                       attention->weight_stride);
}

/* The largest q · C_a of the codewords in use. */
static float largest_logit(const vql_folded_head *folded, const float *logits)
{
    float most = -FLT_MAX;
    for (uint32_t a = 0; a < folded->codewords; a++)
        if ((folded->mask[a / 32] >> a % 32 & 1) != 0 && logits[a] > most)
            most = logits[a];
    return most;
}

/*
 * e^{ŝ} of the panel's codewords from their q · C_a, the largest ŝ of those in use subtracted; at
 * most 1, which matters for codewords that are not in use alone.
 */
static const void *computed_weights(const vql_attention *attention, const vql_folded_head *folded,
                                    size_t candidate)
{
    const vql_kernels *kernels = attention->kernels;
    const uint32_t count = folded->whole ? folded->codewords : folded->occupied;
    const float scale = 1.0f / sqrtf((float)attention->tables->model->shape.head_width);
    const float *logits = attention->logits + candidate * attention->weight_stride;
    const float most = largest_logit(folded, logits);
    float *wide = attention->wide_weights;
    void *weights = scratch_weights(attention, candidate);
    if (folded->whole)
        memcpy(wide, logits, count * sizeof *wide);
    else
        kernels->compact(folded->codewords, folded->mask, logits, wide);
    for (uint32_t i = 0; i < count; i++)
        wide[i] = wide[i] < most ? (wide[i] - most) * scale : 0.0f;
    kernels->exponential(count, wide);
    if (attention->format == VQL_SCORING_INT16)
        kernels->quantize(count, VQL_WEIGHT_STEPS, wide, weights);
    else
        memcpy(weights, wide, count * sizeof *wide);
    pad_weights(attention, count, weights);
    return weights;
}

/* Candidates, by their rows and by the table's, NULL for those without. */
typedef struct chunk {
    const uint32_t *rows;
    size_t count;
    const uint8_t *weights[VQL_CHUNK + VQL_BLOCK]; /* the first block of the next chunk with them */
    bool more;                                     /* whether there is one */
} chunk;

static void find_table_rows(chunk *of, const vql_weight_table *table)
{
    const size_t count = of->count + (of->more ? VQL_BLOCK : 0);
    for (size_t n = 0; n < count; n++)
        of->weights[n] = vql_weight_table_row(table, of->rows[n]);
}

/* Where the weights of a block's candidates are, in the order of the folded codewords. */
static void find_weights(vql_attention *attention, uint32_t head, const chunk *of, size_t first,
                         const void **weights)
{
    const vql_folded_head *folded = &attention->heads[head];
    const uint8_t *const *here = of->weights + first;
    const size_t offset = attention->tables->table.head_offsets[head];
    bool computed = false;
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        if (here[m] != NULL && folded->whole) {
            weights[m] = here[m] + offset;
        } else if (here[m] != NULL) {
            weights[m] = pick_weights(attention, folded, here[m] + offset, m);
        } else {
            if (!computed)
                compute_logits(attention, head, of->rows + first);
            computed = true;
            weights[m] = computed_weights(attention, folded, m);
        }
    }
}

/* ---- a chunk of candidates ---- */

/*
 * Blocks that go through a head before they go through the next: in integers as many as there are,
 * so that a head's panel stays in the first-level cache; a panel of floats would leave no room
 * there for weights, and goes by with each block.
 */
static size_t span_of(const vql_attention *attention)
{
    return attention->format == VQL_SCORING_INT16 ? VQL_CHUNK : VQL_BLOCK;
}

/* The lines of weights that come after those of a block for a head. */
static vql_ahead lines_ahead(const vql_attention *attention, uint32_t head, const chunk *of,
                             size_t first)
{
    const vql_weight_table *table = &attention->tables->table;
    const size_t span = span_of(attention);
    vql_ahead ahead = {.lines = 0};
    size_t next = first + VQL_BLOCK;
    const bool last = next == of->count || next % span == 0;
    if (last && head + 1 < table->heads) {
        next = first / span * span;
        head++;
    } else if (last) {
        head = 0;
    }
    if (table->capacity == 0 || (next == of->count && !of->more))
        return ahead;
    ahead.lines = (table->head_offsets[head + 1] - table->head_offsets[head]) / VQL_LINE;
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const uint8_t *row = of->weights[next + m];
        ahead.rows[m] = (row != NULL ? row : table->rows) + table->head_offsets[head];
    }
    return ahead;
}

/*
 * o of a head, tile by tile. A tile is written whole: what is beyond d is the next head's, which
 * comes after, or behind the last head's. totals: of integers alone.
 */
static void attend_tiles(const vql_attention *attention, const vql_folded_head *folded,
                         const void *const *weights, const vql_ahead *ahead, float *o,
                         size_t stride, int32_t *totals)
{
    static const vql_ahead nothing = {.lines = 0};
    const vql_kernels *kernels = attention->kernels;
    const size_t number = number_bytes(attention->format);
    for (uint32_t first = 0; first < attention->columns; first += VQL_LANES) {
        const vql_ahead *lines = first == 0 ? ahead : &nothing;
        const vql_fold_tile tile = {
            .panel = (const uint8_t *)folded->values + (size_t)first * folded->rows * number,
            .normalisers = folded->normalisers,
            .centre = folded->centre + first,
            .scales = folded->scales + first,
        };
        if (attention->format == VQL_SCORING_INT16)
            kernels->attend_int16(folded->rows, (const int16_t *const *)weights, &tile, lines,
                                  o + first, stride, totals);
        else
            kernels->attend(folded->rows, (const float *const *)weights, &tile, lines, o + first,
                            stride);
    }
}

/* Computes the weights of candidates whose table's weights are too small; whether there are any. */
static bool mend_weights(vql_attention *attention, uint32_t head, const chunk *of, size_t first,
                         const int32_t *totals, const void **weights)
{
    const vql_folded_head *folded = &attention->heads[head];
    const uint8_t *const *here = of->weights + first;
    bool computed = false;
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        if (totals[m] >= folded->least_total || here[m] == NULL)
            continue;
        if (!computed)
            compute_logits(attention, head, of->rows + first);
        computed = true;
        weights[m] = computed_weights(attention, folded, m);
    }
    return computed;
}

static void attend_block(vql_attention *attention, uint32_t head, const chunk *of, size_t first,
                         float *o, size_t stride)
{
    static const vql_ahead nothing = {.lines = 0};
    const vql_folded_head *folded = &attention->heads[head];
    const vql_ahead ahead = lines_ahead(attention, head, of, first);
    const void *weights[VQL_BLOCK];
    int32_t totals[VQL_BLOCK];
    find_weights(attention, head, of, first, weights);
    attend_tiles(attention, folded, weights, &ahead, o, stride, totals);
    if (attention->format == VQL_SCORING_INT16 &&
        mend_weights(attention, head, of, first, totals, weights))
        attend_tiles(attention, folded, weights, &nothing, o, stride, totals);
}

/* A head's o of a block of which no codeword is in use. */
static void clear_block(const vql_attention *attention, float *o, size_t stride)
{
    for (size_t m = 0; m < VQL_BLOCK; m++)
        memset(o + m * stride, 0, attention->columns * sizeof *o);
}

void vql_attention_chunk(vql_attention *attention, const uint32_t *rows, size_t count, bool more,
                         float *o, size_t stride)
{
    const vql_shape *shape = &attention->tables->model->shape;
    const size_t span = span_of(attention);
    chunk of = {.rows = rows, .count = count, .more = more};
    find_table_rows(&of, &attention->tables->table);
    for (size_t start = 0; start < count; start += span) {
        const size_t end = count - start < span ? count : start + span;
        for (uint32_t h = 0; h < shape->heads; h++) {
            float *part = o + (size_t)h * shape->head_width;
            for (size_t first = start; first < end; first += VQL_BLOCK)
                if (attention->heads[h].occupied > 0)
                    attend_block(attention, h, &of, first, part + first * stride, stride);
                else
                    clear_block(attention, part + first * stride, stride);
        }
    }
}
