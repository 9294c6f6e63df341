/*
 * The client's small change of gRPC: numbers, timeouts, messages, status codes, backoff.
 */
#include <string.h>

#include "backoff.h"
#include "check_main.h"
#include "decimal.h"
#include "protocol.h"

static const struct {
    const char *text;
    uint64_t max;
    bool valid;
    uint64_t number;
} numbers[] = {
    {"0", 0, true, 0},
    {"007", 7, true, 7},
    {"8", 7, false, 0},
    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, false, 0},
    {"99999999999999999999999", UINT64_MAX, false, 0},
    {"9223372036854775807", INT64_MAX, true, INT64_MAX},
    {"9223372036854775808", INT64_MAX, false, 0},
    {"", 9, false, 0},
    {"-1", 9, false, 0},
    {"+1", 9, false, 0},
    {" 1", 9, false, 0},
    {"1 ", 9, false, 0},
    {"0x1", 99, false, 0},
};

START_TEST(decimal_takes_digits_up_to_a_limit)
{
    uint64_t number = 12345;
    const bool valid =
        decimal_parse(numbers[_i].text, strlen(numbers[_i].text), numbers[_i].max, &number);
    ck_assert_int_eq(valid, numbers[_i].valid);
    ck_assert_uint_eq(number, numbers[_i].valid ? numbers[_i].number : 12345);
}
END_TEST

static const struct {
    uint64_t ns;
    const char *text;
} timeouts[] = {
    {0, "0n"},
    {1, "1n"},
    {99999998, "99999998n"},
    {99999999, "100000u"},
    {100000001, "100001u"},
    {UINT64_C(2000000000), "2000000u"},
    {UINT64_C(99999998000), "99999998u"},
    {UINT64_C(99999998001), "99999999u"},
    {UINT64_C(99999999000), "100000m"},
    {UINT64_C(3600000000000), "3600000m"},
    {UINT64_C(100000000000000), "100000S"},
    {UINT64_C(99999999000000000), "1666667M"},
    {UINT64_MAX, "5124096H"},
};

START_TEST(a_timeout_is_rounded_up_to_eight_digits)
{
    char text[PROTOCOL_TIMEOUT_BYTES];
    protocol_timeout_format(timeouts[_i].ns, text);
    ck_assert_str_eq(text, timeouts[_i].text);
}
END_TEST

static const struct {
    const char *encoded;
    size_t capacity;
    const char *decoded;
} messages[] = {
    {"", 16, ""},
    {"plain", 16, "plain"},
    {"100%25 of %C3%A9", 32, "100% of \xC3\xA9"},
    {"%41%4a%4A", 16, "AJJ"},
    {"%", 16, "%"},
    {"%4", 16, "%4"},
    {"%4x%zz", 16, "%4x%zz"},
    {"a%00b", 16, "a%00b"},
    {"0123456789", 6, "01234"},
    {"0123%41%42", 6, "0123A"},
    {"012%C3%A9", 6, "012\xC3\xA9"},
    {"0123%C3%A9", 6, "0123"},
    {"01%E2%82%AC%41", 6, "01\xE2\x82\xAC"},
    {"012%E2%82%AC", 6, "012"},
    {"0%F0%9F%98%80", 6, "0\xF0\x9F\x98\x80"},
    {"01%F0%9F%98%80", 6, "01"},
};

START_TEST(a_message_is_decoded_and_cut_between_characters)
{
    char out[32];
    memset(out, 'x', sizeof out);
    const char *encoded = messages[_i].encoded;
    protocol_message_decode((const uint8_t *)encoded, strlen(encoded), out, messages[_i].capacity);
    ck_assert_str_eq(out, messages[_i].decoded);
}
END_TEST

START_TEST(statuses_have_their_numbers_and_names)
{
    ck_assert_str_eq(vqlc_status_name(VQLC_OK), "OK");
    ck_assert_str_eq(vqlc_status_name(VQLC_UNAUTHENTICATED), "UNAUTHENTICATED");
    ck_assert_int_eq(VQLC_UNAVAILABLE, 14);
    ck_assert_int_eq(protocol_status_parse((const uint8_t *)"14", 2), VQLC_UNAVAILABLE);
    ck_assert_int_eq(protocol_status_parse((const uint8_t *)"16", 2), VQLC_UNAUTHENTICATED);
    ck_assert_int_eq(protocol_status_parse((const uint8_t *)"17", 2), VQLC_UNKNOWN);
    ck_assert_int_eq(protocol_status_parse((const uint8_t *)"", 0), VQLC_UNKNOWN);
    ck_assert_int_eq(protocol_status_parse((const uint8_t *)"0 ", 2), VQLC_UNKNOWN);
}
END_TEST

START_TEST(a_pushback_that_is_no_number_means_do_not_retry)
{
    ck_assert_int_eq(protocol_pushback_parse((const uint8_t *)"0", 1), 0);
    ck_assert_int_eq(protocol_pushback_parse((const uint8_t *)"1500", 4), 1500);
    ck_assert_int_eq(protocol_pushback_parse((const uint8_t *)"-1", 2), -1);
    ck_assert_int_eq(protocol_pushback_parse((const uint8_t *)"soon", 4), -1);
}
END_TEST

START_TEST(backoff_grows_to_its_limit_and_is_jittered)
{
    backoff b = {.min_ms = 1000, .max_ms = 5000};
    backoff_reset(&b);
    ck_assert_uint_eq(backoff_next(&b, 0), 800);           /* a fifth less than 1000 */
    ck_assert_uint_eq(backoff_next(&b, UINT32_MAX), 1919); /* a fifth more than 1600, not quite */
    ck_assert_uint_eq(backoff_next(&b, 1u << 31), 2560);
    ck_assert_uint_eq(backoff_next(&b, 1u << 31), 4095); /* rounded down */
    ck_assert_uint_eq(backoff_next(&b, 1u << 31), 5000);
    ck_assert_uint_eq(backoff_next(&b, 1u << 31), 5000);
    backoff_reset(&b);
    ck_assert_uint_eq(backoff_next(&b, 1u << 31), 1000);
    b = (backoff){.min_ms = UINT32_MAX, .max_ms = UINT32_MAX};
    backoff_reset(&b);
    ck_assert_uint_gt(backoff_next(&b, UINT32_MAX), UINT32_MAX);
}
END_TEST

static Suite *protocol_suite(void)
{
    Suite *suite = suite_create("client_protocol");
    TCase *texts = tcase_create("texts");
    tcase_add_loop_test(texts, decimal_takes_digits_up_to_a_limit, 0,
                        sizeof numbers / sizeof numbers[0]);
    tcase_add_loop_test(texts, a_timeout_is_rounded_up_to_eight_digits, 0,
                        sizeof timeouts / sizeof timeouts[0]);
    tcase_add_loop_test(texts, a_message_is_decoded_and_cut_between_characters, 0,
                        sizeof messages / sizeof messages[0]);
    tcase_add_test(texts, statuses_have_their_numbers_and_names);
    tcase_add_test(texts, a_pushback_that_is_no_number_means_do_not_retry);
    tcase_add_test(texts, backoff_grows_to_its_limit_and_is_jittered);
    suite_add_tcase(suite, texts);
    return suite;
}

int main(void)
{
    return check_main(protocol_suite());
}
