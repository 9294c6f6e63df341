/* Files that are there whole or not at all, and files read whole. */
#include "new_file.h"

#include <errno.h>
#include <string.h>

#include "check_main.h"
#include "log_folder.h"
#include "whole_file.h"

static log_folder folder;
static whole_file_error error;

static void set_up(void)
{
    log_folder_make(&folder);
}

/* Fails when a temporary file is left. */
static void tear_down(void)
{
    log_folder_remove(&folder);
}

static void assert_content(const char *path, const char *text)
{
    void *bytes;
    size_t size;
    ck_assert_int_eq(whole_file_read(path, 1, &bytes, &size, &error), WHOLE_FILE_OK);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_mem_eq(bytes, text, size);
    free(bytes);
}

START_TEST(a_file_is_there_when_it_is_done)
{
    new_file file;
    const char *path = log_folder_file(&folder, "a");
    ck_assert_int_eq(new_file_open(&file, path), 0);
    ck_assert_int_ge(fputs("one", file.stream), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(new_file_close(&file, true), 0);
    assert_content(path, "one");
    ck_assert_int_eq(new_file_open(&file, path), 0);
    ck_assert_int_ge(fputs("another", file.stream), 0);
    assert_content(path, "one");
    ck_assert_int_eq(new_file_close(&file, true), 0);
    assert_content(path, "another");
}
END_TEST

START_TEST(a_file_that_is_not_kept_leaves_nothing)
{
    new_file file;
    const char *path = log_folder_file(&folder, "a");
    log_folder_write(&folder, "a", "one");
    ck_assert_int_eq(new_file_open(&file, path), 0);
    ck_assert_int_ge(fputs("two", file.stream), 0);
    ck_assert_int_eq(new_file_close(&file, false), 0);
    assert_content(path, "one");
}
END_TEST

START_TEST(a_failed_write_keeps_what_was_there)
{
    new_file file;
    log_folder_write(&folder, "a", "one");
    ck_assert_int_eq(new_file_open(&file, log_folder_file(&folder, "a")), 0);
    FILE *full = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(full);
    ck_assert_int_eq(fclose(file.stream), 0);
    file.stream = full;
    ck_assert_int_ge(fputs("two", file.stream), 0);
    ck_assert_int_eq(new_file_close(&file, true), ENOSPC);
    assert_content(log_folder_file(&folder, "a"), "one");
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
    new_file file;
    ck_assert_int_eq(new_file_open(&file, "/nowhere/at/all"), ENOENT);
    ck_assert_int_eq(new_file_open(&file, ""), ENOENT);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    void *bytes = NULL;
    size_t size;
    ck_assert_int_eq(whole_file_read("/nowhere", 1, &bytes, &size, &error), WHOLE_FILE_FAILED);
    ck_assert_str_eq(error.text, "/nowhere: No such file or directory");
    ck_assert_int_eq(whole_file_read("/dev/null", 1, &bytes, &size, &error), WHOLE_FILE_FAILED);
    ck_assert_str_eq(error.text, "/dev/null: not a regular file");
    log_folder_write(&folder, "a", "one");
    ck_assert_int_eq(whole_file_read(log_folder_file(&folder, "a"), 0, &bytes, &size, &error),
                     WHOLE_FILE_FAILED);
    ck_assert_ptr_nonnull(strstr(error.text, "a: 3 bytes; at most 0 GiB"));
    ck_assert_ptr_null(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("new_file");
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_file_is_there_when_it_is_done);
    tcase_add_test(tests, a_file_that_is_not_kept_leaves_nothing);
    tcase_add_test(tests, a_failed_write_keeps_what_was_there);
    tcase_add_test(tests, a_folder_that_is_not_there_is_an_error);
    tcase_add_test(tests, what_cannot_be_read_is_named);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
