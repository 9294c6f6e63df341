/*
 * Codes, their names and texts, and how an error's text is written.
 */
#include <check.h>
#include <string.h>

#include "check_main.h"
#include "vql/error.h"

START_TEST(test_names)
{
    ck_assert_str_eq(vql_code_name(VQL_OK), "OK");
    ck_assert_str_eq(vql_code_name(VQL_MISMATCH), "MISMATCH");
    ck_assert_str_eq(vql_code_text(VQL_NO_MEMORY), "out of memory");
    ck_assert_str_eq(vql_code_name((vql_code)99), "UNKNOWN");
    ck_assert_str_eq(vql_code_text((vql_code)99), "no such code");
}
END_TEST

START_TEST(test_fail)
{
    vql_error error = {.code = VQL_OK};
    ck_assert_int_eq(vql_fail(&error, VQL_SHAPE, "tensor %s: %d", "x", 7), VQL_SHAPE);
    ck_assert_int_eq(error.code, VQL_SHAPE);
    ck_assert_str_eq(error.text, "tensor x: 7");
    ck_assert_int_eq(vql_fail(NULL, VQL_VALUE, "unseen"), VQL_VALUE);
}
END_TEST

/* A text that does not fit is cut off and still terminated. */
START_TEST(test_long_text)
{
    vql_error error;
    char text[2 * sizeof error.text];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(vql_fail(&error, VQL_FORMAT, "%s", text), VQL_FORMAT);
    ck_assert_uint_eq(strlen(error.text), sizeof error.text - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_fail);
    tcase_add_test(tcase, test_long_text);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
