/*
 * vqlbench: puts a vql server under load, and measures what becomes of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_bench.h"
#include "load_display.h"
#include "load_log.h"
#include "load_print.h"
#include "load_report.h"
#include "load_search.h"
#include "load_verify.h"

/* How vqlbench exits. */
typedef enum bench_exit {
    BENCH_DONE = 0,
    BENCH_USAGE = 1,       /* the command line or a file is wrong, or there is no memory */
    BENCH_WRONG = 2,       /* an answer was wrong, or no rate held */
    BENCH_UNREACHABLE = 3, /* the server was not reached, or answered no call with OK */
} bench_exit;

/* Of a search's trials, seconds' worth of calls that may wait. */
#define SEARCH_WAITING_S 2

static const char usage[] =
    "Usage: vqlbench [--OPTION VALUE]...\n"
    "Puts a vql server under load: calls go out when they are due, whatever becomes of those\n"
    "before, and their latency counts from then.\n\n";

/* A run under way. */
typedef struct bench_run {
    load_result *result;
    load_verify *verify; /* NULL: none */
    load_display display;
    bool shows;
} bench_run;

static void complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "vqlbench: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
}

static void on_interval(void *context, const load_interval *interval)
{
    bench_run *run = context;
    if (!load_timeline_add(run->result->timeline, interval))
        load_run_stopped = 1;
    else if (run->shows)
        load_display_show(&run->display, run->result->timeline);
}

static void before_call(void *context, load_request *request)
{
    const bench_run *run = context;
    load_verify_before(run->verify, request);
}

static vqlc_status on_answer(void *context, const load_call *call, const load_answer *answer)
{
    const bench_run *run = context;
    return load_verify_answer(run->verify, call, answer);
}

static void on_signal(int number)
{
    (void)number;
    load_run_stopped = 1;
}

/* Runs at a rate, and adds what it came to to the report. */
static bench_exit run_once(const load_bench *b, load_verify *verify, double rate,
                           load_report *report)
{
    const load_settings *s = b->settings;
    bench_run run = {
        .result = load_result_new(s->hdr_log != NULL),
        .verify = verify,
        .display = {.out = stderr, .terminal = isatty(STDERR_FILENO), .duration_s = s->duration},
        .shows = !s->quiet,
    };
    if (run.result == NULL) {
        complain("no memory", "");
        return BENCH_USAGE;
    }
    load_run_options options = load_bench_options(b, rate);
    options.on_interval = on_interval;
    options.before_call = verify != NULL ? before_call : NULL;
    options.on_answer = verify != NULL ? on_answer : NULL;
    options.context = &run;
    if (s->search > 0 && rate * SEARCH_WAITING_S < options.most_waiting)
        options.most_waiting = (uint32_t)(rate * SEARCH_WAITING_S) + 1;
    const bool ran = load_bench_run(&options, run.result);
    load_display_end(&run.display);
    report->results[report->count++] = run.result;
    if (!ran) {
        complain("no memory", "");
        return BENCH_USAGE;
    }
    if (!run.result->outcome.connected) {
        complain(s->server, run.result->outcome.error);
        return BENCH_UNREACHABLE;
    }
    report->chosen = run.result;
    return BENCH_DONE;
}

/* Whether a trial of the search held. */
static bool holds(const load_settings *s, const load_result *r)
{
    const load_counts *c = &r->outcome.tally->counts;
    const double failed = (double)(load_counts_failed(c) + c->skipped + c->unanswered);
    return r->due.total > 0 && failed <= s->max_failed / 100 * (double)c->due &&
           1e-6 * (double)load_histogram_quantile(&r->due, 0.99) <= s->search;
}

static bench_exit search(const load_bench *b, load_verify *verify, load_report *report)
{
    const load_settings *s = b->settings;
    const load_result *best = NULL;
    load_search state;
    load_search_init(&state, s->rate, s->search_step / 100);
    while (state.next > 0) {
        const double rate = state.next;
        const bench_exit code = run_once(b, verify, rate, report);
        if (code != BENCH_DONE)
            return code;
        const load_result *r = report->chosen;
        if (r->outcome.interrupted)
            break;
        const bool held = holds(s, r);
        if (held && (best == NULL || r->rate > best->rate))
            best = r;
        const load_counts *c = &r->outcome.tally->counts;
        (void)fprintf(
            stderr, "%12.0f/s: p99 %.3f ms, %" PRIu64 " failed, %" PRIu64 " skipped: %s\n", rate,
            1e-6 * (double)load_histogram_quantile(&r->due, 0.99),
            load_counts_failed(c) + c->unanswered, c->skipped, held ? "holds" : "does not hold");
        load_search_tell(&state, held);
    }
    report->chosen = best;
    return BENCH_DONE;
}

/* Writes a file of the report; "-" is standard output. */
static bool write_file(const load_report *report, const char *path,
                       bool (*write)(const load_report *report, FILE *file))
{
    if (path == NULL)
        return true;
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (file == NULL) {
        complain(path, strerror(errno));
        return false;
    }
    errno = 0;
    const bool written = write(report, file) && fflush(file) == 0;
    if (!written)
        complain(path, errno != 0 ? strerror(errno) : "no memory");
    return (file == stdout || fclose(file) == 0) && written;
}

static bool write_log(const load_report *report, FILE *file)
{
    return report->chosen == NULL ||
           load_log_write(file, report->chosen->timeline, report->chosen->outcome.start_s);
}

/* Prints and writes what was asked for. */
static bench_exit tell(const load_report *report)
{
    const load_settings *s = report->settings;
    const load_verify *v = report->verify;
    const bool table = s->json == NULL || strcmp(s->json, "-") != 0;
    if (table && report->chosen != NULL)
        load_print_table(stdout, report->chosen);
    if (table && v != NULL)
        (void)printf("verified    %" PRIu64 " answers, %" PRIu64 " of them compared; %" PRIu64
                     " wrong%s%s\n",
                     load_verify_seen(v), load_verify_compared(v), load_verify_wrong(v),
                     load_verify_wrong(v) > 0 ? ", the first: " : "", load_verify_text(v));
    if (!write_file(report, s->json, load_report_json) ||
        !write_file(report, s->html, load_report_html) ||
        !write_file(report, s->hdr_log, write_log))
        return BENCH_USAGE;
    if (report->chosen == NULL)
        complain("no rate held", "");
    if (report->chosen == NULL || (v != NULL && load_verify_wrong(v) > 0))
        return BENCH_WRONG;
    return report->chosen->due.total > 0 ? BENCH_DONE : BENCH_UNREACHABLE;
}

static bench_exit measure(const load_settings *s)
{
    load_bench bench;
    settings_error error;
    load_verify *verify = NULL;
    load_report report = {.settings = s};
    if (!load_bench_init(&bench, s, &error)) {
        complain(error.text, "");
        return BENCH_USAGE;
    }
    bench_exit code = BENCH_UNREACHABLE;
    if (s->verify && (verify = load_verify_new(&bench, &error)) == NULL)
        complain(error.text, "");
    else
        code = s->search > 0 ? search(&bench, verify, &report)
                             : run_once(&bench, verify, s->rate, &report);
    report.verify = verify;
    if (code == BENCH_DONE)
        code = tell(&report);
    for (size_t i = 0; i < report.count; i++)
        load_result_free(report.results[i]);
    load_verify_free(verify);
    load_bench_clear(&bench);
    return code;
}

/* Takes the token, which has been copied, off the command line, where others can read it. */
static void hide_token(int argc, char **argv)
{
    static const char name[] = "--token";
    for (int i = 1; i < argc && argv[i] != NULL; i++) {
        char *value = NULL;
        if (strncmp(argv[i], name, sizeof name - 1) == 0 && argv[i][sizeof name - 1] == '=')
            value = argv[i] + sizeof name;
        else if (strcmp(argv[i], name) == 0 && i + 1 < argc)
            value = argv[i + 1];
        if (value != NULL)
            memset(value, '*', strlen(value));
    }
}

int main(int argc, char **argv)
{
    load_settings settings = {0};
    settings_error error;
    if (settings_asked(argc - 1, argv + 1, "--help")) {
        (void)fputs(usage, stdout);
        settings_print(&load_settings_table, stdout);
        return BENCH_DONE;
    }
    if (settings_asked(argc - 1, argv + 1, "--version")) {
        (void)puts("vqlbench " VQLC_VERSION);
        return BENCH_DONE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    bench_exit code = BENCH_USAGE;
    const bool loaded =
        settings_load(&load_settings_table, &settings, argc - 1, argv + 1, environ, &error) &&
        load_settings_check(&settings, &error);
    hide_token(argc, argv);
    if (loaded)
        code = measure(&settings);
    else
        complain(error.text, "");
    settings_free(&load_settings_table, &settings);
    return code;
}
