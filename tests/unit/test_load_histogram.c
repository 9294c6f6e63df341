/*
 * vqlbench's histograms: what they keep of durations, and HdrHistogram's encoding of them.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "check_main.h"
#include "load_log.h"
#include "load_random.h"

enum { COUNT = 20000 };

static load_histogram histogram, other;

static int by_size(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* Durations of all sizes, from a nanosecond to an hour. */
static uint64_t draw(load_random *random)
{
    return load_random_bits(random) >> 22 >> load_random_below(random, 42);
}

START_TEST(quantiles_have_three_digits)
{
    static uint64_t ns[COUNT];
    load_random random = {1};
    for (size_t i = 0; i < COUNT; i++) {
        ns[i] = draw(&random);
        ns[i] = ns[i] < LOAD_HISTOGRAM_MOST_NS ? ns[i] : LOAD_HISTOGRAM_MOST_NS;
        load_histogram_add(&histogram, ns[i]);
    }
    qsort(ns, COUNT, sizeof *ns, by_size);
    for (int i = 1; i <= 1000; i++) {
        const uint64_t exact = ns[i * (COUNT / 1000) - 1];
        const uint64_t kept = load_histogram_quantile(&histogram, i / 1000.0);
        ck_assert_uint_ge(kept, exact);
        ck_assert_uint_le(kept - exact, exact / 1000);
    }
    ck_assert_uint_eq(load_histogram_quantile(&histogram, 1), ns[COUNT - 1]);
    ck_assert_uint_eq(load_histogram_quantile(&histogram, 0), ns[0]);
}
END_TEST

START_TEST(every_duration_has_its_place)
{
    size_t last = 0;
    for (uint64_t ns = 0; ns < 100000; ns++) {
        const size_t index = load_histogram_index(ns);
        ck_assert(index == last || index == last + 1);
        last = index;
    }
    ck_assert_uint_lt(load_histogram_index(LOAD_HISTOGRAM_MOST_NS), LOAD_HISTOGRAM_COUNTS);
    load_histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram.most_ns, LOAD_HISTOGRAM_MOST_NS);
}
END_TEST

START_TEST(merging_adds_and_clearing_empties)
{
    static load_histogram all;
    load_random random = {2};
    for (size_t i = 0; i < COUNT; i++) {
        const uint64_t ns = draw(&random);
        load_histogram_add(i % 3 == 0 ? &histogram : &other, ns);
        load_histogram_add(&all, ns);
    }
    load_histogram_merge(&histogram, &other);
    ck_assert_mem_eq(&histogram, &all, sizeof all);
    static const load_histogram empty;
    load_histogram_clear(&histogram);
    ck_assert_mem_eq(&histogram, &empty, sizeof empty);
    ck_assert_uint_eq(load_histogram_quantile(&empty, 0.99), 0);
}
END_TEST

static uint64_t get(const uint8_t **at, int bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | *(*at)++;
    return number;
}

/* ZigZag and LEB128, with eight bits in a ninth byte. */
static int64_t get_count(const uint8_t **at)
{
    uint64_t bits = 0;
    for (int i = 0; i < 9; i++) {
        const uint8_t byte = *(*at)++;
        bits |= (uint64_t)(i < 8 ? byte & 0x7F : byte) << (7 * i);
        if (i < 8 && byte < 0x80)
            break;
    }
    return (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
}

static void check_encoding(const uint8_t *at, const load_histogram *h)
{
    ck_assert_uint_eq(get(&at, 4), 0x1c849313);
    const size_t length = get(&at, 4);
    ck_assert_uint_eq(get(&at, 4), 0);
    ck_assert_uint_eq(get(&at, 4), 3);
    ck_assert_uint_eq(get(&at, 8), 1);
    ck_assert_uint_eq(get(&at, 8), LOAD_HISTOGRAM_MOST_NS);
    ck_assert_uint_eq(get(&at, 8), 0x3FF0000000000000);
    size_t index = 0;
    for (const uint8_t *end = at + length; at < end;) {
        const int64_t count = get_count(&at);
        for (int64_t i = 0; i > count; i--)
            ck_assert_uint_eq(h->counts[index++], 0);
        if (count >= 0)
            ck_assert_uint_eq(h->counts[index++], (uint64_t)count);
    }
    for (; index < LOAD_HISTOGRAM_COUNTS; index++)
        ck_assert_uint_eq(h->counts[index], 0);
}

START_TEST(the_encoding_holds_all_counts)
{
    load_random random = {3};
    for (int i = 0; i < COUNT; i++)
        load_histogram_add(&histogram, draw(&random));
    /* Counts of every length. */
    for (int bits = 0; bits < 62; bits++)
        histogram.counts[1000 + bits] = UINT64_C(1) << bits;
    size_t bytes;
    uint8_t *encoded = load_log_encode(&histogram, &bytes);
    ck_assert_ptr_nonnull(encoded);
    check_encoding(encoded, &histogram);
    free(encoded);
    encoded = load_log_encode(&other, &bytes);
    ck_assert_uint_eq(bytes, 40);
    check_encoding(encoded, &other);
    free(encoded);
}
END_TEST

static unsigned digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    ck_assert_ptr_nonnull(at);
    return (unsigned)(at - digits);
}

START_TEST(the_log_has_it_compressed)
{
    uint8_t encoded[300];
    for (size_t count = 1; count < sizeof encoded; count++) {
        encoded[count - 1] = (uint8_t)(count * 31);
        char *text = load_log_compress(encoded, count);
        const size_t length = strlen(text);
        ck_assert_uint_eq(length % 4, 0);
        uint8_t packed[1000] = {0};
        size_t bytes = 0;
        for (size_t i = 0; i < length; i += 4) {
            uint32_t bits = 0;
            for (size_t j = i; j < i + 4; j++)
                bits = bits << 6 | (text[j] != '=' ? digit(text[j]) : 0);
            for (int shift = 16; shift >= 0; shift -= 8)
                packed[bytes++] = (uint8_t)(bits >> shift);
        }
        const uint8_t *at = packed;
        ck_assert_uint_eq(get(&at, 4), 0x1c849314);
        const uint64_t packed_bytes = get(&at, 4);
        uint8_t plain[sizeof encoded];
        uLongf plain_bytes = sizeof plain;
        ck_assert_int_eq(uncompress(plain, &plain_bytes, at, (uLong)packed_bytes), Z_OK);
        ck_assert_uint_eq(plain_bytes, count);
        ck_assert_mem_eq(plain, encoded, count);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load_histogram");
    TCase *cases = tcase_create("cases");
    suite_add_tcase(suite, cases);
    tcase_add_test(cases, quantiles_have_three_digits);
    tcase_add_test(cases, every_duration_has_its_place);
    tcase_add_test(cases, merging_adds_and_clearing_empties);
    tcase_add_test(cases, the_encoding_holds_all_counts);
    tcase_add_test(cases, the_log_has_it_compressed);
    return check_main(suite);
}
