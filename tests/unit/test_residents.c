#include "arena.h"
#include "check_main.h"
#include "id_map.h"
#include "random.h"
#include "registry_fixture.h"
#include "residents.h"

enum { EVENTS = 40, USERS = 400 };

static cache_pool pool;
static residents *r;

/* A cache of some events, made the way a shard makes one. */
static vql_cache *make_cache(uint64_t user_id, size_t count)
{
    vql_cache *cache;
    ck_assert_int_eq(vql_cache_new(loaded->catalog, residents_allocator(r), &cache), VQL_OK);
    vql_cache_event events[EVENTS];
    for (size_t i = 0; i < count; i++)
        events[i] =
            (vql_cache_event){.time_ms = 1000, .row = (uint32_t)(user_id * 37 + i * 11) % 3000};
    ck_assert_int_eq(vql_cache_append(cache, events, count), VQL_OK);
    return cache;
}

static void open_residents(size_t budget_bytes)
{
    ck_assert(cache_pool_init(&pool, budget_bytes));
    r = residents_new(&pool, 0);
    ck_assert_ptr_nonnull(r);
}

static void close_residents(void)
{
    residents_free(r);
    cache_pool_clear(&pool);
}

static void fill(size_t users)
{
    for (uint64_t user = 0; user < users; user++) {
        ck_assert(residents_put(r, user, make_cache(user, EVENTS)));
        cache_pool_settle(&pool);
    }
}

START_TEST(an_arena_counts_what_is_allocated)
{
    arena *a = arena_new();
    ck_assert_ptr_nonnull(a);
    const vql_allocator *allocator = arena_allocator(a);
    const size_t before = arena_bytes(a);
    void *block = allocator->allocate(allocator->context, 100000);
    ck_assert_uint_ge(arena_bytes(a), before + 100000);
    ck_assert_uint_le(arena_bytes(a), before + 130000);
    block = allocator->reallocate(allocator->context, block, 300000);
    ck_assert_uint_ge(arena_bytes(a), before + 300000);
    allocator->release(allocator->context, block);
    allocator->release(allocator->context, NULL);
    ck_assert_uint_eq(arena_bytes(a), before);
    arena_free(a);
}
END_TEST

START_TEST(without_a_budget_all_stay)
{
    open_residents(0);
    fill(USERS);
    for (uint64_t user = 0; user < USERS; user++)
        ck_assert_ptr_nonnull(residents_get(r, user));
    ck_assert_ptr_null(residents_get(r, USERS));
    ck_assert_uint_eq(residents_count(r), USERS);
    ck_assert_uint_eq(pool.evictions, 0);
    residents_drop(r, 3);
    residents_drop(r, 3);
    ck_assert_ptr_null(residents_get(r, 3));
    ck_assert_uint_eq(residents_count(r), USERS - 1);
    for (uint64_t user = 0; user < USERS; user++)
        residents_drop(r, user);
    ck_assert_uint_ge(cache_pool_bytes(&pool), USERS * sizeof(id_map_slot)); /* their table */
    close_residents();
}
END_TEST

START_TEST(a_budget_is_kept)
{
    open_residents(0);
    fill(USERS);
    const size_t all = cache_pool_bytes(&pool);
    close_residents();

    const size_t budget = all / 3;
    open_residents(budget);
    for (uint64_t user = 0; user < USERS; user++) {
        ck_assert(residents_put(r, user, make_cache(user, EVENTS)));
        cache_pool_settle(&pool);
        const size_t bytes = cache_pool_bytes(&pool);
        ck_assert_msg(bytes <= budget + budget / 32, "user %d: %zu of %zu bytes", (int)user, bytes,
                      budget);
    }
    ck_assert_uint_gt(pool.evictions, USERS / 2);
    ck_assert_uint_eq(residents_count(r) + pool.evictions, USERS);
    ck_assert_uint_gt(cache_pool_bytes(&pool), budget / 2);
    close_residents();
}
END_TEST

/* Caches that grow where they are push others out, too. */
START_TEST(growth_counts)
{
    open_residents(0);
    fill(USERS);
    const size_t budget = cache_pool_bytes(&pool) * 3 / 2;
    close_residents();

    open_residents(budget);
    fill(USERS);
    for (int round = 0; round < 20; round++)
        for (uint64_t user = 0; user < USERS; user++) {
            vql_cache *cache = residents_get(r, user);
            if (!cache)
                continue;
            vql_cache_event events[EVENTS];
            for (size_t i = 0; i < EVENTS; i++)
                events[i] = (vql_cache_event){
                    .time_ms = 2000 + round,
                    .row = (uint32_t)(user * 41 + i * 13 + (size_t)round * 7) % 3000};
            ck_assert_int_eq(vql_cache_append(cache, events, EVENTS), VQL_OK);
            residents_resized(r, user);
            cache_pool_settle(&pool);
        }
    ck_assert_uint_gt(pool.evictions, 0);
    ck_assert_uint_le(cache_pool_bytes(&pool), budget + budget / 32);
    close_residents();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("residents");
    TCase *test = tcase_create("residents");
    tcase_set_timeout(test, 120);
    tcase_add_unchecked_fixture(test, load_retail, unload_model);
    tcase_add_test(test, an_arena_counts_what_is_allocated);
    tcase_add_test(test, without_a_budget_all_stay);
    tcase_add_test(test, a_budget_is_kept);
    tcase_add_test(test, growth_counts);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
