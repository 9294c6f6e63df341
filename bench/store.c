/*
 * What a store costs a running vqld: appends of 1, 64 and 512 clients, what scoring pays for
 * them, and the first scores of users whose caches are not in memory.
 *
 *   bench_store SERVER FOLDER [SECONDS]    fills the server, and measures
 *   bench_store SERVER cold                a server that was started again: each user's first score
 *
 * Those that append and those that score have a thread each, so that neither waits for the other
 * on this side. bench/store.py runs it with each durability, several times.
 *
 * FOLDER: on the store's disk, where the rate of one fsync after the other is measured, which is
 * what appends that do not share commits could come to.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_latency.h"
#include "vqlclient.h"

enum {
    CHANNELS = 8,
    CLIENTS = 64,
    MANY_CLIENTS = 512, /* enough that a commit never waits for them */
    USERS = 2000,
    EVENTS = 200,
    CANDIDATES = 100,
    MOST = 2000000, /* latencies kept of one measurement */
};

/* What one kind of request has come to. */
typedef struct tally {
    uint64_t count;
    uint64_t *latencies; /* [MOST] */
} tally;

typedef struct bench {
    uv_loop_t loop;
    vqlc_channel *channels[CHANNELS];
    Vql__V1__ScoreRequest score;
    uint64_t items[CANDIDATES];
    Vql__V1__AppendRequest append;
    Vql__V1__Event event, *events[EVENTS];
    tally appended, scored;
    uint64_t sent, end_ns, left; /* left: of those that are counted, not timed */
    unsigned open;
    double beside_seconds;
} bench;

typedef struct shot {
    bench *bench;
    uint64_t sent_ns;
} shot;

static shot *shoot(bench *b)
{
    shot *s = malloc(sizeof *s);
    if (!s)
        abort();
    *s = (shot){b, uv_hrtime()};
    b->open++;
    b->sent++;
    return s;
}

/* Counts an answer, unless it is a refusal. False: no further request is to follow. */
static bool count(tally *t, shot *s, const vqlc_result *result)
{
    bench *b = s->bench;
    const uint64_t now = uv_hrtime();
    if (result->status == VQLC_UNAVAILABLE) { /* for overload: again */
        free(s);
        b->open--;
        return true;
    }
    if (result->status != VQLC_OK) {
        (void)fprintf(stderr, "bench_store: %s: %s\n", vqlc_status_name(result->status),
                      result->message);
        exit(1);
    }
    if (t->count < MOST)
        t->latencies[t->count++] = now - s->sent_ns;
    free(s);
    b->open--;
    if (b->left > 0)
        b->left--;
    if (now < b->end_ns || b->left > b->open)
        return true;
    if (b->open == 0)
        uv_stop(&b->loop);
    return false;
}

static void send_append(bench *b);
static void send_score(bench *b);

static void on_appended(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    bench *b = ((shot *)arg)->bench;
    (void)answer;
    if (count(&b->appended, arg, result))
        send_append(b);
}

static void on_scored(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    bench *b = ((shot *)arg)->bench;
    (void)answer;
    if (count(&b->scored, arg, result))
        send_score(b);
}

static void send_append(bench *b)
{
    shot *s = shoot(b);
    b->append.user_id = 1 + b->sent % USERS;
    b->event.item_id = 1 + b->sent * 7 % 3000;
    if (!vqlc_append(b->channels[b->sent % CHANNELS], &b->append, NULL, on_appended, s))
        abort();
}

static void send_score(bench *b)
{
    shot *s = shoot(b);
    b->score.user_id = 1 + b->sent * 31 % USERS;
    if (!vqlc_score(b->channels[b->sent % CHANNELS], &b->score, NULL, on_scored, s))
        abort();
}

/* So many clients of each kind, each with one request under way, for a time. */
static void run(bench *b, unsigned appenders, unsigned scorers, double seconds)
{
    b->appended.count = b->scored.count = 0;
    b->end_ns = uv_hrtime() + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < appenders; i++)
        send_append(b);
    for (unsigned i = 0; i < scorers; i++)
        send_score(b);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
}

static void print(const char *what, tally *t, double seconds)
{
    latency_sort(t->latencies, t->count);
    (void)printf("%-34s %9.0f/s   p50 %7.3f ms   p99 %7.3f ms\n", what, (double)t->count / seconds,
                 (double)latency_percentile(t->latencies, t->count, 50) * 1e-6,
                 (double)latency_percentile(t->latencies, t->count, 99) * 1e-6);
    (void)fflush(stdout);
}

/* Gives every user a history. */
static void fill(bench *b)
{
    b->append.n_events = EVENTS;
    b->end_ns = 0;
    b->left = USERS;
    for (unsigned i = 0; i < CLIENTS; i++)
        send_append(b);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    b->append.n_events = 1;
}

/* Scores every user once, a few at a time. */
static void score_all(bench *b)
{
    enum { AT_ONCE = 4 };
    const uint64_t start = uv_hrtime();
    b->scored.count = 0;
    b->end_ns = 0;
    b->left = USERS;
    for (unsigned i = 0; i < AT_ONCE; i++)
        send_score(b);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    print("first scores", &b->scored, (double)(uv_hrtime() - start) * 1e-9);
}

/* Writes and syncs as one append after the other would. */
static void measure_fsync(bench *b, const char *folder, double seconds)
{
    char path[4096], block[128];
    memset(block, 'x', sizeof block);
    (void)snprintf(path, sizeof path, "%s/bench_store.tmp", folder);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        exit(2);
    }
    tally *t = &b->appended;
    t->count = 0;
    const uint64_t start = uv_hrtime();
    for (uint64_t last = start, now; last - start < (uint64_t)(seconds * 1e9); last = now) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0) {
            perror(path);
            exit(2);
        }
        now = uv_hrtime();
        t->latencies[t->count++] = now - last;
    }
    (void)close(fd);
    (void)unlink(path);
    print("one fsync after the other", t, seconds);
}

/* Runs clients that append, in a thread of their own. */
static void append_beside(void *argument)
{
    bench *b = argument;
    run(b, CLIENTS, 0, b->beside_seconds);
}

static void measure(bench *appending, bench *scoring, const char *folder, double seconds)
{
    measure_fsync(appending, folder, seconds / 2);
    fill(appending);
    run(appending, 1, 0, seconds);
    print("appends, 1 client", &appending->appended, seconds);
    run(appending, CLIENTS, 0, seconds);
    print("appends, 64 clients", &appending->appended, seconds);
    run(appending, MANY_CLIENTS, 0, seconds);
    print("appends, 512 clients", &appending->appended, seconds);
    run(scoring, 0, 4, seconds);
    print("scores, 4 clients", &scoring->scored, seconds);
    uv_thread_t beside;
    appending->beside_seconds = seconds;
    if (uv_thread_create(&beside, append_beside, appending) != 0)
        abort();
    run(scoring, 0, 4, seconds);
    (void)uv_thread_join(&beside);
    print("scores beside 64 that append", &scoring->scored, seconds);
    print("appends beside 4 that score", &appending->appended, seconds);
}

static void init(bench *b, const char *server)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&b->loop);
    b->appended.latencies = calloc(MOST, sizeof(uint64_t));
    b->scored.latencies = calloc(MOST, sizeof(uint64_t));
    if (!b->appended.latencies || !b->scored.latencies)
        abort();
    for (size_t i = 0; i < CANDIDATES; i++)
        b->items[i] = 1 + i * 7 % 3000;
    b->score = (Vql__V1__ScoreRequest)VQL__V1__SCORE_REQUEST__INIT;
    b->score.item_ids = b->items;
    b->score.n_item_ids = CANDIDATES;
    b->event = (Vql__V1__Event)VQL__V1__EVENT__INIT;
    b->event.time_ms = 1000000;
    for (size_t i = 0; i < EVENTS; i++)
        b->events[i] = &b->event;
    b->append = (Vql__V1__AppendRequest)VQL__V1__APPEND_REQUEST__INIT;
    b->append.events = b->events;
    vqlc_channel_options options;
    vqlc_channel_defaults(&options);
    for (int i = 0; i < CHANNELS; i++)
        if (vqlc_channel_open(&b->loop, server, &options, &b->channels[i]) != 0) {
            (void)fprintf(stderr, "bench_store: no server \"%s\"\n", server);
            exit(2);
        }
}

static void clear(bench *b)
{
    for (int i = 0; i < CHANNELS; i++)
        vqlc_channel_close(b->channels[i], NULL, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&b->loop);
    free(b->appended.latencies);
    free(b->scored.latencies);
}

int main(int argc, char **argv)
{
    static bench appending, scoring;
    const double seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
    if (argc < 3 || argc > 4 || !(seconds >= 0.1)) {
        (void)fprintf(stderr, "usage: bench_store HOST:PORT FOLDER|cold [SECONDS]\n");
        return 2;
    }
    init(&appending, argv[1]);
    init(&scoring, argv[1]);
    if (strcmp(argv[2], "cold") == 0)
        score_all(&scoring);
    else
        measure(&appending, &scoring, argv[2], seconds);
    clear(&scoring);
    clear(&appending);
    return 0;
}
