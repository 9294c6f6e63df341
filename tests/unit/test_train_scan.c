/*
 * The scan against the direct form of attention over codewords: the same logits, loss and
 * gradients, on histories of many chunks, with any number of threads.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "train_rig.h"

/*
 * How far a number of the one form may be from the other's, in parts of the tensor's largest:
 * thousands of roundings of 6e-8 each, in another order, with cancellation.
 */
static const double scan_tolerance = 2e-4;

static void assert_close(const char *name, size_t size, const float *expected, const float *found)
{
    double largest = 0.0;
    for (size_t j = 0; j < size; j++)
        largest = fmax(largest, fabs((double)expected[j]));
    ck_assert_msg(largest > 0.0, "%s is all zeros", name);
    for (size_t j = 0; j < size; j++)
        ck_assert_msg(fabs((double)expected[j] - (double)found[j]) <= scan_tolerance * largest,
                      "%s[%zu]: %g, by the scan %g, of %g at most", name, j, (double)expected[j],
                      (double)found[j], largest);
}

static void compare(train_config config, const fixture_shape *shape)
{
    config.form = FORM_DIRECT;
    train_rig direct = rig_open(&config, shape);
    config.form = FORM_SCAN;
    train_rig scan = rig_open(&config, shape);
    pass_forward(direct.pass, direct.batch, true);
    pass_forward(scan.pass, scan.batch, true);
    assert_close("logits", direct.batch->count * shape->tasks, direct.pass->logits,
                 scan.pass->logits);
    const double expected = rig_train(&direct), found = rig_train(&scan);
    ck_assert_msg(fabs(expected - found) <= 1e-6 * expected, "loss %.9g, by the scan %.9g",
                  expected, found);
    for (uint32_t i = 0; i < direct.model->parameter_count; i++) {
        const train_tensor *tensor = &direct.model->parameters[i];
        if (tensor->rate != RATE_FROZEN)
            assert_close(tensor->name, (size_t)tensor->rows * tensor->columns, tensor->gradient,
                         scan.model->parameters[i].gradient);
    }
    rig_close(&scan);
    rig_close(&direct);
}

START_TEST(many_chunks)
{
    const fixture_shape shape = {.users = 3,
                                 .rows = 50,
                                 .types = 2,
                                 .tasks = 1,
                                 .fields = 1,
                                 .events = 700,
                                 .moments = 150,
                                 .impressions = 3,
                                 .seed = 11};
    compare(rig_config(), &shape);
}
END_TEST

/* More moments than caches are kept for, a base for each. */
START_TEST(more_than_kept)
{
    const fixture_shape shape = {.users = 1,
                                 .rows = 30,
                                 .types = 1,
                                 .tasks = 1,
                                 .events = 9000,
                                 .moments = 130,
                                 .impressions = 2,
                                 .seed = 3};
    compare(rig_config(), &shape);
}
END_TEST

/* A moment of more impressions than a chunk has. */
START_TEST(large_moments)
{
    const fixture_shape shape = {.users = 2,
                                 .rows = 20,
                                 .types = 1,
                                 .tasks = 2,
                                 .events = 100,
                                 .moments = 6,
                                 .impressions = 300,
                                 .seed = 4};
    compare(rig_config(), &shape);
}
END_TEST

START_TEST(several_threads)
{
    const fixture_shape shape = {.users = 4,
                                 .rows = 40,
                                 .types = 2,
                                 .tasks = 1,
                                 .events = 300,
                                 .moments = 60,
                                 .impressions = 4,
                                 .seed = 6};
    train_config config = rig_config();
    config.threads = 3;
    compare(config, &shape);
}
END_TEST

/* Decays so fast that most of a base has vanished, and none at all. */
START_TEST(extreme_decays)
{
    const fixture_shape shape = {.users = 3,
                                 .rows = 30,
                                 .types = 1,
                                 .tasks = 1,
                                 .events = 400,
                                 .moments = 80,
                                 .impressions = 2,
                                 .seed = 8};
    train_config config = rig_config();
    config.kernels = 3;
    config.decay_start[0] = 3.0;
    config.decay_start[1] = 1.0;
    config.decay_start[2] = 40.0;
    compare(config, &shape);
    config.decay_start[1] = 1e-9;
    compare(config, &shape);
    config.kernels = 0;
    compare(config, &shape);
}
END_TEST

START_TEST(wide_heads)
{
    const fixture_shape shape = {.users = 2,
                                 .rows = 40,
                                 .types = 1,
                                 .tasks = 1,
                                 .events = 300,
                                 .moments = 50,
                                 .impressions = 2,
                                 .seed = 9};
    train_config config = rig_config();
    config.width = 40;
    config.heads = 2;
    config.groups = 2;
    config.codewords[0] = 21;
    compare(config, &shape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_scan");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120.0);
    tcase_add_test(all, many_chunks);
    tcase_add_test(all, more_than_kept);
    tcase_add_test(all, large_moments);
    tcase_add_test(all, several_threads);
    tcase_add_test(all, extreme_decays);
    tcase_add_test(all, wide_heads);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
