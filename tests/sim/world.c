#include "world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_WALL_S = 1700000000 };

world sim;

static struct {
    const char *program;
    uint32_t steps;
    int exit_status;
    char text[512]; /* how to see this seed again */
} failure;

static uint32_t between(uint32_t least, uint32_t most)
{
    return least + below(most - least + 1);
}

/* Something that half of the seeds have, and then so often. */
static uint32_t sometimes(uint32_t most)
{
    return below(2) == 0 ? 0 : 1 + below(most);
}

/* A size of any magnitude between two. */
static uint32_t magnitude(uint32_t least, uint32_t most)
{
    const double exponent = random_uniform(&sim.random);
    return (uint32_t)(least * pow((double)most / least, exponent));
}

static plan draw_plan(void)
{
    return (plan){
        .threads = between(1, 4),
        .clients = between(1, 4),
        .users = between(1, 8),
        .budget_bytes = below(3) == 0 ? 0 : magnitude(200, 20000),
        .max_streams = magnitude(1, 100),
        .max_message_bytes = magnitude(600, 65536),
        .max_unsent_bytes = magnitude(100, 65536),
        .stream_window = magnitude(100, 262144),
        .connection_window = magnitude(65535, 1048576),
        .max_candidates = magnitude(4, 400),
        .max_events = magnitude(4, 100),
        .client_unsent_bytes = magnitude(64, 65536),
        .cable_bytes = magnitude(64, 65536),
        .most_chunk = magnitude(1, 65536),
        .delay_us = below(3) == 0 ? 0 : magnitude(10, 50000),
        .cuts = sometimes(10),
        .stalls = sometimes(10),
        .write_faults = sometimes(5),
        .allocation_gap = below(2) == 0 ? 0 : magnitude(10, 5000),
        .cancels = sometimes(60),
        .deadlines = sometimes(400),
        .flaws = sometimes(50),
        .repeats = sometimes(300),
        .streams = sometimes(500),
        .deletes = sometimes(60),
        .clock_jumps = sometimes(5),
    };
}

void world_begin(uint64_t seed, bool verbose)
{
    sim = (world){
        .seed = seed,
        .random.state = seed,
        .now_ns = UINT64_C(1000) * NS_PER_MS,
        .wall_ms = INT64_C(1000) * START_WALL_S,
        .verbose = verbose,
    };
    sim.plan = draw_plan();
    (void)snprintf(failure.text, sizeof failure.text,
                   "\nsim: seed %" PRIu64 " failed; to see it again:\n    %s --seed %" PRIu64
                   " --steps %" PRIu32 " --verbose\n",
                   seed, failure.program ? failure.program : "sim", seed, failure.steps);
}

uint32_t below(uint32_t bound)
{
    return random_below(&sim.random, bound);
}

bool chance(uint32_t per_mille)
{
    return below(1000) < per_mille;
}

static uint64_t mix(uint64_t hash, uint64_t number)
{
    random_stream stream = {.state = hash ^ number};
    return random_u64(&stream);
}

void note(const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    sim.moments++;
    for (const char *letter = what; *letter; letter++)
        sim.hash = mix(sim.hash, (uint64_t)*letter);
    sim.hash = mix(mix(mix(mix(sim.hash, a), b), c), sim.now_ns);
    if (sim.verbose)
        (void)printf("%8" PRIu64 " %12.3f ms  %-10s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                     sim.moments, (double)sim.now_ns * 1e-6, what, a, b, c);
}

void world_pass(uint64_t ns)
{
    const uint64_t ms = (sim.now_ns + ns) / NS_PER_MS - sim.now_ns / NS_PER_MS;
    sim.now_ns += ns;
    sim.wall_ms += (int64_t)ms;
}

uint64_t world_clock(void)
{
    world_pass(below(400000));
    return sim.now_ns;
}

/* Writes without the help of memory that may be what is broken. */
static void write_text(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_abort(int number)
{
    (void)number;
    write_text(failure.text);
    _exit(failure.exit_status);
}

/* Called by a sanitizer before it ends the program. */
static void on_death(void)
{
    on_abort(SIGABRT);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

void world_on_failure(const char *program, uint32_t steps, int exit_status)
{
    failure.program = program;
    failure.steps = steps;
    failure.exit_status = exit_status;
    (void)signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
    else
        (void)signal(SIGSEGV, on_abort);
}

void world_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fflush(stdout);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    on_abort(SIGABRT);
    abort();
}
