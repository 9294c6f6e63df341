/*
 * Memory that is kept for the next one who asks, in the bounds of what may be.
 */
#include "spares.h"

#include <stdint.h>
#include <string.h>

#include "check_main.h"
#include "limit.h"

static spares kept;

static void stop(void)
{
    spares_clear(&kept);
    ck_assert_uint_eq(kept.bytes, 0);
}

/* Every size gives memory that is its own, aligned, and the same again once it was given back. */
START_TEST(test_sizes)
{
    for (size_t bytes = 0; bytes <= 2 * SPARES_MOST; bytes += bytes / 8 + 1) {
        uint8_t *one = spares_take(&kept, bytes);
        uint8_t *other = spares_take(&kept, bytes);
        ck_assert(one && other);
        ck_assert_uint_eq((uintptr_t)one % _Alignof(max_align_t), 0);
        memset(one, 1, bytes);
        memset(other, 2, bytes);
        for (size_t i = 0; i < bytes; i++)
            ck_assert_uint_eq(one[i], 1);
        spares_give(&kept, other);
        if (bytes + 2 * sizeof(void *) <= SPARES_MOST)
            ck_assert_ptr_eq(spares_take(&kept, bytes), other);
        else
            other = NULL;
        spares_give(&kept, other);
        spares_give(&kept, one);
    }
    ck_assert_ptr_null(spares_take(&kept, SIZE_MAX));
}
END_TEST

START_TEST(test_resize_keeps_what_is_there)
{
    uint8_t *memory = NULL;
    size_t written = 0;
    for (size_t bytes = 1; bytes <= 3 * SPARES_MOST; bytes = 2 * bytes + 1) {
        memory = spares_resize(&kept, memory, bytes);
        ck_assert_ptr_nonnull(memory);
        for (; written < bytes; written++)
            memory[written] = (uint8_t)(written % 251);
        for (size_t i = 0; i < written; i++)
            if (memory[i] != i % 251)
                ck_abort_msg("byte %zu of %zu", i, bytes);
    }
    ck_assert_ptr_eq(spares_resize(&kept, memory, 5), memory);
    ck_assert_ptr_null(spares_resize(&kept, memory, SIZE_MAX));
    spares_give(&kept, memory);
}
END_TEST

START_TEST(test_bound)
{
    enum { BLOCKS = LIMIT_KEPT_BYTES / SPARES_MOST + 10 };
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = spares_take(&kept, SPARES_MOST / 2);
    for (size_t i = 0; i < BLOCKS; i++)
        spares_give(&kept, blocks[i]);
    ck_assert_uint_eq(kept.bytes, LIMIT_KEPT_BYTES);
}
END_TEST

START_TEST(test_none)
{
    uint8_t *memory = spares_resize(NULL, spares_take(NULL, 3), 300);
    ck_assert_ptr_nonnull(memory);
    memset(memory, 1, 300);
    spares_give(NULL, memory);
    spares_give(NULL, NULL);
    spares_give(&kept, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spares");
    TCase *tcase = tcase_create("spares");
    tcase_add_checked_fixture(tcase, NULL, stop);
    tcase_add_test(tcase, test_sizes);
    tcase_add_test(tcase, test_resize_keeps_what_is_there);
    tcase_add_test(tcase, test_bound);
    tcase_add_test(tcase, test_none);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
