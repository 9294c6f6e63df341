/* A trained model's file: that the serving core makes of it what training made of the model. */
#include "export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "generate.h"
#include "log_folder.h"
#include "model_load.h"
#include "serving.h"
#include "trainer.h"

enum { GIB = 1 };

/* What rounding may do to logits of about 1, and to the codes of keys between two codewords. */
static const double tolerance = 1e-3;

static log_folder folder;
static dataset *folded;
static dataset *whole;
static vql_error error;

static void set_up(void)
{
    const generate_spec spec = {
        .users = 30, .items = 50, .topics = 2, .length = 720, .impressions = 20, .seed = 2};
    log_folder_make(&folder);
    (void)log_folder_file(&folder, "events.tsv.gz");
    (void)log_folder_file(&folder, "impressions.tsv.gz");
    (void)log_folder_file(&folder, "items.tsv.gz");
    ck_assert_int_eq(generate_log(&spec, folder.path, &error), VQL_OK);
    ck_assert_int_eq(dataset_read(folder.path, 30, &folded, &error), VQL_OK);
    ck_assert_int_eq(dataset_read(folder.path, 0, &whole, &error), VQL_OK);
    ck_assert_uint_lt(folded->rows, whole->rows);
}

static void tear_down(void)
{
    dataset_free(folded);
    dataset_free(whole);
    log_folder_remove(&folder);
}

static double validate(void *context, const float *logits)
{
    (void)context;
    (void)logits;
    return 0.5;
}

/* Trains for `epochs`, the first of them with exact attention. */
static trainer *train(uint32_t epochs, bool static_context)
{
    train_config config = train_config_default();
    config.width = 16;
    config.heads = 4;
    config.groups = 2;
    config.codewords[0] = 16;
    config.codewords[1] = 9;
    config.batch = 64;
    config.epochs = epochs;
    config.warm_epochs = 1;
    config.rate = 0.01;
    config.static_context = static_context;
    trainer *made;
    ck_assert_int_eq(train_config_check(&config, &error), VQL_OK);
    ck_assert_int_eq(trainer_new(&config, folded, &made, &error), VQL_OK);
    const trainer_hooks hooks = {.validate = validate};
    ck_assert_int_eq(trainer_run(made, &hooks), TRAINER_DONE);
    return made;
}

/* The logits that the serving core gives to the test split. */
static float *serve(const char *path)
{
    loaded_model model;
    serving_match match;
    const vql_catalog_options catalog = {.table_bytes = 1 << 20, .format = VQL_SCORING_F32};
    const serving_options serving = {.format = VQL_CACHE_FP32, .threads = 1};
    ck_assert_msg(model_load(path, GIB, &catalog, &model, &error) == VQL_OK, "%s", error.text);
    ck_assert_str_eq(vql_model_name(model.model), "a name");
    ck_assert_str_eq(vql_model_task(model.model, 0), "click");
    ck_assert_int_eq(serving_match_make(whole, model.catalog, &match, &error), VQL_OK);
    float *logits = calloc(whole->splits[SPLIT_TEST].count, sizeof *logits);
    ck_assert_int_eq(serving_score(whole, SPLIT_TEST, model.catalog, &match, &serving, logits),
                     VQL_OK);
    serving_match_free(&match);
    model_unload(&model);
    return logits;
}

static void assert_served(bool static_context)
{
    const char *path = log_folder_file(&folder, "model.safetensors");
    trainer *trained = train(2, static_context);
    const train_impressions *split = &folded->splits[SPLIT_TEST];
    float *expected = calloc(split->count, sizeof *expected);
    trainer_score(trained, split->at, split->count, 0, expected);
    ck_assert_msg(export_model(trainer_model(trained), "a name", path, &error) == VQL_OK, "%s",
                  error.text);
    float *served = serve(path);
    for (size_t i = 0; i < split->count; i++)
        ck_assert_double_eq_tol((double)served[i], (double)expected[i], tolerance);
    free(served);
    free(expected);
    trainer_free(trained);
}

START_TEST(the_file_scores_as_the_model_does)
{
    assert_served(true);
}
END_TEST

START_TEST(separate_context_is_served_as_well)
{
    assert_served(false);
}
END_TEST

START_TEST(what_cannot_be_served_is_refused)
{
    train_config config = train_config_default();
    config.attention = ATTENTION_TOP;
    ck_assert_int_eq(export_check(&config, &error), VQL_VALUE);
    ck_assert_str_eq(error.text,
                     "attention top has no model file: vqld serves attention vql alone");
    config.attention = ATTENTION_VQL;
    config.quantize_values = true;
    ck_assert_int_eq(export_check(&config, &error), VQL_VALUE);
    trainer *warm = train(1, true);
    ck_assert_int_eq(export_model(trainer_model(warm), "n", "m", &error), VQL_VALUE);
    ck_assert_str_eq(error.text, "m: the model has no codebooks yet");
    trainer_free(warm);
    trainer *trained = train(2, true);
    ck_assert_int_eq(export_model(trainer_model(trained), "n", "/nowhere/m", &error), VQL_FORMAT);
    ck_assert_str_eq(error.text, "/nowhere/m: No such file or directory");
    trainer_free(trained);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_export");
    TCase *tests = tcase_create("export");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_file_scores_as_the_model_does);
    tcase_add_test(tests, separate_context_is_served_as_well);
    tcase_add_test(tests, what_cannot_be_served_is_refused);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
