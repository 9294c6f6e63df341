/*
 * vqlbench: puts a vql server under load, and measures what becomes of it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load_bench.h"
#include "load_print.h"

/* How vqlbench exits. */
enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 1,
    EXIT_UNREACHABLE = 3,
};

static bool add_interval(load_result *r, const load_interval *interval)
{
    return load_timeline_add(r->timeline, interval);
}

static void on_interval(void *context, const load_interval *interval)
{
    if (!add_interval(context, interval))
        load_run_stop();
}

static void on_signal(int number)
{
    (void)number;
    load_run_stop();
}

static int measure(load_bench *b)
{
    load_result *r = load_result_new(false);
    load_run_options options = load_bench_options(b, b->settings->rate);
    options.on_interval = on_interval;
    options.context = r;
    if (r == NULL || !load_bench_run(&options, r)) {
        (void)fprintf(stderr, "vqlbench: no memory\n");
        load_result_free(r);
        return EXIT_USAGE;
    }
    if (!r->outcome.connected) {
        (void)fprintf(stderr, "vqlbench: server %s: %s\n", b->settings->server, r->outcome.error);
        load_result_free(r);
        return EXIT_UNREACHABLE;
    }
    load_print_table(stdout, r);
    load_result_free(r);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    load_settings settings = {0};
    settings_error error;
    load_bench bench;
    int code = EXIT_USAGE;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    if (settings_load(&load_settings_table, &settings, argc - 1, argv + 1, environ, &error) &&
        load_settings_check(&settings, &error) && load_bench_init(&bench, &settings, &error)) {
        code = measure(&bench);
        load_bench_clear(&bench);
    } else {
        (void)fprintf(stderr, "vqlbench: %s\n", error.text);
    }
    settings_free(&load_settings_table, &settings);
    return code;
}
