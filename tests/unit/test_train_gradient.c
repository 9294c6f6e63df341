/*
 * Gradients of every parameter against central differences of the loss as a program in float64 has
 * it (vql.md §10, 5): of every kind of attention that has one, with codes frozen.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "census.h"
#include "check_main.h"
#include "codebook.h"
#include "crew.h"
#include "pass.h"
#include "train_fixture.h"
#include "train_reference.h"

/*
 * How far a gradient in float32 may be from the difference, in parts of the tensor's largest: some
 * thousand roundings of 6e-8 each, with cancellation.
 */
static const double gradient_tolerance = 1e-4;

/* What gradients of a tensor that is 0 on purpose may be: of roundings alone. */
static const double gradient_zero = 1e-7;

static const double difference_step = 1e-5;

static train_config small_config(void)
{
    train_config config = train_config_default();
    config.width = 8;
    config.heads = 4;
    config.groups = 2;
    config.kernels = 2;
    config.item_width = 3;
    config.field_width = 2;
    config.type_width = 2;
    config.hidden_layers = 1;
    config.hidden[0] = 5;
    config.decay_start[0] = 0.01;
    config.decay_start[1] = 0.5;
    config.commitment = 0.25;
    for (uint32_t g = 0; g < TRAIN_MAX_GROUPS; g++)
        config.codewords[g] = 3 + g;
    return config;
}

static const fixture_shape small_shape = {
    .users = 4,
    .rows = 7,
    .types = 2,
    .tasks = 2,
    .fields = 2,
    .events = 24,
    .moments = 4,
    .impressions = 3,
    .seed = 5,
};

/* Weights and embeddings of a size that a trained model has; kernels that differ by head. */
static void stir(train_model *model)
{
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        train_tensor *tensor = &model->parameters[i];
        const size_t size = (size_t)tensor->rows * tensor->columns;
        for (size_t j = 0; j < size; j++) {
            if (tensor->rate == RATE_EMBEDDING || tensor == model->type)
                tensor->value[j] *= 10.0F;
            if (tensor == model->raw_weight && model->config.kernels > 0)
                tensor->value[j] = 0.5F * sinf((float)(j + 1));
        }
    }
}

static void quantize(train_model *model, train_crew *crew)
{
    for (size_t i = 0; i < (size_t)model->data->rows * model->data->event_types; i++)
        model->counts[i] = 1.0F + (float)(i % 3);
    train_census census = {0};
    census_take(&census, model, crew);
    codebook_begin(model, crew, &census.rows);
    census_release(&census);
}

static void compare_tensor(const train_model *model, train_reference *reference, uint32_t number,
                           const train_impressions *impressions)
{
    const train_tensor *tensor = &model->parameters[number];
    const size_t size = (size_t)tensor->rows * tensor->columns;
    double *differences = calloc(size, sizeof *differences);
    double largest = 0.0;
    for (size_t j = 0; j < size; j++) {
        double *value = &reference->parameters[number][j];
        const double before = *value;
        *value = before + difference_step;
        const double above = reference_loss(reference, impressions);
        *value = before - difference_step;
        differences[j] = (above - reference_loss(reference, impressions)) / (2.0 * difference_step);
        *value = before;
        largest = fmax(largest, fabs(differences[j]));
    }
    for (size_t j = 0; j < size; j++) {
        const double apart = fabs((double)tensor->gradient[j] - differences[j]);
        ck_assert_msg(apart <= gradient_tolerance * largest + gradient_zero,
                      "%s[%zu]: %g, by differences %g, of %g at most", tensor->name, j,
                      (double)tensor->gradient[j], differences[j], largest);
    }
    free(differences);
}

static void compare(const train_config *config, const fixture_shape *shape)
{
    dataset *data = fixture_dataset(shape);
    const train_impressions *impressions = &data->splits[SPLIT_TRAIN];
    train_crew *crew = crew_new(config->threads);
    train_history *history = history_new(data);
    train_batch *batch = batch_new(data, history);
    train_model *model = NULL;
    ck_assert_int_eq(train_config_check(config, NULL), VQL_OK);
    ck_assert_int_eq(train_model_new(config, data, &model, NULL), VQL_OK);
    stir(model);
    if (config->attention == ATTENTION_VQL && config->warm_epochs == 0)
        quantize(model, crew);
    train_pass *pass = pass_new(model, crew);
    batch_fill(batch, impressions->at, NULL, impressions->count, config->max_history);
    double commitment = 0.0;
    double loss = pass_train(pass, batch, 0, &commitment);
    loss += config->commitment * commitment;
    train_reference *reference = reference_new(model, impressions);
    const double expected = reference_loss(reference, impressions);
    ck_assert_msg(fabs(loss - expected) <= 1e-5 * expected, "loss %.9g, by the reference %.9g",
                  loss, expected);
    for (uint32_t i = 0; i < model->parameter_count; i++)
        if (model->parameters[i].rate != RATE_FROZEN)
            compare_tensor(model, reference, i, impressions);
    reference_free(reference);
    pass_free(pass);
    train_model_free(model);
    batch_free(batch);
    history_free(history);
    crew_free(crew);
    dataset_free(data);
}

static void check_config(void (*change)(train_config *config))
{
    train_config config = small_config();
    config.warm_epochs = 0;
    if (change != NULL)
        change(&config);
    compare(&config, &small_shape);
}

START_TEST(quantized)
{
    check_config(NULL);
}
END_TEST

static void warm(train_config *config)
{
    config->warm_epochs = 1;
}

START_TEST(warm_phase)
{
    check_config(warm);
}
END_TEST

static void exact(train_config *config)
{
    config->attention = ATTENTION_EXACT;
}

START_TEST(exact_keys)
{
    check_config(exact);
}
END_TEST

static void recent(train_config *config)
{
    config->max_history = 5;
}

START_TEST(last_events)
{
    check_config(recent);
}
END_TEST

static void top(train_config *config)
{
    config->attention = ATTENTION_TOP;
    config->attention_count = 4;
}

START_TEST(top_events)
{
    check_config(top);
}
END_TEST

static void mean(train_config *config)
{
    config->attention = ATTENTION_MEAN;
}

START_TEST(mean_of_values)
{
    check_config(mean);
}
END_TEST

static void none(train_config *config)
{
    config->attention = ATTENTION_NONE;
}

START_TEST(no_history)
{
    check_config(none);
}
END_TEST

static void values(train_config *config)
{
    config->quantize_values = true;
}

START_TEST(quantized_values)
{
    check_config(values);
}
END_TEST

static void plain(train_config *config)
{
    config->static_context = false;
}

START_TEST(without_context)
{
    check_config(plain);
}
END_TEST

static void no_kernel(train_config *config)
{
    config->kernels = 0;
}

START_TEST(without_kernel)
{
    check_config(no_kernel);
}
END_TEST

/* Wider than a vector, more threads than users, no hidden layer. */
static void wide(train_config *config)
{
    config->width = 80;
    config->heads = 4;
    config->groups = 4;
    config->kernels = 3;
    config->decay_start[2] = 2.0;
    config->hidden_layers = 0;
    config->threads = 5;
}

START_TEST(wide_heads)
{
    check_config(wide);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_gradient");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120.0);
    tcase_add_test(all, quantized);
    tcase_add_test(all, warm_phase);
    tcase_add_test(all, exact_keys);
    tcase_add_test(all, last_events);
    tcase_add_test(all, top_events);
    tcase_add_test(all, mean_of_values);
    tcase_add_test(all, no_history);
    tcase_add_test(all, quantized_values);
    tcase_add_test(all, without_context);
    tcase_add_test(all, without_kernel);
    tcase_add_test(all, wide_heads);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
