/*
 * The training loop: that a seed and a number of threads are a model, that a training that was
 * stopped, saved and restored is the one that was not, which epoch is kept, and when it ends early.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "train_rig.h"
#include "trainer.h"

enum { STATES = 512 };

static const fixture_shape shape = {.users = 12,
                                    .rows = 15,
                                    .types = 2,
                                    .tasks = 2,
                                    .fields = 1,
                                    .events = 60,
                                    .moments = 8,
                                    .impressions = 4,
                                    .seed = 33};

static train_config loop_config(void)
{
    train_config config = rig_config();
    config.epochs = 4;
    config.warm_epochs = 2;
    config.batch = 32;
    config.run = 3;
    config.patience = 0;
    config.reseed_every = 2;
    config.dropout = 0.2;
    return config;
}

/* What the hooks see and say. */
typedef struct witness {
    double judgements[8]; /* by epoch */
    uint32_t epochs, best;
    uint64_t steps, stop_at;
    double losses;
    atomic_bool stop;
} witness;

static void on_step(void *context, const trainer_step *step)
{
    witness *seen = context;
    seen->steps = step->step;
    seen->losses += step->loss;
    if (step->step == seen->stop_at)
        atomic_store(&seen->stop, true);
}

static double on_validate(void *context, const float *logits)
{
    (void)logits;
    const witness *seen = context;
    return seen->judgements[seen->epochs];
}

static void on_epoch(void *context, const trainer_epoch *epoch)
{
    witness *seen = context;
    if (epoch->best)
        seen->best = epoch->epoch;
    seen->epochs++;
}

static trainer_hooks hooks_of(witness *seen)
{
    return (trainer_hooks){.context = seen,
                           .step = on_step,
                           .validate = on_validate,
                           .epoch = on_epoch,
                           .stop = &seen->stop};
}

static trainer *open_trainer(const train_config *config, const dataset *data)
{
    trainer *made = NULL;
    ck_assert_int_eq(train_config_check(config, NULL), VQL_OK);
    ck_assert_int_eq(trainer_new(config, data, &made, NULL), VQL_OK);
    return made;
}

static void assert_same(trainer *a, trainer *b)
{
    trainer_state first[STATES], second[STATES];
    const size_t count = trainer_states(a, first, STATES);
    ck_assert_uint_le(count, STATES);
    ck_assert_uint_eq(trainer_states(b, second, STATES), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(first[i].name, second[i].name);
        const size_t size = first[i].type == STATE_F32 ? sizeof(float) : sizeof(double);
        if (strcmp(first[i].name, "sums") != 0)
            ck_assert_msg(memcmp(first[i].data, second[i].data, first[i].count * size) == 0,
                          "%s differs", first[i].name);
    }
}

START_TEST(same_seed_same_model)
{
    dataset *data = fixture_dataset(&shape);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        train_config config = loop_config();
        config.threads = threads;
        trainer *first = open_trainer(&config, data), *second = open_trainer(&config, data);
        witness seen = {.stop_at = 0}, again = {.stop_at = 0};
        trainer_hooks hooks = hooks_of(&seen), more = hooks_of(&again);
        ck_assert_int_eq(trainer_run(first, &hooks), TRAINER_DONE);
        ck_assert_int_eq(trainer_run(second, &more), TRAINER_DONE);
        assert_same(first, second);
        ck_assert(trainer_model(first)->quantized);
        trainer_free(second);
        trainer_free(first);
    }
    dataset_free(data);
}
END_TEST

START_TEST(other_seed_other_model)
{
    dataset *data = fixture_dataset(&shape);
    train_config config = loop_config();
    trainer *first = open_trainer(&config, data);
    config.seed = 2;
    trainer *second = open_trainer(&config, data);
    ck_assert_float_ne(trainer_model(first)->item->value[0], trainer_model(second)->item->value[0]);
    trainer_free(second);
    trainer_free(first);
    dataset_free(data);
}
END_TEST

static void copy_states(trainer *from, trainer *to)
{
    trainer_state source[STATES], target[STATES];
    const size_t count = trainer_states(from, source, STATES);
    ck_assert_uint_eq(trainer_states(to, target, STATES), count);
    for (size_t i = 0; i < count; i++)
        memcpy(target[i].data, source[i].data,
               source[i].count * (source[i].type == STATE_F32 ? sizeof(float) : sizeof(double)));
}

/* Stopped at any step, in the warm phase, at an epoch's end, or after the switch. */
START_TEST(stopped_and_resumed)
{
    dataset *data = fixture_dataset(&shape);
    const train_config config = loop_config();
    trainer *whole = open_trainer(&config, data);
    witness seen = {.stop_at = 0};
    trainer_hooks hooks = hooks_of(&seen);
    ck_assert_int_eq(trainer_run(whole, &hooks), TRAINER_DONE);
    for (uint64_t stop = 1; stop < seen.steps; stop++) {
        trainer *stopped = open_trainer(&config, data), *resumed = open_trainer(&config, data);
        witness before = {.stop_at = stop}, after = {.stop_at = 0};
        hooks = hooks_of(&before);
        ck_assert_int_eq(trainer_run(stopped, &hooks), TRAINER_STOPPED);
        copy_states(stopped, resumed);
        ck_assert_int_eq(trainer_restored(resumed, NULL), VQL_OK);
        hooks = hooks_of(&after);
        ck_assert_int_eq(trainer_run(resumed, &hooks), TRAINER_DONE);
        assert_same(whole, resumed);
        trainer_free(resumed);
        trainer_free(stopped);
    }
    trainer_free(whole);
    dataset_free(data);
}
END_TEST

/* Epochs of the warm phase do not count, however good. */
START_TEST(best_epoch)
{
    dataset *data = fixture_dataset(&shape);
    const train_config config = loop_config();
    trainer *made = open_trainer(&config, data);
    witness seen = {.judgements = {0.9, 0.8, 0.6, 0.5}};
    const trainer_hooks hooks = hooks_of(&seen);
    ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_DONE);
    ck_assert_uint_eq(seen.epochs, 4);
    ck_assert_uint_eq(seen.best, 2);
    const float last = trainer_model(made)->item->value[0];
    ck_assert(trainer_restore_best(made));
    ck_assert_float_ne(trainer_model(made)->item->value[0], last);
    trainer_free(made);
    dataset_free(data);
}
END_TEST

START_TEST(patience)
{
    dataset *data = fixture_dataset(&shape);
    train_config config = loop_config();
    config.epochs = 8;
    config.warm_epochs = 1;
    config.patience = 2;
    trainer *made = open_trainer(&config, data);
    witness seen = {.judgements = {0.9, 0.5, 0.4, 0.6, 0.6, 0.5, 0.7, 0.8}};
    const trainer_hooks hooks = hooks_of(&seen);
    ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_DONE);
    ck_assert_uint_eq(seen.epochs, 6);
    ck_assert_uint_eq(seen.best, 3);
    trainer_free(made);
    dataset_free(data);
}
END_TEST

/* The loss falls on data that can be learnt by heart, with every kind that sees the history. */
START_TEST(learns)
{
    dataset *data = fixture_dataset(&shape);
    data->splits[SPLIT_VALID].count = 0;
    for (train_attention kind = ATTENTION_VQL; kind <= ATTENTION_MEAN; kind++) {
        train_config config = loop_config();
        config.attention = kind;
        config.attention_count = train_config_chooses(&config) ? 5 : 0;
        config.epochs = 60;
        config.rate = 0.02;
        config.dropout = 0.0;
        trainer *made = open_trainer(&config, data);
        witness first = {.stop_at = 5}, rest = {.stop_at = 0};
        trainer_hooks hooks = hooks_of(&first);
        ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_STOPPED);
        hooks = hooks_of(&rest);
        hooks.validate = NULL;
        ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_DONE);
        const double mean = rest.losses / (double)(rest.steps - 5);
        ck_assert_msg(mean < 0.95 * first.losses / 5.0, "%s: %g after %g",
                      train_attention_name(kind), mean, first.losses / 5.0);
        trainer_free(made);
    }
    dataset_free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_trainer");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120.0);
    tcase_add_test(all, same_seed_same_model);
    tcase_add_test(all, other_seed_other_model);
    tcase_add_test(all, stopped_and_resumed);
    tcase_add_test(all, best_epoch);
    tcase_add_test(all, patience);
    tcase_add_test(all, learns);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
