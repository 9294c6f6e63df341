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
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl_latency.h"
#include "vqlclient.h"

enum {
    CHANNELS = 8,
    USERS = 64,
    EVENTS = 200,
    IN_FLIGHT = 64, /* of the closed loop */
    DEADLINE_MS = 1000,
    SETTLE_MS = 200,       /* of each load that are not counted: until a queue counts as standing */
    MOST_SERVED = 2000000, /* latencies kept for one load */
    MOST_CANDIDATES = 10000,
};

static const double loads[] = {0.5, 0.8, 1, 1.5, 2, 3};

typedef struct bench {
    uv_loop_t loop;
    uv_timer_t timer;
    vqlc_channel *channels[CHANNELS];
    Vql__V1__ScoreRequest request;
    uint64_t items[MOST_CANDIDATES];
    uint64_t random;

    /* The load at hand. */
    double rate;                        /* requests a second; 0: a closed loop */
    uint64_t start_ns, end_ns, next_ns; /* counted from start_ns on */
    uint64_t sent, came, served, refused, late, failed;
    uint64_t *latencies; /* [MOST_SERVED] */
    unsigned open;
} bench;

typedef struct shot {
    bench *bench;
    uint64_t due_ns;
} shot;

/* A number in 0 … 1, and neither (xorshift64). */
static double next_random(bench *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return ((double)(b->random >> 11) + 0.5) * 0x1p-53;
}

static void send_one(bench *b, uint64_t due_ns);

/* A request that counts has ended. */
static void count(bench *b, vqlc_status status, uint64_t latency_ns)
{
    b->came++;
    if (status == VQLC_OK && b->served < MOST_SERVED)
        b->latencies[b->served++] = latency_ns;
    else if (status == VQLC_UNAVAILABLE)
        b->refused++;
    else if (status == VQLC_DEADLINE_EXCEEDED)
        b->late++;
    else
        b->failed++;
}

static void on_scored(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    shot *s = arg;
    bench *b = s->bench;
    const uint64_t now = uv_hrtime();
    (void)answer;
    b->open--;
    if (s->due_ns >= b->start_ns)
        count(b, result->status, now - s->due_ns);
    free(s);
    if (b->rate == 0 && now < b->end_ns)
        send_one(b, now);
    else if (b->open == 0 && now >= b->end_ns)
        uv_stop(&b->loop);
}

static void send_one(bench *b, uint64_t due_ns)
{
    shot *s = malloc(sizeof *s);
    if (!s)
        abort();
    *s = (shot){b, due_ns};
    b->request.user_id = 1 + b->sent % USERS;
    vqlc_channel *channel = b->channels[b->sent++ % CHANNELS];
    const vqlc_call_options options = {.deadline_ms = DEADLINE_MS};
    if (!vqlc_score(channel, &b->request, &options, on_scored, s))
        abort();
    b->open++;
}

/* Sends what is due by now. */
static void on_timer(uv_timer_t *timer)
{
    bench *b = timer->data;
    const uint64_t now = uv_hrtime();
    while (b->next_ns <= now && b->next_ns < b->end_ns) {
        send_one(b, b->next_ns);
        b->next_ns += (uint64_t)(-log(next_random(b)) / b->rate * 1e9);
    }
    if (now < b->end_ns)
        return;
    (void)uv_timer_stop(timer);
    if (b->open == 0)
        uv_stop(&b->loop);
}

/* Runs one load. Returns how many requests were served a second. */
static double run(bench *b, double rate, double seconds)
{
    b->rate = rate;
    b->sent = b->came = b->served = b->refused = b->late = b->failed = 0;
    b->next_ns = uv_hrtime();
    b->start_ns = b->next_ns + (uint64_t)SETTLE_MS * 1000000;
    b->end_ns = b->start_ns + (uint64_t)(seconds * 1e9);
    if (rate == 0)
        for (int i = 0; i < IN_FLIGHT; i++)
            send_one(b, b->next_ns);
    else
        (void)uv_timer_start(&b->timer, on_timer, 0, 1);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    latency_sort(b->latencies, b->served);
    return (double)b->served / seconds;
}

static double percentile_ms(const bench *b, unsigned p)
{
    return b->served > 0 ? (double)latency_percentile(b->latencies, b->served, p) * 1e-6 : 0;
}

static void on_appended(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    bench *b = arg;
    (void)answer;
    if (result->status != VQLC_OK) {
        (void)fprintf(stderr, "append: %s: %s\n", vqlc_status_name(result->status),
                      result->message);
        exit(1);
    }
    if (--b->open == 0)
        uv_stop(&b->loop);
}

/* Gives every user a history. */
static void append_all(bench *b)
{
    Vql__V1__Event events[EVENTS];
    Vql__V1__Event *pointers[EVENTS];
    for (size_t i = 0; i < EVENTS; i++) {
        events[i] = (Vql__V1__Event)VQL__V1__EVENT__INIT;
        events[i].item_id = 1 + i * 7;
        events[i].time_ms = 1000 * (int64_t)(i + 1);
        pointers[i] = &events[i];
    }
    Vql__V1__AppendRequest request = VQL__V1__APPEND_REQUEST__INIT;
    request.events = pointers;
    request.n_events = EVENTS;
    const vqlc_call_options options = {.wait_for_ready = true, .deadline_ms = 10000};
    for (request.user_id = 1; request.user_id <= USERS; request.user_id++, b->open++)
        if (!vqlc_append(b->channels[request.user_id % CHANNELS], &request, &options, on_appended,
                         b))
            abort();
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
}

static void print_load(const bench *b, double load, double seconds)
{
    (void)printf("%5.2f %10.0f %10.0f %10.0f %8.0f %7llu %9.2f %9.2f\n", load,
                 (double)b->came / seconds, (double)b->served / seconds,
                 (double)b->refused / seconds, (double)b->late / seconds,
                 (unsigned long long)b->failed, percentile_ms(b, 50), percentile_ms(b, 99));
    (void)fflush(stdout);
}

static void measure(bench *b, double seconds)
{
    (void)run(b, 0, seconds / 4); /* to warm up */
    const double capacity = run(b, 0, seconds);
    (void)printf("capacity %.0f requests a second, of %zu candidates\n\n", capacity,
                 b->request.n_item_ids);
    (void)printf(" load       came     served    refused     late  failed    p50 ms    p99 ms\n");
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        (void)run(b, capacity * loads[i], seconds);
        print_load(b, loads[i], seconds);
    }
}

static void init(bench *b, const char *server, size_t candidates)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&b->loop);
    (void)uv_timer_init(&b->loop, &b->timer);
    b->timer.data = b;
    b->random = 88172645463325252;
    b->latencies = calloc(MOST_SERVED, sizeof *b->latencies);
    if (!b->latencies)
        abort();
    for (size_t i = 0; i < candidates; i++)
        b->items[i] = 1 + i * 7 % 3000;
    b->request = (Vql__V1__ScoreRequest)VQL__V1__SCORE_REQUEST__INIT;
    b->request.item_ids = b->items;
    b->request.n_item_ids = candidates;
    vqlc_channel_options options;
    vqlc_channel_defaults(&options);
    for (int i = 0; i < CHANNELS; i++)
        if (vqlc_channel_open(&b->loop, server, &options, &b->channels[i]) != 0) {
            (void)fprintf(stderr, "bench_overload: no server \"%s\"\n", server);
            exit(2);
        }
}

static void clear(bench *b)
{
    uv_close((uv_handle_t *)&b->timer, NULL);
    for (int i = 0; i < CHANNELS; i++)
        vqlc_channel_close(b->channels[i], NULL, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&b->loop);
    free(b->latencies);
}

int main(int argc, char **argv)
{
    static bench b;
    const long candidates = argc > 2 ? strtol(argv[2], NULL, 10) : 500;
    const double seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
    if (argc < 2 || argc > 4 || candidates < 1 || candidates > MOST_CANDIDATES ||
        !(seconds >= 0.1)) {
        (void)fprintf(stderr, "usage: bench_overload HOST:PORT [CANDIDATES [SECONDS]]\n");
        return 2;
    }
    init(&b, argv[1], (size_t)candidates);
    append_all(&b);
    measure(&b, seconds);
    clear(&b);
    return 0;
}
