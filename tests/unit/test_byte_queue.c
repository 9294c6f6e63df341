#include <string.h>

#include "byte_queue.h"
#include "check_main.h"
#include "random.h"

START_TEST(test_an_empty_queue_owns_nothing)
{
    byte_queue q = {0};
    ck_assert_uint_eq(byte_queue_size(&q), 0);
    ck_assert_ptr_null(byte_queue_front(&q));
    ck_assert(byte_queue_append(&q, NULL, 0));
    ck_assert_ptr_null(q.block);
    byte_queue_take(&q, 0);
    byte_queue_clear(&q);
    ck_assert_uint_eq(byte_queue_size(&q), 0);
}
END_TEST

START_TEST(test_bytes_leave_in_order)
{
    byte_queue q = {0};
    ck_assert(byte_queue_append(&q, (const uint8_t *)"hello, ", 7));
    uint8_t *room = byte_queue_extend(&q, 5);
    ck_assert_ptr_nonnull(room);
    memcpy(room, "world", 5);
    ck_assert_mem_eq(byte_queue_front(&q), "hello, world", 12);
    byte_queue_take(&q, 7);
    ck_assert_uint_eq(byte_queue_size(&q), 5);
    ck_assert_mem_eq(byte_queue_front(&q), "world", 5);
    byte_queue_take(&q, 5);
    ck_assert_ptr_null(q.block);
}
END_TEST

START_TEST(test_a_size_that_overflows_changes_nothing)
{
    byte_queue q = {0};
    ck_assert_ptr_null(byte_queue_extend(&q, SIZE_MAX));
    ck_assert(byte_queue_append(&q, (const uint8_t *)"abc", 3));
    ck_assert_ptr_null(byte_queue_extend(&q, SIZE_MAX));
    ck_assert_ptr_null(byte_queue_extend(&q, SIZE_MAX - 3));
    ck_assert_uint_eq(byte_queue_size(&q), 3);
    ck_assert_mem_eq(byte_queue_front(&q), "abc", 3);
    byte_queue_clear(&q);
}
END_TEST

/* A queue that never empties must not grow with what has passed through it. */
START_TEST(test_capacity_follows_the_size)
{
    byte_queue q = {0};
    uint8_t next_in = 0, next_out = 0;
    for (int i = 0; i < 100; i++)
        ck_assert(byte_queue_append(&q, &next_in, 1) && ++next_in);
    for (int i = 0; i < 100000; i++) {
        const bool appended = byte_queue_append(&q, &next_in, 1);
        next_in++;
        if (!appended || *byte_queue_front(&q) != next_out || q.capacity > 1024)
            ck_abort_msg("byte %d", i);
        next_out++;
        byte_queue_take(&q, 1);
    }
    byte_queue_clear(&q);
}
END_TEST

START_TEST(test_random_use)
{
    random_stream random = {.state = (uint64_t)_i};
    byte_queue q = {0};
    uint8_t next_in = 0, next_out = 0;
    size_t size = 0;
    for (int step = 0; step < 2000; step++) {
        if (random_below(&random, 2) == 0) {
            const size_t count = 1 + random_below(&random, 700);
            uint8_t *room = byte_queue_extend(&q, count);
            ck_assert_ptr_nonnull(room);
            for (size_t i = 0; i < count; i++)
                room[i] = next_in++;
            size += count;
        } else {
            const size_t count = random_below(&random, (uint32_t)size + 1);
            for (size_t i = 0; i < count; i++)
                if (byte_queue_front(&q)[i] != next_out++)
                    ck_abort_msg("step %d, byte %zu", step, i);
            byte_queue_take(&q, count);
            size -= count;
        }
        ck_assert_uint_eq(byte_queue_size(&q), size);
    }
    byte_queue_clear(&q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("byte_queue");
    TCase *tests = tcase_create("byte_queue");
    tcase_add_test(tests, test_an_empty_queue_owns_nothing);
    tcase_add_test(tests, test_bytes_leave_in_order);
    tcase_add_test(tests, test_a_size_that_overflows_changes_nothing);
    tcase_add_test(tests, test_capacity_follows_the_size);
    tcase_add_loop_test(tests, test_random_use, 0, 20);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
