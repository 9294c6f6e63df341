/*
 * Bytes that users' histories take.
 *
 *   bench_memory MODEL EVENTS.tsv.gz [USERS [PLOT.svg]]
 *
 * 1. Every user of the log, and histories of growing length made of all users' events, in the
 *    default format and in the others.
 * 2. USERS users (1,000,000), each with the history of a user of the log drawn at random, held as
 *    a shard of the server holds them: what it counts against its budget, beside what the process
 *    grew by. Without a budget, and with one of 500 bytes a user.
 */
#include <inttypes.h>
#include <jemalloc/jemalloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_file.h"
#include "model_file.h"
#include "random.h"
#include "residents.h"
#include "vql/scorer.h"

static const char *const FORMAT_NAMES[] = {"fp32", "bf16", "int16", "int8"};
static const char *const FORM_NAMES[] = {"events", "items", "rows"};

static const size_t LENGTHS[] = {1,    3,     10,    30,     100,    300,    1000,
                                 3000, 10000, 30000, 100000, 300000, 1000000};

enum {
    LENGTH_COUNT = sizeof LENGTHS / sizeof LENGTHS[0],
    TABLE_BYTES = 64 << 20,
    PLAIN_BYTES = 24,   /* of an event as a server gets it: item id, time, type */
    DECAY_SECONDS = 12, /* jemalloc keeps free pages for 10 */
};

static vql_cache *new_cache(const bench_model *model, vql_cache_format format, uint64_t seed)
{
    vql_cache *cache;
    const vql_cache_options options = {format, seed};
    if (vql_cache_new_with(model->catalog, &options, NULL, &cache) != VQL_OK)
        bench_fail("no memory");
    return cache;
}

static void append(vql_cache *cache, const vql_cache_event *events, size_t count)
{
    if (vql_cache_append(cache, events, count) != VQL_OK)
        bench_fail("no memory");
}

static int by_size(const void *a, const void *b)
{
    const size_t left = *(const size_t *)a;
    const size_t right = *(const size_t *)b;
    return (left > right) - (left < right);
}

/* Every user of the log, appended event by event, in one format. */
static void print_users(const bench_model *model, const bench_histories *histories,
                        vql_cache_format format)
{
    size_t *bytes = malloc(histories->users * sizeof *bytes);
    size_t forms[3] = {0};
    size_t sum = 0;
    for (size_t u = 0; u < histories->users; u++) {
        vql_cache *cache = new_cache(model, format, u);
        for (size_t i = histories->starts[u]; i < histories->starts[u + 1]; i++)
            append(cache, &histories->events[i], 1);
        bytes[u] = vql_cache_bytes(cache);
        sum += bytes[u];
        forms[vql_cache_form_of(cache)]++;
        vql_cache_free(cache);
    }
    qsort(bytes, histories->users, sizeof *bytes, by_size);
    printf("| %s | %zu | %zu | %zu | %zu | %zu · %zu · %zu |\n", FORMAT_NAMES[format],
           sum / histories->users, bytes[histories->users / 2], bytes[histories->users * 99 / 100],
           bytes[histories->users - 1], forms[0], forms[1], forms[2]);
    free(bytes);
}

/* A history of a length: events drawn from all of the log's, over a year. */
static vql_cache_event *drawn_history(const bench_histories *histories, size_t count)
{
    random_stream random = {count};
    vql_cache_event *events = malloc(count * sizeof *events);
    const int64_t start_ms = INT64_C(1291191960000);
    const int64_t year_ms = INT64_C(31557600000);
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = random_u64(&random) % histories->count;
        events[i] = histories->events[at];
        events[i].time_ms = start_ms + (int64_t)((double)i / (double)count * (double)year_ms);
    }
    return events;
}

/* The median time of folding a cache for scoring, in microseconds. */
static double fold_us(const bench_model *model, const vql_cache *cache)
{
    enum { TIMES = 31 };
    size_t nanoseconds[TIMES];
    vql_scorer *scorer;
    if (vql_scorer_new(model->catalog, NULL, &scorer) != VQL_OK)
        bench_fail("no memory");
    for (size_t i = 0; i < TIMES; i++) {
        const double start = bench_seconds();
        vql_scorer_begin(scorer, cache, vql_cache_reference_ms(cache) + 1000);
        nanoseconds[i] = (size_t)(1e9 * (bench_seconds() - start));
    }
    vql_scorer_free(scorer);
    qsort(nanoseconds, TIMES, sizeof *nanoseconds, by_size);
    return 1e-3 * (double)nanoseconds[TIMES / 2];
}

/* Bytes by length, a row a length. */
static void measure_lengths(const bench_model *model, const bench_histories *histories,
                            size_t bytes[LENGTH_COUNT][VQL_CACHE_FORMATS])
{
    printf("\n| events | form | int8 | int16 | bf16 | fp32 | as %d-byte events | fold, µs |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
           PLAIN_BYTES);
    for (size_t l = 0; l < LENGTH_COUNT; l++) {
        vql_cache_event *events = drawn_history(histories, LENGTHS[l]);
        vql_cache_form form = VQL_FORM_EVENTS;
        double fold = 0.0;
        for (int f = 0; f < VQL_CACHE_FORMATS; f++) {
            vql_cache *cache = new_cache(model, (vql_cache_format)f, l);
            append(cache, events, LENGTHS[l]);
            bytes[l][f] = vql_cache_bytes(cache);
            form = vql_cache_form_of(cache);
            fold = fold_us(model, cache);
            vql_cache_free(cache);
        }
        printf("| %zu | %s | %zu | %zu | %zu | %zu | %zu | %.0f |\n", LENGTHS[l], FORM_NAMES[form],
               bytes[l][VQL_CACHE_INT8], bytes[l][VQL_CACHE_INT16], bytes[l][VQL_CACHE_BF16],
               bytes[l][VQL_CACHE_FP32], LENGTHS[l] * PLAIN_BYTES, fold);
        free(events);
    }
}

/* ---- the plot: both axes in powers of ten ---- */

enum {
    PLOT_WIDTH = 720,
    PLOT_HEIGHT = 420,
    MARGIN = 60,
    X_DECADES = 6, /* 1 … 10^6 events */
    Y_FIRST = 2,   /* 10^2 … */
    Y_DECADES = 6, /* … 10^8 bytes */
};

static double plot_x(size_t events)
{
    return MARGIN + log10((double)events) / X_DECADES * (PLOT_WIDTH - 2 * MARGIN);
}

static double plot_y(size_t bytes)
{
    const double part = (log10((double)bytes) - Y_FIRST) / Y_DECADES;
    return PLOT_HEIGHT - MARGIN - part * (PLOT_HEIGHT - 2 * MARGIN);
}

static void plot_axes(FILE *file)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            PLOT_WIDTH, PLOT_HEIGHT);
    size_t power = 1;
    for (int d = 0; d <= X_DECADES; d++, power *= 10)
        fprintf(file,
                "<path d=\"M%.1f %d V%d\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">10^%d</text>\n",
                plot_x(power), MARGIN, PLOT_HEIGHT - MARGIN, plot_x(power),
                PLOT_HEIGHT - MARGIN + 18, d);
    power = 100;
    for (int d = Y_FIRST; d <= Y_FIRST + Y_DECADES; d++, power *= 10)
        fprintf(file,
                "<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">10^%d</text>\n",
                MARGIN, plot_y(power), PLOT_WIDTH - MARGIN, MARGIN - 6, plot_y(power) + 4, d);
    fprintf(file,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">events in the history</text>\n"
            "<text x=\"%d\" y=\"30\">bytes a user</text>\n",
            PLOT_WIDTH / 2, PLOT_HEIGHT - 16, MARGIN);
}

static void plot_line(FILE *file, const size_t bytes[LENGTH_COUNT], const char *name,
                      const char *colour, int place)
{
    fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (size_t l = 0; l < LENGTH_COUNT; l++)
        fprintf(file, "%.1f,%.1f ", plot_x(LENGTHS[l]), plot_y(bytes[l]));
    fprintf(file, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", MARGIN + 20,
            MARGIN + 20 + 18 * place, colour, name);
}

static void write_plot(const char *path, size_t bytes[LENGTH_COUNT][VQL_CACHE_FORMATS])
{
    size_t line[LENGTH_COUNT];
    FILE *file = fopen(path, "w");
    if (file == NULL)
        bench_fail("%s cannot be written", path);
    plot_axes(file);
    for (size_t l = 0; l < LENGTH_COUNT; l++)
        line[l] = LENGTHS[l] * PLAIN_BYTES > 100 ? LENGTHS[l] * PLAIN_BYTES : 100;
    plot_line(file, line, "events of 24 bytes", "#999", 0);
    for (size_t l = 0; l < LENGTH_COUNT; l++)
        line[l] = bytes[l][VQL_CACHE_FP32];
    plot_line(file, line, "cache, fp32", "#c40", 1);
    for (size_t l = 0; l < LENGTH_COUNT; l++)
        line[l] = bytes[l][VQL_CACHE_INT8];
    plot_line(file, line, "cache, default", "#06a", 2);
    fprintf(file, "</svg>\n");
    fclose(file);
}

/* ---- many users, as a shard of the server keeps them ---- */

/* Caches that count against a budget, and what the process had before them. */
typedef struct crowd {
    cache_pool *pool;
    residents *residents;
    size_t users, events;
    size_t cache_bytes; /* of all caches that were made, by their own count */
    size_t resident_before;
} crowd;

/* Bytes of this process when jemalloc has given back the free pages that it keeps for a while. */
static size_t settled_bytes(void)
{
    char path[32];
    (void)snprintf(path, sizeof path, "arena.%d.decay", MALLCTL_ARENAS_ALL);
    sleep(DECAY_SECONDS);
    if (mallctl(path, NULL, NULL, NULL, 0) != 0)
        bench_fail("jemalloc has no %s", path);
    return bench_resident_bytes();
}

static crowd new_crowd(size_t budget_bytes)
{
    crowd made = {.resident_before = settled_bytes()};
    made.pool = calloc(1, sizeof *made.pool);
    if (made.pool == NULL || !cache_pool_init(made.pool, budget_bytes))
        bench_fail("no memory");
    made.residents = residents_new(made.pool, 0);
    if (made.residents == NULL)
        bench_fail("no memory");
    return made;
}

/* A user with the history of one of the log's, appended event by event. */
static void add_user(crowd *to, const bench_model *model, const bench_histories *histories,
                     size_t from)
{
    vql_cache *cache;
    const vql_cache_options options = {VQL_CACHE_INT8, to->users};
    if (vql_cache_new_with(model->catalog, &options, residents_allocator(to->residents), &cache) !=
        VQL_OK)
        bench_fail("no memory");
    for (size_t i = histories->starts[from]; i < histories->starts[from + 1]; i++)
        append(cache, &histories->events[i], 1);
    to->cache_bytes += vql_cache_bytes(cache);
    to->events += histories->starts[from + 1] - histories->starts[from];
    if (!residents_put(to->residents, to->users++, cache))
        bench_fail("no memory");
    cache_pool_settle(to->pool);
}

static void print_row(const crowd *of, const char *name)
{
    const double at_once = (double)(bench_resident_bytes() - of->resident_before);
    const double settled = (double)(settled_bytes() - of->resident_before);
    const double counted = (double)cache_pool_bytes(of->pool);
    printf("| %s | %zu | %zu | %.1f | %.1f | %.1f | %.1f | %+.2f %% |\n", name, of->events,
           residents_count(of->residents), 1e-6 * (double)of->cache_bytes, 1e-6 * counted,
           1e-6 * at_once, 1e-6 * settled, 100.0 * (counted / settled - 1.0));
    fflush(stdout);
}

static void print_crowd(const bench_model *model, const bench_histories *histories, size_t users,
                        const char *name, size_t budget_bytes)
{
    random_stream random = {1};
    crowd made = new_crowd(budget_bytes);
    for (size_t u = 0; u < users; u++)
        add_user(&made, model, histories, random_below(&random, (uint32_t)histories->users));
    print_row(&made, name);
    residents_free(made.residents);
    cache_pool_clear(made.pool);
    free(made.pool);
}

/* Each crowd in a process of its own, so that none sees what another left. */
static void print_many(const bench_model *model, const bench_histories *histories, size_t users)
{
    static const struct {
        const char *name;
        size_t budget_bytes; /* a user */
    } crowds[] = {{"no budget", 0}, {"a budget of 500 bytes a user", 500}};
    printf("\n%zu users\n\n| | events | users held | caches made, MB | counted, MB "
           "| process' growth, MB | settled, MB | counted - settled |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
           users);
    for (size_t c = 0; c < sizeof crowds / sizeof crowds[0]; c++) {
        int status = 1;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            print_crowd(model, histories, users, crowds[c].name, users * crowds[c].budget_bytes);
            exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            bench_fail("%s was not measured", crowds[c].name);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        bench_fail("usage: bench_memory MODEL EVENTS.tsv.gz [USERS [PLOT.svg]]");
    bench_model model = bench_model_read(argv[1], TABLE_BYTES);
    bench_histories histories = bench_histories_read(argv[2], model.catalog);
    printf(
        "%zu users, %zu events\n\n| format | mean bytes | median | 99 %% | most | users as events "
        "· items · rows |\n| --- | --- | --- | --- | --- | --- |\n",
        histories.users, histories.count);
    for (int format = VQL_CACHE_FORMATS; format-- > 0;)
        print_users(&model, &histories, (vql_cache_format)format);
    size_t bytes[LENGTH_COUNT][VQL_CACHE_FORMATS];
    measure_lengths(&model, &histories, bytes);
    if (argc > 4)
        write_plot(argv[4], bytes);
    fflush(stdout);
    print_many(&model, &histories, argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 1000000);
    bench_histories_free(&histories);
    bench_model_free(&model);
    return 0;
}
