#include <string.h>

#include "base64.h"
#include "check_main.h"

/* RFC 4648 §10, and the two last digits of the alphabet. */
static const struct {
    const char *bytes, *plain, *padded;
} cases[] = {
    {"", "", ""},
    {"f", "Zg", "Zg=="},
    {"fo", "Zm8", "Zm8="},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg", "Zm9vYg=="},
    {"fooba", "Zm9vYmE", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "+/+/"},
};

START_TEST(test_both_ways)
{
    const char *bytes = cases[_i].bytes;
    const size_t count = strlen(bytes);
    char text[16];
    base64_encode((const uint8_t *)bytes, count, text);
    ck_assert_str_eq(text, cases[_i].plain);
    ck_assert_uint_eq(strlen(text), BASE64_LENGTH(count));
    const char *const forms[] = {cases[_i].plain, cases[_i].padded};
    for (size_t i = 0; i < 2; i++) {
        uint8_t out[16] = {0};
        size_t written = 99;
        ck_assert(base64_decode(forms[i], strlen(forms[i]), out, &written));
        ck_assert_uint_eq(written, count);
        ck_assert_mem_eq(out, bytes, count);
    }
}
END_TEST

static const char *const bad[] = {"Z",  "Zm9vY", "Zg=",  "Zg===", "Z===", "====", "=",
                                  "Zh", "Zm9",   "Zm 8", "Zm-8",  "Zm_8", "Z\xc3"};

START_TEST(test_what_is_not_base64)
{
    uint8_t out[16];
    size_t count;
    ck_assert_msg(!base64_decode(bad[_i], strlen(bad[_i]), out, &count), "%s", bad[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64");
    TCase *tests = tcase_create("base64");
    tcase_add_loop_test(tests, test_both_ways, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tests, test_what_is_not_base64, 0, sizeof bad / sizeof *bad);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
