/*
 * Gradients of every parameter against central differences of the loss as a program in float64 has
 * it (vql.md §10, 5): of every kind of attention that has one, with codes frozen.
 */
#include <math.h>
#include <stdlib.h>

#include "check_main.h"
#include "train_reference.h"
#include "train_rig.h"

/*
 * How far a gradient in float32 may be from the difference, in parts of the tensor's largest: some
 * thousand roundings of 6e-8 each, with cancellation.
 */
static const double gradient_tolerance = 1e-4;

/* What gradients of a tensor that is 0 on purpose may be: of roundings alone. */
static const double gradient_zero = 1e-7;

/* How far the loss may be from the reference's, in parts of it: a few roundings. */
static const double loss_tolerance = 1e-6;

static const double difference_step = 1e-5;

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

static void compare(const train_config *config)
{
    train_rig rig = rig_open(config, &small_shape);
    const train_model *model = rig.model;
    const train_impressions *impressions = &rig.data->splits[SPLIT_TRAIN];
    const double loss = rig_train(&rig);
    train_reference *reference = reference_new(model, impressions);
    const double expected = reference_loss(reference, impressions);
    ck_assert_msg(fabs(loss - expected) <= loss_tolerance * expected,
                  "loss %.9g, by the reference %.9g", loss, expected);
    for (uint32_t i = 0; i < model->parameter_count; i++)
        if (model->parameters[i].rate != RATE_FROZEN)
            compare_tensor(model, reference, i, impressions);
    reference_free(reference);
    rig_close(&rig);
}

static void check_config(void (*change)(train_config *config))
{
    train_config config = rig_config();
    if (change != NULL)
        change(&config);
    compare(&config);
}

START_TEST(quantized)
{
    check_config(NULL);
}
END_TEST

static void scanned(train_config *config)
{
    config->form = FORM_SCAN;
}

START_TEST(scan)
{
    check_config(scanned);
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

static void search(train_config *config)
{
    config->attention = ATTENTION_SEARCH;
    config->attention_count = 4;
}

START_TEST(search_events)
{
    check_config(search);
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
    tcase_add_test(all, scan);
    tcase_add_test(all, warm_phase);
    tcase_add_test(all, exact_keys);
    tcase_add_test(all, last_events);
    tcase_add_test(all, top_events);
    tcase_add_test(all, search_events);
    tcase_add_test(all, mean_of_values);
    tcase_add_test(all, no_history);
    tcase_add_test(all, quantized_values);
    tcase_add_test(all, without_context);
    tcase_add_test(all, without_kernel);
    tcase_add_test(all, wide_heads);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
