/* Checkpoints: the same states again, or a reason. */
#include "checkpoint.h"

#include <string.h>

#include "check_main.h"
#include "log_folder.h"

enum { STATES = 3, FLOATS = 5, NUMBERS = 2 };

static log_folder folder;
static const char *path;
static float floats[FLOATS];
static uint64_t integers[NUMBERS];
static double reals[NUMBERS];
static trainer_state states[STATES];
static checkpoint_note notes[2];
static vql_error error;

static void set_up(void)
{
    log_folder_make(&folder);
    path = log_folder_file(&folder, "checkpoint");
    for (size_t i = 0; i < FLOATS; i++)
        floats[i] = 1.0F / (float)(i + 3);
    for (size_t i = 0; i < NUMBERS; i++) {
        integers[i] = UINT64_MAX - i;
        reals[i] = 1.0 / (double)(i + 3);
    }
    states[0] = (trainer_state){"weights", STATE_F32, FLOATS, floats};
    states[1] = (trainer_state){"progress", STATE_U64, NUMBERS, integers};
    states[2] = (trainer_state){"sums", STATE_F64, NUMBERS, reals};
    notes[0] = (checkpoint_note){"heads", "4"};
    notes[1] = (checkpoint_note){"data", "abc"};
    ck_assert_int_eq(checkpoint_write(path, notes, 2, states, STATES, &error), VQL_OK);
}

static void tear_down(void)
{
    log_folder_remove(&folder);
}

/* Reading fails so, and touches nothing. */
static void assert_refused(size_t count, vql_code code, const char *text)
{
    const float before = floats[0];
    ck_assert_int_eq(checkpoint_read(path, notes, 2, states, count, &error), code);
    const char *found = strstr(error.text, text);
    ck_assert_msg(found != NULL && strcmp(found, text) == 0, "%s", error.text);
    ck_assert_float_eq(floats[0], before);
}

START_TEST(states_come_back)
{
    memset(floats, 0, sizeof floats);
    memset(integers, 0, sizeof integers);
    memset(reals, 0, sizeof reals);
    ck_assert_int_eq(checkpoint_read(path, notes, 2, states, STATES, &error), VQL_OK);
    ck_assert_float_eq(floats[4], 1.0F / 7.0F);
    ck_assert_uint_eq(integers[1], UINT64_MAX - 1);
    ck_assert_double_eq(reals[0], 1.0 / 3.0);
}
END_TEST

START_TEST(one_of_another_training_is_refused)
{
    floats[0] = 42;
    notes[0].value = "8";
    assert_refused(STATES, VQL_MISMATCH, "checkpoint: was made with heads \"4\", now it is \"8\"");
    notes[0] = (checkpoint_note){"groups", "2"};
    assert_refused(STATES, VQL_MISMATCH, "checkpoint: was made with groups \"\", now it is \"2\"");
    notes[0] = (checkpoint_note){"heads", "4"};
    states[2].count = 1;
    assert_refused(STATES, VQL_SHAPE, "checkpoint: tensor sums is 2 of F64, wanted are 1 of F64");
    states[2].count = NUMBERS;
    states[2].type = STATE_U64;
    assert_refused(STATES, VQL_SHAPE, "checkpoint: tensor sums is 2 of F64, wanted are 2 of U64");
    states[2] = (trainer_state){"other", STATE_F64, NUMBERS, reals};
    assert_refused(STATES, VQL_SHAPE, "checkpoint: has no tensor other");
}
END_TEST

START_TEST(what_is_no_checkpoint_is_refused)
{
    const tensor_file_note model[] = {{"format", "vql"}, {"format_version", "1"}};
    const tensor_file file = {model, 2, NULL, 0};
    ck_assert_int_eq(tensor_file_write(&file, path), 0);
    assert_refused(STATES, VQL_FORMAT, "checkpoint: not a checkpoint of vql-train");
    const tensor_file_note later[] = {{"format", "vql-checkpoint"}, {"format_version", "2"}};
    const tensor_file newer = {later, 2, NULL, 0};
    ck_assert_int_eq(tensor_file_write(&newer, path), 0);
    assert_refused(STATES, VQL_VERSION,
                   "checkpoint: was made with format_version \"2\", now it is \"1\"");
}
END_TEST

START_TEST(one_cut_short_is_refused)
{
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_uint_lt(size, sizeof bytes);
    for (size_t length = 0; length < size; length++) {
        file = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(checkpoint_read(path, notes, 2, states, STATES, &error), VQL_FORMAT);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_checkpoint");
    TCase *tests = tcase_create("checkpoint");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, states_come_back);
    tcase_add_test(tests, one_of_another_training_is_refused);
    tcase_add_test(tests, what_is_no_checkpoint_is_refused);
    tcase_add_test(tests, one_cut_short_is_refused);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
