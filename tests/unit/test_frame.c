#include <string.h>

#include "check_main.h"
#include "frame.h"

START_TEST(test_nothing_is_said_before_the_prefix_is_whole)
{
    const uint8_t bytes[FRAME_PREFIX_BYTES] = {9, 0xFF, 0xFF, 0xFF, 0xFF};
    for (size_t count = 0; count < FRAME_PREFIX_BYTES; count++) {
        const frame_prefix prefix = frame_parse(bytes, count, 10, false);
        ck_assert_int_eq(prefix.result, FRAME_PARTIAL);
        ck_assert_uint_eq(prefix.flag, 0);
        ck_assert_uint_eq(prefix.length, 0);
    }
}
END_TEST

START_TEST(test_a_message_is_whole_with_its_last_byte)
{
    const uint8_t bytes[12] = {0, 0, 0, 0, 3, 'a', 'b', 'c', 1, 2, 3, 4};
    for (size_t count = FRAME_PREFIX_BYTES; count <= sizeof bytes; count++) {
        const frame_prefix prefix = frame_parse(bytes, count, 3, false);
        ck_assert_int_eq(prefix.result, count < 8 ? FRAME_PARTIAL : FRAME_WHOLE);
        ck_assert_uint_eq(prefix.length, 3);
    }
}
END_TEST

START_TEST(test_an_empty_message)
{
    const uint8_t bytes[FRAME_PREFIX_BYTES] = {0};
    ck_assert_int_eq(frame_parse(bytes, sizeof bytes, 0, false).result, FRAME_WHOLE);
}
END_TEST

START_TEST(test_the_limit)
{
    const uint8_t bytes[FRAME_PREFIX_BYTES] = {0, 0x01, 0x02, 0x03, 0x04};
    const frame_prefix over = frame_parse(bytes, sizeof bytes, 0x01020303, false);
    ck_assert_int_eq(over.result, FRAME_TOO_LONG);
    ck_assert_uint_eq(over.length, 0x01020304);
    ck_assert_int_eq(frame_parse(bytes, sizeof bytes, 0x01020304, false).result, FRAME_PARTIAL);
}
END_TEST

START_TEST(test_the_greatest_length)
{
    const uint8_t bytes[FRAME_PREFIX_BYTES] = {0, 0xFF, 0xFF, 0xFF, 0xFF};
    ck_assert_int_eq(frame_parse(bytes, sizeof bytes, UINT32_MAX - 1, false).result,
                     FRAME_TOO_LONG);
    const frame_prefix prefix = frame_parse(bytes, sizeof bytes, UINT32_MAX, false);
    ck_assert_int_eq(prefix.result, FRAME_PARTIAL);
    ck_assert_uint_eq(prefix.length, UINT32_MAX);
}
END_TEST

START_TEST(test_flags)
{
    uint8_t bytes[FRAME_PREFIX_BYTES] = {0, 0, 0, 0, 0};
    for (unsigned flag = 1; flag < 256; flag++) {
        bytes[0] = (uint8_t)flag;
        const frame_prefix prefix = frame_parse(bytes, sizeof bytes, 10, false);
        ck_assert_int_eq(prefix.result, flag == 1 ? FRAME_COMPRESSED : FRAME_BAD_FLAG);
        ck_assert_uint_eq(prefix.flag, flag);
        const frame_prefix allowed = frame_parse(bytes, sizeof bytes, 10, true);
        ck_assert_int_eq(allowed.result, flag == 1 ? FRAME_WHOLE : FRAME_BAD_FLAG);
    }
}
END_TEST

START_TEST(test_a_prefix_reads_back)
{
    static const uint32_t lengths[] = {0, 1, 0xFF, 0x100, 0x12345678, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t bytes[FRAME_PREFIX_BYTES];
        memset(bytes, 0xAA, sizeof bytes);
        frame_write_prefix(bytes, i % 2, lengths[i]);
        const frame_prefix prefix = frame_parse(bytes, sizeof bytes, UINT32_MAX, true);
        ck_assert_uint_eq(prefix.flag, i % 2);
        ck_assert_uint_eq(prefix.length, lengths[i]);
        ck_assert_int_eq(prefix.result, lengths[i] == 0 ? FRAME_WHOLE : FRAME_PARTIAL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frame");
    tcase_add_test(tests, test_nothing_is_said_before_the_prefix_is_whole);
    tcase_add_test(tests, test_a_message_is_whole_with_its_last_byte);
    tcase_add_test(tests, test_an_empty_message);
    tcase_add_test(tests, test_the_limit);
    tcase_add_test(tests, test_the_greatest_length);
    tcase_add_test(tests, test_flags);
    tcase_add_test(tests, test_a_prefix_reads_back);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
