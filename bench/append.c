/*
 * How fast events are appended: rounds of one event a user over many users, in one batch a round.
 *
 *   bench_append MODEL EVENTS.tsv.gz [USERS [ROUNDS]]
 *
 * Users have the histories of users of the log drawn at random; the events of a round are drawn
 * from the log's, a second later than those of the round before. Users are visited in the order of
 * their creation, and in a random order of every round.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log_file.h"
#include "model_file.h"
#include "random.h"

enum {
    TABLE_BYTES = 0,
    MOST_ROUNDS = 1000,
};

typedef struct crowd {
    vql_cache **caches;
    vql_cache **visited; /* the caches in the order of a round */
    vql_cache_event *events;
    size_t users;
    int64_t now_ms;
    random_stream random;
} crowd;

static int by_number(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* `least` and `most`: which lengths of the log's histories users get; repeated up to `least`. */
static crowd crowd_new(const bench_model *model, const bench_histories *histories, size_t users,
                       size_t least)
{
    crowd made = {.users = users, .random = {1}, .now_ms = INT64_C(1323440000000)};
    made.caches = malloc(users * sizeof *made.caches);
    made.visited = malloc(users * sizeof *made.visited);
    made.events = malloc(users * sizeof *made.events);
    if (made.caches == NULL || made.visited == NULL || made.events == NULL)
        bench_fail("no memory");
    for (size_t u = 0; u < users; u++) {
        const vql_cache_options options = {VQL_CACHE_INT8, u};
        const size_t from = random_below(&made.random, (uint32_t)histories->users);
        const size_t first = histories->starts[from];
        const size_t count = histories->starts[from + 1] - first;
        if (vql_cache_new_with(model->catalog, &options, NULL, &made.caches[u]) != VQL_OK)
            bench_fail("no memory");
        for (size_t i = 0; i < count; i++)
            vql_cache_append(made.caches[u], &histories->events[first + i], 1);
        for (size_t i = count; i < least; i++) {
            vql_cache_event event = histories->events[random_u64(&made.random) % histories->count];
            vql_cache_append(made.caches[u], &event, 1);
        }
        made.visited[u] = made.caches[u];
    }
    return made;
}

static void crowd_free(crowd *of)
{
    for (size_t u = 0; u < of->users; u++)
        vql_cache_free(of->caches[u]);
    free(of->caches);
    free(of->visited);
    free(of->events);
}

/* Makes the events of the next round. */
static void next_round(crowd *of, const bench_histories *histories, int shuffled)
{
    of->now_ms += 1000;
    for (size_t u = of->users; u > 1 && shuffled; u--) {
        const size_t other = random_below(&of->random, (uint32_t)u);
        vql_cache *cache = of->visited[u - 1];
        of->visited[u - 1] = of->visited[other];
        of->visited[other] = cache;
    }
    for (size_t u = 0; u < of->users; u++) {
        of->events[u] = histories->events[random_u64(&of->random) % histories->count];
        of->events[u].time_ms = of->now_ms;
    }
}

static void print_rate(crowd *of, const bench_histories *histories, size_t rounds, int shuffled,
                       const char *what)
{
    double seconds[MOST_ROUNDS];
    double sum = 0.0;
    for (size_t r = 0; r < rounds; r++) {
        next_round(of, histories, shuffled);
        const double start = bench_seconds();
        if (vql_cache_append_each(of->visited, of->events, of->users, NULL) != of->users)
            bench_fail("no memory");
        seconds[r] = bench_seconds() - start;
        sum += seconds[r];
    }
    qsort(seconds, rounds, sizeof *seconds, by_number);
    const double millions = 1e-6 * (double)of->users;
    printf("| %s, %s | %.2f | %.2f | %.2f - %.2f |\n", what, shuffled ? "random order" : "in order",
           millions * (double)rounds / sum, millions / seconds[rounds / 2],
           millions / seconds[rounds * 9 / 10], millions / seconds[rounds / 10]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        bench_fail("usage: bench_append MODEL EVENTS.tsv.gz [USERS [ROUNDS]]");
    const size_t users = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 100000;
    size_t rounds = argc > 4 ? (size_t)strtoull(argv[4], NULL, 10) : 130;
    rounds = rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS;
    bench_model model = bench_model_read(argv[1], TABLE_BYTES);
    bench_histories histories = bench_histories_read(argv[2], model.catalog);
    static const struct {
        const char *name;
        size_t least, users_part;
    } CROWDS[] = {
        {"the log's histories", 0, 1},
        {"all of at least 1,500 events", 1500, 5},
    };
    printf(
        "%zu users, %zu rounds\n\n| users | million events a second, mean | median round | 10 %% - "
        "90 %% of rounds |\n| --- | --- | --- | --- |\n",
        users, rounds);
    for (size_t c = 0; c < sizeof CROWDS / sizeof CROWDS[0]; c++) {
        crowd of = crowd_new(&model, &histories, users / CROWDS[c].users_part, CROWDS[c].least);
        for (int shuffled = 0; shuffled < 2; shuffled++)
            print_rate(&of, &histories, rounds, shuffled, CROWDS[c].name);
        crowd_free(&of);
    }
    bench_histories_free(&histories);
    bench_model_free(&model);
    return 0;
}
