#include <string.h>

#include "check_main.h"
#include "utf8.h"

static size_t prefix(const char *text)
{
    return utf8_prefix((const uint8_t *)text, strlen(text));
}

START_TEST(well_formed_text_is_whole)
{
    static const char *const texts[] = {
        "",
        "plain",
        "mod\xc3\xa8le",
        "\xc2\x80 \xdf\xbf",                                   /* U+0080, U+07FF */
        "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", /* around the surrogates */
        "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",                   /* U+10000, U+10FFFF */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_uint_eq(prefix(texts[i]), strlen(texts[i]));
    ck_assert_uint_eq(utf8_prefix((const uint8_t *)"a\0b", 3), 3);
}
END_TEST

/* RFC 3629 §3 and §10: overlong forms, surrogates, beyond U+10FFFF, stray and missing bytes. */
START_TEST(malformed_text_ends_the_prefix)
{
    static const char *const texts[] = {
        "ab\x80",
        "ab\xbf",
        "ab\xc0\xaf",
        "ab\xc1\xbf",
        "ab\xe0\x9f\xbf",
        "ab\xed\xa0\x80",
        "ab\xf0\x8f\xbf\xbf",
        "ab\xf4\x90\x80\x80",
        "ab\xf5\x80\x80\x80",
        "ab\xff",
        "ab\xc3",
        "ab\xe2\x82",
        "ab\xf0\x9f\x98",
        "ab\xc3(",
        "ab\xe2(\xa1",
        "ab\xe2\x82(",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(prefix(texts[i]) == 2, "text %zu", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *test = tcase_create("utf8");
    tcase_add_test(test, well_formed_text_is_whole);
    tcase_add_test(test, malformed_text_ends_the_prefix);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
