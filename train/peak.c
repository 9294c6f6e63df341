#include "peak.h"

#include <stdlib.h>
#include <time.h>

#include "loops.h"
#include "train_memory.h"

enum { PEAK_ATTEMPTS = 10, PEAK_ROUNDS = 500000 };

static const float peak_factor = 0.5F;

typedef struct peak_share {
    double operations;
    float outcome; /* so that nothing is left out */
} peak_share;

static void compute(void *context, uint32_t thread, uint32_t threads)
{
    (void)threads;
    peak_share *share = (peak_share *)context + thread;
    share->operations = loops_active()->multiply_add(PEAK_ROUNDS, peak_factor, &share->outcome);
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double peak_operations(train_crew *crew)
{
    const uint32_t threads = crew_threads(crew);
    peak_share *shares = memory_zeros(threads, sizeof *shares);
    double best = 0.0;
    for (int i = 0; i < PEAK_ATTEMPTS; i++) {
        const double begun = seconds_now();
        crew_run(crew, compute, shares);
        const double seconds = seconds_now() - begun;
        double operations = 0.0;
        for (uint32_t t = 0; t < threads; t++)
            operations += shares[t].operations;
        if (seconds > 0.0 && operations / seconds > best)
            best = operations / seconds;
    }
    free(shares);
    return best;
}
