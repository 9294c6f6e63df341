/* Connections counted by address, from many threads. */
#include "census.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check_main.h"

enum { MOST = 3, THREADS = 4, ROUNDS = 20000, ADDRESSES = 5000 };

static census *c;

static void setup(void)
{
    c = census_new(MOST, 42);
    ck_assert_ptr_nonnull(c);
}

static void teardown(void)
{
    census_free(c); /* asserts that everybody has left */
}

static census_key v4(uint8_t last)
{
    return census_key_v4((const uint8_t[4]){192, 0, 2, last});
}

START_TEST(an_address_has_its_limit)
{
    const census_key one = v4(1);
    const census_key other = v4(2);
    for (int i = 0; i < MOST; i++)
        ck_assert(census_enter(c, &one));
    ck_assert(!census_enter(c, &one));
    ck_assert(census_enter(c, &other));
    census_leave(c, &one);
    ck_assert(census_enter(c, &one));
    for (int i = 0; i < MOST; i++)
        census_leave(c, &one);
    census_leave(c, &other);
}
END_TEST

static void assert_same(const uint8_t a[16], const uint8_t b[16], bool same)
{
    const census_key left = census_key_v6(a);
    const census_key right = census_key_v6(b);
    ck_assert_int_eq(memcmp(&left, &right, sizeof left) == 0, same);
}

START_TEST(an_ipv6_address_stands_for_its_64)
{
    uint8_t a[16] = {0x20, 1, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint8_t b[16] = {0x20, 1, 0x0d, 0xb8, 1, 2, 3, 4};
    assert_same(a, b, true);
    b[7] = 5;
    assert_same(a, b, false);
    /* IPv4 in IPv6 is IPv4: all of it lies in one /64. */
    const uint8_t mapped_1[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
    const uint8_t mapped_2[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 2};
    assert_same(mapped_1, mapped_2, false);
    const census_key same = v4(1);
    const census_key key = census_key_v6(mapped_1);
    ck_assert_mem_eq(&key, &same, sizeof key);
}
END_TEST

START_TEST(many_addresses)
{
    for (int leaves = 0; leaves < 2; leaves++)
        for (uint32_t i = 0; i < ADDRESSES; i++) {
            const uint8_t address[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
            const census_key key = census_key_v4(address);
            if (leaves)
                census_leave(c, &key);
            else
                ck_assert(census_enter(c, &key));
        }
}
END_TEST

static atomic_uint inside;

static void *come_and_go(void *argument)
{
    unsigned *most = argument;
    const census_key key = v4(9);
    for (int i = 0; i < ROUNDS; i++) {
        if (!census_enter(c, &key))
            continue;
        const unsigned now = atomic_fetch_add(&inside, 1) + 1;
        *most = now > *most ? now : *most;
        (void)atomic_fetch_sub(&inside, 1);
        census_leave(c, &key);
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    pthread_t threads[THREADS];
    unsigned most[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &most[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_ge(most[i], 1);
        ck_assert_uint_le(most[i], MOST);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("census");
    TCase *tests = tcase_create("census");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_address_has_its_limit);
    tcase_add_test(tests, an_ipv6_address_stands_for_its_64);
    tcase_add_test(tests, many_addresses);
    tcase_add_test(tests, threads_share_it);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
