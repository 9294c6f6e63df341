#include "config.h"

#include <math.h>
#include <stddef.h>

enum {
    CONFIG_MAX_WIDTH = 4096,
    CONFIG_MAX_HEAD_WIDTH = 1024, /* logits are at most √d in size: e^√d is far from overflow */
    CONFIG_MAX_CODEWORDS = 65536,
    CONFIG_MAX_HISTORY = 1000000,
    CONFIG_MAX_COUNT = 1 << 24,
};

train_config train_config_default(void)
{
    train_config config = {
        .width = 64,
        .heads = 4,
        .groups = 4,
        .kernels = 3,
        .item_width = 32,
        .field_width = 16,
        .type_width = 8,
        .hidden_layers = 2,
        .hidden = {64, 32},
        .decay_start = {1e-6, 1.0 / 720.0, 1.0 / 24.0},
        .mixture_start = {2.0, 0.0, 0.0},
        .attention = ATTENTION_VQL,
        .max_history = 1000000,
        .static_context = true,
        .epochs = 9,
        .warm_epochs = 4,
        .batch = 2048,
        .run = 16,
        .patience = 3,
        .rate = 1e-3,
        .kernel_rate = 1e-2,
        .hold = 0.4,
        .final_rate = 0.01,
        .weight_decay = 1e-4,
        .embedding_decay = 1.0,
        .commitment = 0.01,
        .codebook_memory = 0.95,
        .count_memory = 0.995,
        .reseed_every = 20,
        .seed = 1,
        .threads = 1,
    };
    for (uint32_t g = 0; g < TRAIN_MAX_GROUPS; g++)
        config.codewords[g] = 256;
    return config;
}

typedef struct config_integer {
    const char *name;
    uint32_t value, low, high;
} config_integer;

typedef struct config_number {
    const char *name;
    double value, low, high;
} config_number;

static vql_code check_integers(const config_integer *rows, size_t count, vql_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].value < rows[i].low || rows[i].value > rows[i].high)
            return vql_fail(error, VQL_VALUE, "%s is %u, not within %u … %u", rows[i].name,
                            rows[i].value, rows[i].low, rows[i].high);
    return VQL_OK;
}

static vql_code check_numbers(const config_number *rows, size_t count, vql_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!(rows[i].value >= rows[i].low && rows[i].value <= rows[i].high))
            return vql_fail(error, VQL_VALUE, "%s is %g, not within %g … %g", rows[i].name,
                            rows[i].value, rows[i].low, rows[i].high);
    return VQL_OK;
}

static vql_code check_shape(const train_config *config, vql_error *error)
{
    const config_integer shape[] = {
        {"width", config->width, 1, CONFIG_MAX_WIDTH},
        {"heads", config->heads, 1, 256},
        {"groups", config->groups, 1, TRAIN_MAX_GROUPS},
        {"kernels", config->kernels, 0, TRAIN_MAX_KERNELS},
        {"item width", config->item_width, 1, CONFIG_MAX_WIDTH},
        {"field width", config->field_width, 1, CONFIG_MAX_WIDTH},
        {"type width", config->type_width, 1, CONFIG_MAX_WIDTH},
        {"hidden layers", config->hidden_layers, 0, TRAIN_MAX_HIDDEN},
        {"max history", config->max_history, 1, CONFIG_MAX_HISTORY},
        {"attention count", config->attention_count, train_config_chooses(config),
         CONFIG_MAX_HISTORY},
        {"epochs", config->epochs, 1, CONFIG_MAX_COUNT},
        {"warm epochs", config->warm_epochs, 0, CONFIG_MAX_COUNT},
        {"batch", config->batch, 1, CONFIG_MAX_COUNT},
        {"run", config->run, 1, CONFIG_MAX_COUNT},
        {"patience", config->patience, 0, CONFIG_MAX_COUNT},
        {"reseed every", config->reseed_every, 0, CONFIG_MAX_COUNT},
        {"threads", config->threads, 1, TRAIN_MAX_THREADS},
    };
    return check_integers(shape, sizeof shape / sizeof *shape, error);
}

static vql_code check_layers(const train_config *config, vql_error *error)
{
    for (uint32_t g = 0; g < config->groups; g++) {
        const config_integer row = {"codewords", config->codewords[g], 1, CONFIG_MAX_CODEWORDS};
        const vql_code code = check_integers(&row, 1, error);
        if (code != VQL_OK)
            return code;
    }
    for (uint32_t n = 0; n < config->hidden_layers; n++) {
        const config_integer row = {"hidden", config->hidden[n], 1, CONFIG_MAX_WIDTH};
        const vql_code code = check_integers(&row, 1, error);
        if (code != VQL_OK)
            return code;
    }
    for (uint32_t r = 0; r < config->kernels; r++) {
        const config_number rows[] = {{"decay", config->decay_start[r], 1e-12, 1e6},
                                      {"mixture", config->mixture_start[r], -20.0, 20.0}};
        const vql_code code = check_numbers(rows, 2, error);
        if (code != VQL_OK)
            return code;
    }
    return VQL_OK;
}

static vql_code check_rates(const train_config *config, vql_error *error)
{
    const config_number rates[] = {
        {"rate", config->rate, 0.0, 10.0},
        {"kernel rate", config->kernel_rate, 0.0, 10.0},
        {"hold", config->hold, 0.0, 1.0},
        {"final rate", config->final_rate, 0.0, 1.0},
        {"weight decay", config->weight_decay, 0.0, 100.0},
        {"embedding decay", config->embedding_decay, 0.0, 100.0},
        {"dropout", config->dropout, 0.0, 0.99},
        {"commitment", config->commitment, 0.0, 100.0},
        {"codebook memory", config->codebook_memory, 0.0, 1.0},
        {"count memory", config->count_memory, 0.0, 1.0},
    };
    return check_numbers(rates, sizeof rates / sizeof *rates, error);
}

vql_code train_config_check(const train_config *config, vql_error *error)
{
    vql_code code = check_shape(config, error);
    if (code == VQL_OK)
        code = check_layers(config, error);
    if (code == VQL_OK)
        code = check_rates(config, error);
    if (code != VQL_OK)
        return code;
    if (config->width % config->heads != 0)
        return vql_fail(error, VQL_VALUE, "heads is %u, which does not divide the width of %u",
                        config->heads, config->width);
    if (config->heads % config->groups != 0)
        return vql_fail(error, VQL_VALUE, "groups is %u, which does not divide the %u heads",
                        config->groups, config->heads);
    if (config->width / config->heads > CONFIG_MAX_HEAD_WIDTH)
        return vql_fail(error, VQL_VALUE, "a head's width is %u, more than %d",
                        config->width / config->heads, CONFIG_MAX_HEAD_WIDTH);
    return VQL_OK;
}

bool train_config_chooses(const train_config *config)
{
    return config->attention == ATTENTION_TOP || config->attention == ATTENTION_SEARCH;
}

const char *train_attention_name(train_attention attention)
{
    static const char *const names[] = {
        [ATTENTION_VQL] = "vql",       [ATTENTION_EXACT] = "exact", [ATTENTION_TOP] = "top",
        [ATTENTION_SEARCH] = "search", [ATTENTION_HASH] = "hash",   [ATTENTION_MEAN] = "mean",
        [ATTENTION_NONE] = "none",
    };
    return names[attention];
}
