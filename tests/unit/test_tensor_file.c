/* Files of tensors, read back by libvql's reader of the container. */
#include "tensor_file.h"

#include <errno.h>
#include <string.h>

#include "check_main.h"
#include "log_folder.h"
#include "vql/safetensors.h"
#include "whole_file.h"

static log_folder folder;

static void set_up(void)
{
    log_folder_make(&folder);
}

static void tear_down(void)
{
    log_folder_remove(&folder);
}

START_TEST(what_is_written_is_read)
{
    static const float matrix[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t vector[2] = {-1, 7};
    const tensor_file_tensor tensors[] = {
        {"a.matrix", "F32", 4, 2, {2, 3}, matrix},
        {"empty", "I32", 4, 1, {0}, NULL},
        {"vector", "I64", 8, 1, {2}, vector},
    };
    const tensor_file_note notes[] = {{"name", "ein \"Name\""}, {"empty", ""}};
    const tensor_file file = {notes, 2, tensors, 3};
    ck_assert_int_eq(tensor_file_write(&file, log_folder_file(&folder, "a")), 0);

    void *bytes;
    size_t size;
    whole_file_error unread;
    vql_error error;
    vql_safetensors read;
    ck_assert_int_eq(whole_file_read(log_folder_file(&folder, "a"), 1, &bytes, &size, &unread),
                     WHOLE_FILE_OK);
    ck_assert_int_eq(vql_safetensors_parse(bytes, size, vql_allocator_default(), &read, &error),
                     VQL_OK);
    ck_assert_uint_eq(read.tensor_count, 3);
    const vql_tensor *tensor = vql_safetensors_tensor(&read, "a.matrix");
    ck_assert_uint_eq(tensor->rank, 2);
    ck_assert_uint_eq(tensor->shape[1], 3);
    ck_assert_mem_eq(tensor->data, matrix, sizeof matrix);
    ck_assert_uint_eq(((uintptr_t)tensor->data - (uintptr_t)bytes) % 8, 0);
    tensor = vql_safetensors_tensor(&read, "vector");
    ck_assert_int_eq(tensor->dtype, VQL_DTYPE_I64);
    ck_assert_mem_eq(tensor->data, vector, sizeof vector);
    ck_assert_uint_eq(vql_safetensors_tensor(&read, "empty")->elements, 0);
    ck_assert_str_eq(vql_safetensors_metadata(&read, "name"), "ein \"Name\"");
    ck_assert_str_eq(vql_safetensors_metadata(&read, "empty"), "");
    vql_safetensors_release(&read);
    free(bytes);
}
END_TEST

START_TEST(what_cannot_be_written_leaves_nothing)
{
    const tensor_file_note note = {"name", "\xff is not UTF-8"};
    const tensor_file file = {&note, 1, NULL, 0};
    ck_assert_int_eq(tensor_file_write(&file, log_folder_file(&folder, "a")), ENOMEM);
    const tensor_file empty = {NULL, 0, NULL, 0};
    ck_assert_int_eq(tensor_file_write(&empty, "/nowhere/at/all"), ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor_file");
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, what_cannot_be_written_leaves_nothing);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
