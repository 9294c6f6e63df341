#include "check_main.h"
#include "id_map.h"
#include "random.h"

enum { IDS = 4096, STEPS = 200000 };

static id_map map;

static void teardown(void)
{
    id_map_clear(&map);
}

START_TEST(an_empty_map_has_nothing)
{
    ck_assert_ptr_null(id_map_get(&map, 0));
    ck_assert_ptr_null(id_map_remove(&map, 7));
    ck_assert_uint_eq(id_map_bytes(&map), 0);
}
END_TEST

/*
 * Random puts and removes of few ids, so that runs collide, beside an array that cannot be wrong.
 */
START_TEST(agrees_with_an_array)
{
    static char values[IDS];
    static bool present[IDS];
    random_stream random = {1};
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        const size_t id = random_below(&random, IDS);
        if (present[id]) {
            ck_assert_ptr_eq(id_map_remove(&map, id), &values[id]);
            count--;
        } else {
            ck_assert(id_map_reserve(&map, 1));
            id_map_put(&map, id, &values[id]);
            count++;
        }
        present[id] = !present[id];
        ck_assert_uint_eq(map.count, count);
        const size_t other = random_below(&random, IDS);
        ck_assert_ptr_eq(id_map_get(&map, other), present[other] ? &values[other] : NULL);
    }
    for (size_t id = 0; id < IDS; id++)
        ck_assert_ptr_eq(id_map_get(&map, id), present[id] ? &values[id] : NULL);
}
END_TEST

START_TEST(stays_at_most_three_quarters_full)
{
    char value;
    for (uint64_t id = 0; id < 1000; id++) {
        ck_assert(id_map_reserve(&map, 1));
        id_map_put(&map, id << 32, &value);
        ck_assert_uint_le(map.count * 4, map.capacity * 3);
    }
}
END_TEST

START_TEST(refuses_more_than_there_can_be)
{
    ck_assert(!id_map_reserve(&map, SIZE_MAX));
    ck_assert(!id_map_reserve(&map, SIZE_MAX / 8));
    ck_assert_uint_eq(map.capacity, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("id_map");
    TCase *test = tcase_create("id_map");
    tcase_add_checked_fixture(test, NULL, teardown);
    tcase_add_test(test, an_empty_map_has_nothing);
    tcase_add_test(test, agrees_with_an_array);
    tcase_add_test(test, stays_at_most_three_quarters_full);
    tcase_add_test(test, refuses_more_than_there_can_be);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
