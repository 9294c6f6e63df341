#include "scan_cache.h"

#include <math.h>

static size_t group_size(const train_pass *pass, uint32_t group)
{
    const train_model *model = pass->model;
    return (size_t)model->kernels * model->codebooks[group].codewords * (model->group_width + 1);
}

size_t scan_cache_size(const train_pass *pass)
{
    size_t size = 0;
    for (uint32_t g = 0; g < pass->model->config.groups; g++)
        size += group_size(pass, g);
    return size;
}

cache_group scan_cache_group(const train_pass *pass, float *cache, uint32_t group)
{
    const train_model *model = pass->model;
    for (uint32_t g = 0; g < group; g++)
        cache += group_size(pass, g);
    const size_t sums =
        (size_t)model->kernels * model->codebooks[group].codewords * model->group_width;
    return (cache_group){cache, cache + sums};
}

void scan_cache_add(const train_pass *pass, float *cache, uint32_t slot, const float *weights)
{
    const train_model *model = pass->model;
    const size_t width = model->group_width;
    const float *value = pass->seen_values + (size_t)slot * model->config.width;
    for (uint32_t g = 0; g < model->config.groups; g++, value += width) {
        const cache_group group = scan_cache_group(pass, cache, g);
        const size_t codewords = model->codebooks[g].codewords;
        const size_t code = pass->codes[(size_t)slot * model->config.groups + g];
        for (uint32_t r = 0; r < model->kernels; r++) {
            float *restrict sum = group.sums + (r * codewords + code) * width;
            group.masses[r * codewords + code] += weights[r];
            for (size_t j = 0; j < width; j++)
                sum[j] += weights[r] * value[j];
        }
    }
}

void scan_cache_advance(const train_pass *pass, float *cache, double hours)
{
    const train_model *model = pass->model;
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const cache_group group = scan_cache_group(pass, cache, g);
        const size_t codewords = model->codebooks[g].codewords;
        const size_t sums = codewords * model->group_width;
        for (uint32_t r = 0; r < model->kernels; r++) {
            const float keep = (float)exp(-(double)pass->kernel.decay[r] * hours);
            for (size_t i = 0; i < sums; i++)
                group.sums[r * sums + i] *= keep;
            for (size_t a = 0; a < codewords; a++)
                group.masses[r * codewords + a] *= keep;
        }
    }
}
