#include "scan_debt.h"

#include <math.h>
#include <string.h>

#include "direct.h"

/* Where a row's parts begin. */
typedef struct debt_parts {
    size_t query; /* Σ c (g·o) q */
    size_t slope; /* Σ c g; Σ c g·o follows */
    size_t aged;  /* Σ c τ g; Σ c τ g·o follows */
    size_t end;
} debt_parts;

static debt_parts parts_of(const train_pass *pass)
{
    const size_t d = pass->model->head_width;
    const size_t slope = (d + 1) * loops_padded(d);
    return (debt_parts){slope - loops_padded(d), slope, slope + d + 1, slope + 2 * d + 2};
}

size_t scan_debt_stride(const train_pass *pass)
{
    return loops_padded(parts_of(pass).end);
}

static uint32_t group_of(const train_pass *pass, uint32_t head)
{
    return head / (pass->model->config.heads / pass->model->config.groups);
}

static size_t rows_before(const train_pass *pass, uint32_t head)
{
    size_t rows = 0;
    for (uint32_t h = 0; h < head; h++)
        rows += pass->model->codebooks[group_of(pass, h)].codewords;
    return rows * pass->model->kernels;
}

size_t scan_debt_size(const train_pass *pass)
{
    return rows_before(pass, pass->model->config.heads) * scan_debt_stride(pass);
}

loops_matrix scan_debt_rows(const train_pass *pass, float *debt, uint32_t head, uint32_t kernel)
{
    const size_t codewords = pass->model->codebooks[group_of(pass, head)].codewords;
    const size_t stride = scan_debt_stride(pass);
    return (loops_matrix){debt + (rows_before(pass, head) + kernel * codewords) * stride, stride};
}

void scan_debt_terms(const train_pass *pass, size_t impression, uint32_t head, float hours,
                     float *terms)
{
    const train_model *model = pass->model;
    const size_t d = model->head_width;
    const debt_parts parts = parts_of(pass);
    const size_t at =
        impression * (model->x_width + model->config.width) + model->x_width + head * d;
    const float *query = pass->queries + impression * model->config.width + head * d;
    const float *slope = pass->input_slopes + at, *o = pass->inputs + at;
    float along = 0.0F;
    for (size_t j = 0; j < d; j++)
        along += slope[j] * o[j];
    memset(terms, 0, scan_debt_stride(pass) * sizeof *terms);
    for (size_t j = 0; j < d; j++) {
        float *row = terms + j * loops_padded(d);
        for (size_t i = 0; i < d; i++)
            row[i] = slope[j] * query[i];
        terms[parts.query + j] = along * query[j];
        terms[parts.slope + j] = slope[j];
        terms[parts.aged + j] = hours * slope[j];
    }
    terms[parts.slope + d] = along;
    terms[parts.aged + d] = hours * along;
}

void scan_debt_retreat(const train_pass *pass, float *debt, double hours)
{
    const train_model *model = pass->model;
    const debt_parts parts = parts_of(pass);
    const size_t d = model->head_width, stride = scan_debt_stride(pass);
    for (uint32_t h = 0; h < model->config.heads; h++)
        for (uint32_t r = 0; r < model->kernels; r++) {
            const float keep = (float)exp(-(double)pass->kernel.decay[r] * hours);
            float *row = scan_debt_rows(pass, debt, h, r).at;
            const float *end = row + model->codebooks[group_of(pass, h)].codewords * stride;
            for (; row < end; row += stride) {
                for (size_t j = 0; j <= d; j++)
                    row[parts.aged + j] += (float)hours * row[parts.slope + j];
                for (size_t j = 0; j < stride; j++)
                    row[j] *= keep;
            }
        }
}

/* The slopes of λ_r and w_{h,r}: what the row's events have in the term, times the slope of κ. */
static void pay_kernel(const train_pass *pass, pass_thread *thread, uint32_t head, uint32_t kernel,
                       const float *row, const float *value, float weight, float age)
{
    const debt_parts parts = parts_of(pass);
    const size_t d = pass->model->head_width;
    const size_t at = (size_t)head * pass->model->kernels + kernel;
    double now = -(double)row[parts.slope + d], aged = -(double)row[parts.aged + d];
    for (size_t j = 0; j < d; j++) {
        now += (double)(row[parts.slope + j] * value[j]);
        aged += (double)(row[parts.aged + j] * value[j]);
    }
    thread->decay_slopes[kernel] -= (double)weight * aged + (double)age * now;
    if (pass->kernel.weight[at] > 0.0F)
        thread->mixture_slopes[at] += (double)weight * now / (double)pass->kernel.weight[at];
}

static void pay_head(const train_pass *pass, pass_thread *thread, float *debt, uint32_t slot,
                     uint32_t head, const float *weights, const float *ages)
{
    const train_model *model = pass->model;
    const debt_parts parts = parts_of(pass);
    const size_t d = model->head_width, stride = scan_debt_stride(pass), padded = loops_padded(d);
    const size_t codewords = model->codebooks[group_of(pass, head)].codewords;
    const size_t code = pass->codes[(size_t)slot * model->config.groups + group_of(pass, head)];
    float *rows = scan_debt_rows(pass, debt, head, 0).at + code * stride;
    float *sum = memory_floats(&thread->select_room, stride + d + 1 + padded);
    float *value = sum + stride, *key = value + d + 1;
    memcpy(value, pass->seen_values + (size_t)slot * model->config.width + head * d,
           d * sizeof *value);
    value[d] = -1.0F;
    thread->operations += 2.0 * (double)(model->kernels * stride + d * d);
    pass->loops->product(1, model->kernels, stride, (loops_input){weights, model->kernels},
                         (loops_input){rows, codewords * stride}, (loops_matrix){sum, stride});
    for (uint32_t r = 0; r < model->kernels; r++)
        pay_kernel(pass, thread, head, r, rows + r * codewords * stride, value, weights[r],
                   ages[r]);
    pass->loops->product(1, d + 1, padded, (loops_input){value, d + 1}, (loops_input){sum, padded},
                         (loops_matrix){key, padded});
    direct_add(pass, thread, slot, head, 1.0F / sqrtf((float)d), key, sum + parts.slope);
}

void scan_debt_pay(const train_pass *pass, pass_thread *thread, float *debt, uint32_t slot,
                   const float *weights, const float *ages)
{
    for (uint32_t h = 0; h < pass->model->config.heads; h++)
        pay_head(pass, thread, debt, slot, h, weights, ages);
}
