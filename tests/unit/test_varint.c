/*
 * Varints of every length, at every distance from the end of the bytes, and those that are none.
 */
#include "varint.h"

#include <check.h>
#include <string.h>

#include "check_main.h"
#include "random.h"

enum { MOST = 400 };

static size_t put(uint64_t number, uint8_t *bytes)
{
    size_t count = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[count++] = (uint8_t)(number | 0x80);
    bytes[count++] = (uint8_t)number;
    return count;
}

/* Numbers of all sizes, in runs of any length, cut anywhere: what is whole is decoded, in order. */
START_TEST(test_random_runs)
{
    random_stream random = {(uint64_t)_i};
    uint64_t wanted[MOST] = {0};
    uint64_t found[MOST] = {0};
    size_t ends[MOST + 1] = {0};
    uint8_t bytes[MOST * VARINT_BYTES];
    const size_t numbers = 1 + random_below(&random, MOST);
    for (size_t i = 0; i < numbers; i++) {
        const uint64_t all = (uint64_t)(random_uniform(&random) * 0x1p64);
        wanted[i] = all >> random_below(&random, 64);
        ends[i + 1] = ends[i] + put(wanted[i], bytes + ends[i]);
    }
    for (size_t i = 0, cut = 0; cut <= ends[numbers]; cut++) {
        while (i < numbers && ends[i + 1] <= cut)
            i++;
        const varint_run run = varint_decode(bytes, cut, found, MOST);
        ck_assert_uint_eq(run.numbers, i);
        ck_assert_uint_eq(run.bytes, ends[i]);
        ck_assert_int_eq(run.state, VARINT_MORE);
        ck_assert_mem_eq(found, wanted, i * sizeof *found);
    }
    const size_t room = random_below(&random, (uint32_t)numbers);
    const varint_run run = varint_decode(bytes, ends[numbers], found, room);
    ck_assert_uint_eq(run.numbers, room);
    ck_assert_uint_eq(run.bytes, ends[room]);
}
END_TEST

START_TEST(test_every_length)
{
    uint8_t bytes[2 * VARINT_BYTES] = {0};
    uint64_t found[VARINT_BYTES + 1];
    for (unsigned bits = 0; bits < 64; bits++) {
        const uint64_t number = UINT64_MAX >> bits;
        const size_t length = put(number, bytes);
        bytes[length] = 5;
        const varint_run run = varint_decode(bytes, length + 1, found, 2);
        ck_assert_uint_eq(run.numbers, 2);
        ck_assert_uint_eq(found[0], number);
        ck_assert_uint_eq(found[1], 5);
    }
}
END_TEST

/* Longer than need be is allowed; longer than 10 bytes or 64 bits is not. */
START_TEST(test_long_ones)
{
    static const struct {
        uint8_t bytes[12];
        int state;
        size_t numbers;
    } CASES[] = {
        {{0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 7, 7}, VARINT_MORE, 3},
        {{0x85, 0x80, 0x80, 0x00, 7, 7, 7, 7, 7, 7, 7, 7}, VARINT_MORE, 9},
        {{7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 7}, VARINT_MORE, 3},
        {{7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 7}, VARINT_LONG, 1},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 7}, VARINT_LONG, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint64_t found[12];
        const varint_run run = varint_decode(CASES[i].bytes, sizeof CASES[i].bytes, found, 12);
        ck_assert_int_eq(run.state, CASES[i].state);
        ck_assert_uint_eq(run.numbers, CASES[i].numbers);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("varint");
    TCase *tcase = tcase_create("varint");
    tcase_add_loop_test(tcase, test_random_runs, 0, 20);
    tcase_add_test(tcase, test_every_length);
    tcase_add_test(tcase, test_long_ones);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
