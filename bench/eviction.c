/*
 * Hit rates of eviction policies on traces of users: Zipf's law alone, and with users that come
 * once, and with the law's ranks changing hands.
 *
 *   bench_eviction [USERS [ACCESSES]]
 */
#include "policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model_file.h"
#include "random.h"

static const eviction_policy *const POLICIES[] = {
    &eviction_lru, &eviction_clockpro, &eviction_sieve, &eviction_s3fifo, &eviction_tinylfu};

enum {
    POLICY_COUNT = sizeof POLICIES / sizeof POLICIES[0],
};

typedef struct trace {
    const char *name;
    double exponent;
    double once;  /* the part of accesses that are of users who never come back */
    double drift; /* the part of all users by which ranks have moved at the end */
} trace;

static const trace TRACES[] = {
    {"Zipf 0.7", 0.7, 0.0, 0.0},
    {"Zipf 0.9", 0.9, 0.0, 0.0},
    {"Zipf 1.1", 1.1, 0.0, 0.0},
    {"Zipf 0.9, a fifth come once", 0.9, 0.2, 0.0},
    {"Zipf 0.9, ranks move by a tenth", 0.9, 0.0, 0.1},
};

/* The first of ascending sums that is not below `at`; the last one if all are. */
static uint32_t rank_at(const double *below, uint32_t count, double at)
{
    uint32_t first = 0;
    uint32_t left = count - 1;
    while (left > 0) {
        const uint32_t half = left / 2;
        if (below[first + half] < at) {
            first += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return first;
}

/* Keys of the trace's accesses; those from `users` on come once. */
static uint32_t *trace_keys(const trace *of, uint32_t users, size_t accesses)
{
    random_stream random = {1};
    uint32_t *keys = eviction_zeros(accesses, sizeof *keys);
    double *below = eviction_zeros(users, sizeof *below);
    double sum = 0.0;
    uint32_t once = users;
    for (uint32_t u = 0; u < users; u++)
        below[u] = sum += pow((double)u + 1.0, -of->exponent);
    for (size_t i = 0; i < accesses; i++) {
        if (random_uniform(&random) < of->once) {
            keys[i] = once++;
            continue;
        }
        const double at = random_uniform(&random) * sum;
        const double moved = of->drift * users * (double)i / (double)accesses;
        keys[i] = (rank_at(below, users, at) + (uint32_t)moved) % users;
    }
    free(below);
    return keys;
}

/* The part of the accesses after the first quarter that were hits. */
static double hit_rate(const eviction_policy *policy, const uint32_t *keys, size_t accesses,
                       uint32_t most_keys, uint32_t capacity)
{
    void *state = policy->open(most_keys, capacity);
    size_t hits = 0;
    for (size_t i = 0; i < accesses; i++) {
        const bool hit = policy->access(state, keys[i]);
        hits += hit && i >= accesses / 4 ? 1 : 0;
    }
    policy->close(state);
    return (double)hits / (double)(accesses - accesses / 4);
}

int main(int argc, char **argv)
{
    const uint32_t users = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;
    const size_t accesses = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 4000000;
    printf("%u users, %zu accesses\n\n| trace | room for |", users, accesses);
    for (int p = 0; p < POLICY_COUNT; p++)
        printf(" %s |", POLICIES[p]->name);
    printf("\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t t = 0; t < sizeof TRACES / sizeof TRACES[0]; t++) {
        uint32_t *keys = trace_keys(&TRACES[t], users, accesses);
        for (uint32_t percent = 1; percent <= 25; percent *= 5) {
            printf("| %s | %u %% |", TRACES[t].name, percent);
            for (int p = 0; p < POLICY_COUNT; p++)
                printf(" %.4f |", hit_rate(POLICIES[p], keys, accesses, users + (uint32_t)accesses,
                                           users / 100 * percent));
            printf("\n");
            fflush(stdout);
        }
        free(keys);
    }
    return 0;
}
