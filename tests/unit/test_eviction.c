#include <stdlib.h>

#include "check_main.h"
#include "eviction.h"
#include "random.h"

enum { IDS = 2000 };

static eviction e;
static eviction_entry entries[IDS];
static bool present[IDS];

static void setup(void)
{
    eviction_init(&e);
}

static void teardown(void)
{
    eviction_clear(&e);
}

static void add(uint64_t id, size_t bytes)
{
    eviction_add(&e, &entries[id], id, bytes);
    present[id] = true;
}

/* Evicts until at most `budget` bytes are left, and returns how many entries that took. */
static size_t shrink(size_t budget)
{
    size_t evicted = 0;
    while (eviction_bytes(&e) > budget) {
        const eviction_entry *victim = eviction_evict(&e);
        ck_assert_ptr_nonnull(victim);
        ck_assert(present[victim->id]);
        present[victim->id] = false;
        evicted++;
    }
    return evicted;
}

/* Looks an id up as a cache of `budget` entries does. True: it was there. */
static bool look_up(uint64_t id, size_t budget)
{
    if (present[id]) {
        eviction_use(&entries[id]);
        return true;
    }
    add(id, 1);
    (void)shrink(budget);
    return false;
}

START_TEST(nothing_to_evict)
{
    ck_assert_ptr_null(eviction_evict(&e));
    ck_assert_uint_eq(eviction_bytes(&e), 0);
    ck_assert_uint_eq(eviction_own_bytes(&e), 0);
}
END_TEST

START_TEST(ids_that_left_take_bytes)
{
    for (uint64_t id = 0; id < IDS; id++)
        add(id, 1);
    ck_assert_uint_eq(eviction_own_bytes(&e), 0);
    (void)shrink(IDS / 2);
    ck_assert_uint_ge(eviction_own_bytes(&e), 64 * sizeof(uint64_t));
}
END_TEST

START_TEST(bytes_are_counted)
{
    uint64_t bytes = 0;
    random_stream random = {1};
    for (int step = 0; step < 50000; step++) {
        const uint32_t id = random_below(&random, IDS);
        const uint32_t size = 1 + random_below(&random, 1000);
        const bool is_new = !present[id];
        if (is_new) {
            add(id, size);
            bytes += size;
        } else if (size % 3 == 0) {
            eviction_remove(&e, &entries[id]);
            bytes -= entries[id].bytes;
            present[id] = false;
        } else if (size % 3 == 1) {
            bytes += size - entries[id].bytes;
            eviction_resize(&e, &entries[id], size);
        } else {
            eviction_use(&entries[id]);
        }
        if (step % 100 == 0) {
            const eviction_entry *victim = eviction_evict(&e);
            ck_assert(victim && present[victim->id]);
            bytes -= victim->bytes;
            present[victim->id] = false;
        }
        if (eviction_bytes(&e) != bytes)
            ck_abort_msg("step %d", step);
    }
    size_t left = 0;
    for (size_t id = 0; id < IDS; id++)
        left += present[id];
    ck_assert_uint_eq(shrink(0), left);
    ck_assert_ptr_null(eviction_evict(&e));
}
END_TEST

/* A scan over things asked for once does not push out what is used all the time. */
START_TEST(a_scan_leaves_the_hot_alone)
{
    enum { BUDGET = 100, HOT = 50 };
    for (int round = 0; round < 20; round++)
        for (uint64_t id = 0; id < HOT; id++)
            (void)look_up(id, BUDGET);
    size_t misses = 0;
    for (uint64_t id = HOT; id < IDS; id++) {
        (void)look_up(id, BUDGET);
        misses += !look_up(id % HOT, BUDGET);
    }
    ck_assert_uint_eq(misses, 0);
}
END_TEST

/* What is asked for again soon after it left is kept longer the second time. */
START_TEST(a_ghost_comes_back_to_the_main_queue)
{
    add(1, 10);
    add(2, 10);
    ck_assert_uint_eq(eviction_evict(&e)->id, 1);
    eviction_add(&e, &entries[1], 1, 10);
    ck_assert(entries[1].in_main);
    ck_assert(!entries[2].in_main);
}
END_TEST

/* On a Zipf trace the policy must beat FIFO by more than noise; bench/ compares policies. */
START_TEST(zipf_hit_rate)
{
    enum { BUDGET = 200, REQUESTS = 100000 };
    static double cumulative[IDS];
    double sum = 0;
    for (size_t i = 0; i < IDS; i++)
        cumulative[i] = sum += 1.0 / (double)(i + 1);
    static uint64_t queue[BUDGET];
    static bool queued[IDS];
    size_t next = 0, hits = 0, fifo_hits = 0;
    random_stream random = {2};
    for (size_t i = 0; i < REQUESTS; i++) {
        const double at = random_uniform(&random) * sum;
        uint64_t id = 0;
        while (cumulative[id] < at)
            id++;
        hits += look_up(id, BUDGET);
        fifo_hits += queued[id];
        if (!queued[id]) {
            if (i >= BUDGET)
                queued[queue[next % BUDGET]] = false;
            queue[next++ % BUDGET] = id;
            queued[id] = true;
        }
    }
    ck_assert_uint_gt(hits, fifo_hits + REQUESTS / 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("eviction");
    TCase *test = tcase_create("eviction");
    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, nothing_to_evict);
    tcase_add_test(test, ids_that_left_take_bytes);
    tcase_add_test(test, bytes_are_counted);
    tcase_add_test(test, a_scan_leaves_the_hot_alone);
    tcase_add_test(test, a_ghost_comes_back_to_the_main_queue);
    tcase_add_test(test, zipf_hit_rate);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
