/*
 * The eviction policies that bench/ compares, on traces whose hit rates are known.
 */
#include "policy.h"

#include "check_main.h"

enum { CAPACITY = 1000, ROUNDS = 200 };

static const eviction_policy *const POLICIES[] = {
    &eviction_lru, &eviction_clockpro, &eviction_sieve, &eviction_s3fifo, &eviction_tinylfu};

enum { POLICY_COUNT = sizeof POLICIES / sizeof POLICIES[0] };

/* The hits of a round over `keys` keys, one after the other. */
static uint32_t round_hits(const eviction_policy *policy, void *state, uint32_t keys)
{
    uint32_t hits = 0;
    for (uint32_t key = 0; key < keys; key++)
        hits += policy->access(state, key) ? 1 : 0;
    return hits;
}

/* The hits of many rounds, the mean of one, rounded down. */
static uint32_t loop_hits(const eviction_policy *policy, uint32_t keys)
{
    uint32_t hits = 0;
    void *state = policy->open(keys, CAPACITY);
    for (int round = 0; round < ROUNDS; round++)
        hits += round_hits(policy, state, keys);
    policy->close(state);
    return hits / ROUNDS;
}

START_TEST(what_fits_is_kept)
{
    const eviction_policy *policy = POLICIES[_i];
    void *state = policy->open(CAPACITY, CAPACITY);
    ck_assert_uint_eq(round_hits(policy, state, CAPACITY), 0);
    for (int round = 0; round < 3; round++)
        ck_assert_uint_eq(round_hits(policy, state, CAPACITY), CAPACITY);
    policy->close(state);
}
END_TEST

/*
 * Of n keys in a loop and room for m < n, not even who knows the future hits more than
 * n (m - 1) / (n - 1) in a round, which is less than m.
 */
START_TEST(no_policy_holds_more_than_its_room)
{
    for (uint32_t keys = CAPACITY + 1; keys < 5 * CAPACITY; keys += CAPACITY / 3)
        ck_assert_uint_lt(loop_hits(POLICIES[_i], keys), CAPACITY);
}
END_TEST

/*
 * A loop over more keys than there is room for, but no more than are held or remembered: least
 * recently used always drops what comes next, CLOCK-Pro keeps the same pages as hot ones.
 */
START_TEST(clockpro_holds_on_in_a_loop)
{
    for (uint32_t keys = CAPACITY + 10; keys < 2 * CAPACITY; keys += CAPACITY / 10) {
        ck_assert_uint_eq(loop_hits(&eviction_lru, keys), 0);
        ck_assert_uint_ge(loop_hits(&eviction_clockpro, keys), CAPACITY * 95 / 100);
    }
}
END_TEST

/* Hot pages give way when other users come: within a few rounds, a new set that fits is held. */
START_TEST(clockpro_lets_hot_pages_go)
{
    enum { KEYS = CAPACITY * 9 / 10 };
    void *state = eviction_clockpro.open(CAPACITY + 2 * KEYS, CAPACITY);
    for (int round = 0; round < ROUNDS; round++)
        (void)round_hits(&eviction_clockpro, state, CAPACITY + 10);
    for (int round = 0; round < 10; round++)
        for (uint32_t key = 0; key < KEYS; key++)
            (void)eviction_clockpro.access(state, CAPACITY + KEYS + key);
    uint32_t hits = 0;
    for (uint32_t key = 0; key < KEYS; key++)
        hits += eviction_clockpro.access(state, CAPACITY + KEYS + key) ? 1 : 0;
    ck_assert_uint_ge(hits, KEYS * 99 / 100);
    eviction_clockpro.close(state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *test = tcase_create("policy");
    tcase_set_timeout(test, 120);
    tcase_add_loop_test(test, what_fits_is_kept, 0, POLICY_COUNT);
    tcase_add_loop_test(test, no_policy_holds_more_than_its_room, 0, POLICY_COUNT);
    tcase_add_test(test, clockpro_holds_on_in_a_loop);
    tcase_add_test(test, clockpro_lets_hot_pages_go);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
