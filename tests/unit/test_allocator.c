/*
 * The default allocator, and arrays whose size is checked and counted.
 */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "allocation.h"
#include "check_main.h"
#include "failing_allocator.h"

START_TEST(test_default)
{
    const vql_allocator *allocator = vql_allocator_default();
    char *block = allocator->allocate(allocator->context, 4);
    memcpy(block, "abc", 4);
    block = allocator->reallocate(allocator->context, block, 4000);
    ck_assert_str_eq(block, "abc");
    allocator->release(allocator->context, block);
    allocator->release(allocator->context, NULL);
}
END_TEST

START_TEST(test_array)
{
    size_t held = 100;
    uint32_t *block = vql_allocate_array(vql_allocator_default(), 5, sizeof *block, &held);
    memset(block, 0xA5, 5 * sizeof *block);
    ck_assert_uint_eq(held, 120);
    vql_release(vql_allocator_default(), block);
    void *empty = vql_allocate_array(vql_allocator_default(), 0, 8, &held);
    ck_assert_ptr_nonnull(empty);
    ck_assert_uint_eq(held, 120);
    vql_release(vql_allocator_default(), empty);
}
END_TEST

/* Sizes beyond what a block can have never reach the allocator, and count for nothing. */
START_TEST(test_overflow)
{
    const uint64_t counts[] = {UINT64_MAX, UINT64_MAX / 8 + 2, PTRDIFF_MAX / 8 + UINT64_C(1)};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, FAILING_ALLOCATOR_NEVER);
        size_t held = 0;
        ck_assert_ptr_null(vql_allocate_array(&memory.allocator, counts[i], 8, &held));
        ck_assert_uint_eq(memory.calls, 0);
        ck_assert_uint_eq(held, 0);
    }
}
END_TEST

START_TEST(test_no_memory)
{
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    size_t held = 0;
    ck_assert_ptr_null(vql_allocate_array(&memory.allocator, 10, 4, &held));
    ck_assert_uint_eq(held, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("allocator");
    TCase *tcase = tcase_create("allocator");
    tcase_add_test(tcase, test_default);
    tcase_add_test(tcase, test_array);
    tcase_add_test(tcase, test_overflow);
    tcase_add_test(tcase, test_no_memory);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
