/*
 * The simulator: clients, server, store and clock in one thread, from a seed. docs/TESTING.md says
 * what it looks for.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"
#include "play.h"
#include "world.h"

enum { DEFAULT_STEPS = 150, REPORT_EVERY = 1000 };

typedef struct arguments {
    uint64_t first, last;
    uint32_t steps;
    bool verbose, expect_failure;
} arguments;

static const char usage[] =
    "sim --seed N | --seeds A-B [--steps S] [--verbose] [--expect-failure]\n"
    "\n"
    "  --seed N          plays one seed and prints the hash of its trace\n"
    "  --seeds A-B       plays seeds A to B and prints one hash of all\n"
    "  --steps S         of each act of a seed (150)\n"
    "  --verbose         prints the trace\n"
    "  --expect-failure  succeeds when a seed fails\n";

static _Noreturn void refuse(const char *option, const char *value)
{
    (void)fprintf(stderr, "sim: %s: '%s'\n%s", option, value, usage);
    exit(2);
}

static uint64_t read_number(const char *option, const char *text, char until)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != until)
        refuse(option, text);
    return value;
}

static void read_range(const char *text, arguments *a)
{
    a->first = read_number("--seeds", text, '-');
    const char *dash = text;
    while (*dash != '-')
        dash++;
    a->last = read_number("--seeds", dash + 1, '\0');
    if (a->last < a->first)
        refuse("--seeds", text);
}

static arguments read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},     {"seeds", required_argument, NULL, 'r'},
        {"steps", required_argument, NULL, 't'},    {"verbose", no_argument, NULL, 'v'},
        {"expect-failure", no_argument, NULL, 'f'}, {0},
    };
    arguments a = {.first = 1, .last = 1, .steps = DEFAULT_STEPS};
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL))
        if (c == 's')
            a.first = a.last = read_number("--seed", optarg, '\0');
        else if (c == 'r')
            read_range(optarg, &a);
        else if (c == 't')
            a.steps = (uint32_t)read_number("--steps", optarg, '\0');
        else if (c == 'v')
            a.verbose = true;
        else if (c == 'f')
            a.expect_failure = true;
        else
            refuse("argument", argv[optind - 1]);
    if (optind < argc)
        refuse("argument", argv[optind]);
    return a;
}

int main(int argc, char **argv)
{
    const arguments a = read_arguments(argc, argv);
    static char buffer[65536]; /* of the program, so that it is not taken for a leak */
    (void)setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    world_on_failure(argv[0], a.steps, a.expect_failure ? 0 : 1);
    oracle_begin();
    uint64_t hash = 0, calls = 0, answers = 0, checked = 0, undecided = 0, failed = 0, cut = 0;
    for (uint64_t seed = a.first; seed <= a.last; seed++) {
        hash = hash * 31 + play(seed, a.steps, a.verbose);
        calls += sim.calls;
        answers += sim.answers;
        checked += sim.checked;
        undecided += sim.undecided;
        failed += sim.failed_allocations;
        cut += sim.cut;
        if ((seed - a.first + 1) % REPORT_EVERY == 0)
            (void)printf("%" PRIu64 " seeds\n", seed - a.first + 1);
    }
    oracle_end();
    (void)printf("seeds %" PRIu64 "-%" PRIu64 ": hash %016" PRIx64 "; %" PRIu64
                 " requests, %" PRIu64 " answers, %" PRIu64 " judged, %" PRIu64
                 " users undecided; %" PRIu64 " connections cut, %" PRIu64 " allocations failed\n",
                 a.first, a.last, hash, calls, answers, checked, undecided, cut, failed);
    return a.expect_failure ? 1 : 0;
}
