/*
 * Codebooks in training: assignment, k-means, the running estimate and re-seeding; and what they do
 * to attention: oracles 3 and 4 of vql.md §10.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "codebook.h"
#include "train_rig.h"
#include "trainer.h"

enum { KEYS = 60, CLUSTERS = 3, WIDTH = 8 };

static const fixture_shape small_shape = {.users = 3,
                                          .rows = 9,
                                          .types = 2,
                                          .tasks = 1,
                                          .fields = 1,
                                          .events = 40,
                                          .moments = 5,
                                          .impressions = 3,
                                          .seed = 21};

/* Keys close to CLUSTERS corners, which weigh 1, 1/2 and 1/3 a key. */
typedef struct clustered {
    float keys[KEYS * WIDTH];
    float values[KEYS * WIDTH];
    float weights[KEYS];
    uint32_t codes[KEYS * 2];
} clustered;

static codebook_rows cluster(clustered *made)
{
    for (size_t i = 0; i < KEYS; i++) {
        const size_t c = i % CLUSTERS;
        made->weights[i] = 1.0F / (float)(c + 1);
        for (size_t j = 0; j < WIDTH; j++) {
            const float near = 0.01F * sinf((float)(i * WIDTH + j));
            made->keys[i * WIDTH + j] = (j % 4 == c ? 2.0F : 0.0F) + near;
            made->values[i * WIDTH + j] = (float)(c + j);
        }
    }
    return (codebook_rows){KEYS, made->keys, made->values, made->weights, made->codes};
}

static train_rig open_clustered(void)
{
    train_config config = rig_config();
    config.codewords[0] = config.codewords[1] = CLUSTERS;
    return rig_open(&config, &small_shape);
}

static void assign(const train_model *model, const codebook_rows *rows, uint32_t *codes)
{
    memory_buffer room = {0};
    codebook_assign(model, loops_active(), rows->keys, rows->count, &room, codes);
    free(room.data);
}

START_TEST(nearest_and_first)
{
    train_rig rig = open_clustered();
    clustered keys;
    const codebook_rows rows = cluster(&keys);
    for (uint32_t g = 0; g < 2; g++) {
        float *codewords = rig.model->codebooks[g].value;
        memcpy(codewords, keys.keys + WIDTH + g * 4, 4 * sizeof(float));
        memcpy(codewords + 4, keys.keys + g * 4, 4 * sizeof(float));
        memcpy(codewords + 8, keys.keys + g * 4, 4 * sizeof(float));
    }
    assign(rig.model, &rows, keys.codes);
    for (size_t i = 0; i < KEYS; i += CLUSTERS)
        for (size_t g = 0; g < 2; g++) {
            ck_assert_uint_eq(keys.codes[i * 2 + g], 1);
            ck_assert_uint_eq(keys.codes[(i + 1) * 2 + g], 0);
        }
    rig_close(&rig);
}
END_TEST

START_TEST(clusters_are_found)
{
    train_rig rig = open_clustered();
    clustered keys;
    const codebook_rows rows = cluster(&keys);
    codebook_begin(rig.model, rig.crew, &rows);
    assign(rig.model, &rows, keys.codes);
    for (uint32_t g = 0; g < 2; g++) {
        const train_codebook *codebook = &rig.model->codebooks[g];
        for (size_t i = 0; i < KEYS; i++) {
            const uint32_t code = keys.codes[i * 2 + g];
            ck_assert_uint_eq(code, keys.codes[(i % CLUSTERS) * 2 + g]);
            const float mass = keys.weights[i] * CLUSTERS / (1.0F + 1.0F / 2.0F + 1.0F / 3.0F);
            ck_assert_float_eq_tol(codebook->mass[code], mass, 1e-5F);
            for (size_t j = 0; j < 4; j++) {
                ck_assert_float_eq_tol(codebook->value[code * 4 + j],
                                       keys.keys[i * WIDTH + g * 4 + j], 0.03F);
                ck_assert_float_eq_tol(codebook->sum[code * 4 + j],
                                       mass * codebook->value[code * 4 + j], 1e-5F);
            }
        }
        ck_assert_uint_ne(keys.codes[g], keys.codes[2 + g]);
        ck_assert_uint_ne(keys.codes[g], keys.codes[4 + g]);
        ck_assert_uint_ne(keys.codes[2 + g], keys.codes[4 + g]);
    }
    rig_close(&rig);
}
END_TEST

/* One step by hand: all keys to one codeword, whose n is then K, of a mean of 1. */
START_TEST(running_estimate)
{
    train_rig rig = open_clustered();
    clustered keys;
    const codebook_rows rows = cluster(&keys);
    codebook_begin(rig.model, rig.crew, &rows);
    train_codebook before = rig.model->codebooks[1];
    float mass[CLUSTERS], sum[CLUSTERS * 4];
    memcpy(mass, before.mass, sizeof mass);
    memcpy(sum, before.sum, sizeof sum);
    memset(keys.codes, 0, sizeof keys.codes);
    codebook_update(rig.model, rig.crew, &rows);
    float weights = 0.0F, mean[4] = {0};
    for (size_t i = 0; i < KEYS; i++) {
        weights += keys.weights[i];
        for (size_t j = 0; j < 4; j++)
            mean[j] += keys.weights[i] * keys.keys[i * WIDTH + 4 + j];
    }
    const train_codebook *after = &rig.model->codebooks[1];
    const float kept = (float)rig.model->config.codebook_memory, added = 1.0F - kept;
    ck_assert_float_eq_tol(after->mass[0], kept * mass[0] + added * CLUSTERS, 1e-5F);
    ck_assert_float_eq_tol(after->mass[1], kept * mass[1], 1e-5F);
    for (size_t j = 0; j < 4; j++) {
        const float moved = kept * sum[j] + added * CLUSTERS * mean[j] / weights;
        ck_assert_float_eq_tol(after->sum[j], moved, 1e-5F);
        ck_assert_float_eq_tol(after->value[j], moved / after->mass[0], 1e-5F);
    }
    rig_close(&rig);
}
END_TEST

static bool is_same(const float *codeword, const float *key)
{
    for (size_t j = 0; j < 4; j++)
        if (fabsf(codeword[j] - key[j]) > 0.0F)
            return false;
    return true;
}

START_TEST(dead_codewords)
{
    train_rig rig = open_clustered();
    clustered keys;
    const codebook_rows rows = cluster(&keys);
    codebook_begin(rig.model, rig.crew, &rows);
    assign(rig.model, &rows, keys.codes);
    rig.model->codebooks[0].mass[1] = 0.019F;
    rig.model->codebooks[1].mass[2] = 0.021F;
    uint32_t counts[TRAIN_MAX_GROUPS] = {0};
    codebook_reseed(rig.model, &rows, 20, counts);
    ck_assert_uint_eq(counts[0], 1);
    ck_assert_uint_eq(counts[1], 0);
    const train_codebook *codebook = &rig.model->codebooks[0];
    ck_assert_float_eq_tol(codebook->mass[1], 0.2F, 1e-6F);
    bool is_key = false;
    for (size_t i = 0; i < KEYS; i++)
        is_key |= is_same(codebook->value + 4, keys.keys + i * WIDTH);
    ck_assert(is_key);
    ck_assert_float_eq_tol(codebook->sum[4], 0.2F * codebook->value[4], 1e-6F);
    rig_close(&rig);
}
END_TEST

/* With a codeword for every distinct key, attention over codewords is attention over keys. */
START_TEST(every_key_a_codeword)
{
    train_config config = rig_config();
    for (uint32_t g = 0; g < config.groups; g++)
        config.codewords[g] = small_shape.rows * small_shape.types;
    train_rig rig = rig_open(&config, &small_shape);
    const size_t count = rig.batch->count;
    float *exact = calloc(count, sizeof *exact);
    pass_forward(rig.pass, rig.batch, false);
    memcpy(exact, rig.pass->logits, count * sizeof *exact);
    pass_forward(rig.pass, rig.batch, true);
    for (size_t i = 0; i < count; i++)
        ck_assert_float_eq_tol(rig.pass->logits[i], exact[i], 1e-5F);
    free(exact);
    rig_close(&rig);
}
END_TEST

static double no_judge(void *context, const float *logits)
{
    (void)context;
    return (double)logits[0];
}

START_TEST(within_the_bound)
{
    train_config config = rig_config();
    config.epochs = 2;
    config.warm_epochs = 1;
    config.batch = 8;
    dataset *data = fixture_dataset(&small_shape);
    trainer *made = NULL;
    ck_assert_int_eq(trainer_new(&config, data, &made, NULL), VQL_OK);
    const trainer_hooks hooks = {.validate = no_judge};
    ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_DONE);
    const train_impressions *test = &data->splits[SPLIT_TEST];
    const trainer_error error = trainer_measure_error(made, test->at, test->count);
    ck_assert_double_gt(error.output_error, 0.0);
    ck_assert_double_le(error.output_error, error.bound);
    ck_assert_double_le(error.bound, 0.5 * error.logit_error);
    ck_assert_double_gt(error.worst, 0.0);
    ck_assert_double_le(error.worst, 1.0);
    trainer_free(made);
    dataset_free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_codebook");
    TCase *all = tcase_create("all");
    tcase_add_test(all, nearest_and_first);
    tcase_add_test(all, clusters_are_found);
    tcase_add_test(all, running_estimate);
    tcase_add_test(all, dead_codewords);
    tcase_add_test(all, every_key_a_codeword);
    tcase_add_test(all, within_the_bound);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
