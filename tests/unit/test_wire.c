#include <string.h>

#include "check_main.h"
#include "wire.h"

static message_buffer out;

static void stop(void)
{
    message_buffer_clear(&out);
}

static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};

START_TEST(test_fields_read_back)
{
    const wire_span text = {(const uint8_t *)"text", 4};
    ck_assert(wire_put_varint(&out, 1, values[_i]));
    ck_assert(wire_put_bytes(&out, 536870911, text));
    ck_assert(wire_put_bytes(&out, 16, (wire_span){0}));
    wire_span rest = {out.bytes, out.count};
    wire_field f;
    ck_assert(wire_next(&rest, &f));
    ck_assert_uint_eq(f.number, 1);
    ck_assert_int_eq(f.type, WIRE_VARINT);
    ck_assert_uint_eq(f.value, values[_i]);
    ck_assert(wire_next(&rest, &f));
    ck_assert_uint_eq(f.number, 536870911);
    ck_assert(wire_equals(f.bytes, "text"));
    ck_assert(!wire_equals(f.bytes, "tex") && !wire_equals(f.bytes, "texts"));
    ck_assert(wire_next(&rest, &f));
    ck_assert_uint_eq(f.bytes.count, 0);
    ck_assert(!wire_next(&rest, &f));
    ck_assert_uint_eq(rest.count, 0);
}
END_TEST

START_TEST(test_fixed_fields_are_skipped)
{
    static const uint8_t bytes[] = {0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x18, 5};
    wire_span rest = {bytes, sizeof bytes};
    wire_field f;
    ck_assert(wire_next(&rest, &f) && f.number == 1 && f.type == WIRE_FIXED64);
    ck_assert(wire_next(&rest, &f) && f.number == 2 && f.type == WIRE_FIXED32);
    ck_assert(wire_next(&rest, &f) && f.number == 3 && f.value == 5);
    ck_assert(!wire_next(&rest, &f) && rest.count == 0);
}
END_TEST

static const struct {
    const char *bytes;
    size_t count;
} malformed[] = {
    {"\x08", 1},                                              /* no value */
    {"\x80", 1},                                              /* half a tag */
    {"\x00\x01", 2},                                          /* field 0 */
    {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a varint of 11 bytes */
    {"\x0a\x05text", 6},                                      /* a byte is missing */
    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* longer than memory */
    {"\x09\1\2\3\4\5\6\7", 8},                                /* 7 bytes of 8 */
    {"\x0d\1\2\3", 4},                                        /* 3 bytes of 4 */
    {"\x0b", 1},                                              /* a group */
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11},     /* a field number of 61 bits */
};

START_TEST(test_malformed)
{
    wire_span rest = {(const uint8_t *)malformed[_i].bytes, malformed[_i].count};
    wire_field f;
    ck_assert(!wire_next(&rest, &f));
    ck_assert_uint_eq(rest.count, malformed[_i].count);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *tests = tcase_create("wire");
    tcase_add_checked_fixture(tests, NULL, stop);
    tcase_add_loop_test(tests, test_fields_read_back, 0, sizeof values / sizeof *values);
    tcase_add_test(tests, test_fixed_fields_are_skipped);
    tcase_add_loop_test(tests, test_malformed, 0, sizeof malformed / sizeof *malformed);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
