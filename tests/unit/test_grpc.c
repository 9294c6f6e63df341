#include <string.h>

#include "check_main.h"
#include "grpc.h"

static const struct {
    const char *text;
    uint64_t ns;
} timeouts[] = {
    {"1n", 1},
    {"0n", 0},
    {"00000000S", 0},
    {"20u", 20000},
    {"300m", 300000000},
    {"4S", UINT64_C(4000000000)},
    {"5M", UINT64_C(300000000000)},
    {"6H", UINT64_C(21600000000000)},
    {"99999999n", 99999999},
    {"99999999u", UINT64_C(99999999000)},
    {"99999999m", UINT64_C(99999999000000)},
    {"99999999S", UINT64_C(99999999000000000)},
    {"99999999M", UINT64_C(5999999940000000000)},
    {"05124095H", UINT64_C(18446742000000000000)},
    {"05124096H", UINT64_MAX},
    {"99999999H", UINT64_MAX},
};

START_TEST(test_timeouts)
{
    uint64_t ns = 7;
    const char *text = timeouts[_i].text;
    ck_assert(grpc_timeout_parse(text, strlen(text), &ns));
    ck_assert_uint_eq(ns, timeouts[_i].ns);
}
END_TEST

static const char *const malformed[] = {
    "",    "n",   "1",   "12",  "1s",   "1h",  "1x", "123456789n", "000000001n", "-1n",
    "+1n", " 1n", "1 n", "1n ", "1.5S", "1nn", "H1", "0x1S",       "1\xC2\xB5",
};

START_TEST(test_malformed_timeouts)
{
    uint64_t ns = 7;
    const char *text = malformed[_i];
    ck_assert(!grpc_timeout_parse(text, strlen(text), &ns));
    ck_assert_uint_eq(ns, 7);
}
END_TEST

START_TEST(test_timeout_length_is_respected)
{
    uint64_t ns;
    ck_assert(grpc_timeout_parse("12mS", 3, &ns));
    ck_assert_uint_eq(ns, 12000000);
    ck_assert(!grpc_timeout_parse("1n", 1, &ns));
    ck_assert(!grpc_timeout_parse("1\0n", 3, &ns));
}
END_TEST

START_TEST(test_message_encoding)
{
    char out[128];
    const char *text = "a b~%/\x7F\x1F\n caf\xC3\xA9";
    const size_t count = grpc_message_encode(text, out, sizeof out);
    const char *wanted = "a b~%25/%7F%1F%0A caf%C3%A9";
    ck_assert_uint_eq(count, strlen(wanted));
    ck_assert_mem_eq(out, wanted, count);
}
END_TEST

START_TEST(test_message_encoding_of_nothing)
{
    char out[1];
    ck_assert_uint_eq(grpc_message_encode("", out, sizeof out), 0);
    ck_assert_uint_eq(grpc_message_encode("a", out, 0), 0);
}
END_TEST

START_TEST(test_message_encoding_never_writes_half_an_escape)
{
    static const char wanted[] = "ab%0A%25c";
    static const size_t counts[] = {0, 1, 2, 2, 2, 5, 5, 5, 8, 9, 9};
    for (size_t capacity = 0; capacity < sizeof counts / sizeof *counts; capacity++) {
        char out[16];
        memset(out, '#', sizeof out);
        const size_t count = grpc_message_encode("ab\n%c", out, capacity);
        ck_assert_uint_eq(count, counts[capacity]);
        ck_assert_mem_eq(out, wanted, count);
        ck_assert_int_eq(out[count], '#');
    }
}
END_TEST

START_TEST(test_fail)
{
    grpc_error error = {.pushback_ms = 5};
    ck_assert_int_eq(grpc_fail(&error, GRPC_NOT_FOUND, "model '%s' of %d", "a", 3), GRPC_NOT_FOUND);
    ck_assert_int_eq(error.status, GRPC_NOT_FOUND);
    ck_assert_int_eq(error.pushback_ms, -1);
    ck_assert_str_eq(error.message, "model 'a' of 3");
}
END_TEST

START_TEST(test_fail_cuts_a_long_message)
{
    grpc_error error;
    char text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    grpc_fail(&error, GRPC_INTERNAL, "%s", text);
    ck_assert_uint_eq(strlen(error.message), sizeof error.message - 1);
}
END_TEST

START_TEST(test_status_names)
{
    ck_assert_str_eq(grpc_status_name(GRPC_OK), "OK");
    ck_assert_str_eq(grpc_status_name(GRPC_DEADLINE_EXCEEDED), "DEADLINE_EXCEEDED");
    ck_assert_str_eq(grpc_status_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    ck_assert_int_eq(GRPC_UNAUTHENTICATED, 16);
    ck_assert_str_eq(grpc_status_name((grpc_status)17), "UNKNOWN");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grpc");
    TCase *tests = tcase_create("grpc");
    tcase_add_loop_test(tests, test_timeouts, 0, sizeof timeouts / sizeof *timeouts);
    tcase_add_loop_test(tests, test_malformed_timeouts, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(tests, test_timeout_length_is_respected);
    tcase_add_test(tests, test_message_encoding);
    tcase_add_test(tests, test_message_encoding_of_nothing);
    tcase_add_test(tests, test_message_encoding_never_writes_half_an_escape);
    tcase_add_test(tests, test_fail);
    tcase_add_test(tests, test_fail_cuts_a_long_message);
    tcase_add_test(tests, test_status_names);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
