#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "gzip.h"
#include "random.h"

enum { LARGE = 300000, PACKED_BYTES = LARGE + 1000 };

static uint8_t plain[LARGE], packed[PACKED_BYTES];

/* Inflates the first `count` bytes of packed. */
static gzip_result unpack(size_t count, uint32_t limit, size_t *out_count)
{
    uint8_t *out;
    const gzip_result result = gzip_inflate(packed, count, limit, &out, out_count);
    ck_assert_int_eq(out != NULL, result == GZIP_OK);
    if (result == GZIP_OK)
        ck_assert_mem_eq(out, plain, *out_count);
    free(out);
    return result;
}

static void fill(size_t count, uint32_t alphabet)
{
    random_stream random = {7};
    for (size_t i = 0; i < count; i++)
        plain[i] = (uint8_t)random_below(&random, alphabet);
}

static const size_t sizes[] = {0, 1, 511, 512, 513, 4096, 65536, LARGE};

START_TEST(test_round_trip)
{
    const size_t size = sizes[_i];
    size_t count;
    for (uint32_t alphabet = 1; alphabet <= 256; alphabet *= 16) {
        fill(size, alphabet);
        const size_t bytes = gzip_deflate(plain, size, packed, sizeof packed);
        ck_assert_uint_gt(bytes, 0);
        ck_assert_int_eq(unpack(bytes, LARGE, &count), GZIP_OK);
        ck_assert_uint_eq(count, size);
    }
}
END_TEST

/* The limit counts what comes out, and is exact. */
START_TEST(test_limit)
{
    size_t count;
    memset(plain, 0, LARGE);
    const size_t bytes = gzip_deflate(plain, LARGE, packed, sizeof packed);
    ck_assert_uint_lt(bytes, 2000);
    ck_assert_int_eq(unpack(bytes, LARGE, &count), GZIP_OK);
    ck_assert_int_eq(unpack(bytes, LARGE - 1, &count), GZIP_TOO_LONG);
    ck_assert_int_eq(unpack(bytes, 0, &count), GZIP_TOO_LONG);
    const size_t empty = gzip_deflate(plain, 0, packed, sizeof packed);
    ck_assert_int_eq(unpack(empty, 0, &count), GZIP_OK);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(test_cut_off)
{
    size_t count;
    fill(1000, 16);
    const size_t bytes = gzip_deflate(plain, 1000, packed, sizeof packed);
    for (size_t cut = 0; cut < bytes; cut++)
        ck_assert_int_eq(unpack(cut, LARGE, &count), GZIP_MALFORMED);
}
END_TEST

/*
 * A changed byte is found by the checksum at the latest, unless it is one that means nothing: those
 * of the header, and what fills the last byte before the checksum.
 */
START_TEST(test_damaged)
{
    enum { HEADER_BYTES = 10 };
    size_t count;
    fill(1000, 16);
    const size_t bytes = gzip_deflate(plain, 1000, packed, sizeof packed);
    unsigned unnoticed = 0;
    for (size_t i = HEADER_BYTES; i < bytes; i++) {
        packed[i] ^= 0x10;
        unnoticed += unpack(bytes, 2000, &count) == GZIP_OK;
        packed[i] ^= 0x10;
    }
    ck_assert_uint_le(unnoticed, 1);
    packed[bytes] = 'x';
    ck_assert_int_eq(unpack(bytes + 1, 2000, &count), GZIP_MALFORMED);
}
END_TEST

START_TEST(test_members_follow_each_other)
{
    size_t count;
    fill(1000, 16);
    size_t bytes = gzip_deflate(plain, 600, packed, sizeof packed);
    bytes += gzip_deflate(plain + 600, 400, packed + bytes, sizeof packed - bytes);
    ck_assert_int_eq(unpack(bytes, 1000, &count), GZIP_OK);
    ck_assert_uint_eq(count, 1000);
    ck_assert_int_eq(unpack(bytes, 999, &count), GZIP_TOO_LONG);
}
END_TEST

START_TEST(test_no_room)
{
    fill(1000, 256);
    ck_assert_uint_eq(gzip_deflate(plain, 1000, packed, 1000), 0);
    memset(plain, 0, 1000);
    const size_t bytes = gzip_deflate(plain, 1000, packed, 1000);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_uint_eq(gzip_deflate(plain, 1000, packed, bytes - 1), 0);
    ck_assert_uint_eq(gzip_deflate(plain, 1000, packed, bytes), bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gzip");
    TCase *tests = tcase_create("gzip");
    tcase_add_loop_test(tests, test_round_trip, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(tests, test_limit);
    tcase_add_test(tests, test_cut_off);
    tcase_add_test(tests, test_damaged);
    tcase_add_test(tests, test_members_follow_each_other);
    tcase_add_test(tests, test_no_room);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
