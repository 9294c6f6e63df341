/*
 * What an overloaded vqld still serves: requests that come on time whatever becomes of those before
 * (an open loop, Poisson), at multiples of what the server can do.
 *
 *   bench_overload SERVER [CANDIDATES [SECONDS]]
 *
 * The server's capacity is measured first, by a closed loop. Then for each load: how many requests
 * came, were served, refused (UNAVAILABLE), or too late (DEADLINE_EXCEEDED) a second, and the
 * latency of those that were served, from the moment that each was due to be sent. Server and
 * program should have a core each: taskset -c 0 vqld --threads 1 …, taskset -c 1 bench_overload ….
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl_latency.h"
#include "score_load.h"

static const double loads[] = {0.5, 0.8, 1, 1.5, 2, 3};

static double percentile_ms(const score_load *b, unsigned p)
{
    return b->served > 0 ? (double)latency_percentile(b->latencies, b->served, p) * 1e-6 : 0;
}

static void print_load(const score_load *b, double load, double seconds)
{
    (void)printf("%5.2f %10.0f %10.0f %10.0f %8.0f %7llu %9.2f %9.2f\n", load,
                 (double)b->came / seconds, (double)b->served / seconds,
                 (double)b->refused / seconds, (double)b->late / seconds,
                 (unsigned long long)b->failed, percentile_ms(b, 50), percentile_ms(b, 99));
    (void)fflush(stdout);
}

static void measure(score_load *b, double seconds)
{
    (void)score_load_run(b, 0, seconds / 4); /* to warm up */
    const double capacity = score_load_run(b, 0, seconds);
    (void)printf("capacity %.0f requests a second, of %zu candidates\n\n", capacity,
                 b->request.n_item_ids);
    (void)printf(" load       came     served    refused     late  failed    p50 ms    p99 ms\n");
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        (void)score_load_run(b, capacity * loads[i], seconds);
        print_load(b, loads[i], seconds);
    }
}

int main(int argc, char **argv)
{
    static score_load b;
    const long candidates = argc > 2 ? strtol(argv[2], NULL, 10) : 500;
    const double seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
    if (argc < 2 || argc > 4 || candidates < 1 || candidates > SCORE_LOAD_MOST_CANDIDATES ||
        !(seconds >= 0.1)) {
        (void)fprintf(stderr, "usage: bench_overload HOST:PORT [CANDIDATES [SECONDS]]\n");
        return 2;
    }
    score_load_init(&b, argv[1], (size_t)candidates);
    score_load_append(&b);
    measure(&b, seconds);
    score_load_clear(&b);
    return 0;
}
