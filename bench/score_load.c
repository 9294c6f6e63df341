#include "score_load.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl_latency.h"

enum {
    EVENTS = 200,
    IN_FLIGHT = 64, /* of the closed loop, and of the appends */
    DEADLINE_MS = 1000,
    SETTLE_MS = 200,       /* of each load that are not counted: until a queue counts as standing */
    MOST_SERVED = 2000000, /* latencies kept for one load */
};

typedef struct shot {
    score_load *bench;
    uint64_t due_ns;
} shot;

/* A number in 0 … 1, and neither (xorshift64). */
static double next_random(score_load *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return ((double)(b->random >> 11) + 0.5) * 0x1p-53;
}

static void send_one(score_load *b, uint64_t due_ns);

/* A request that counts has ended. */
static void count(score_load *b, vqlc_status status, uint64_t latency_ns)
{
    b->came++;
    if (status == VQLC_OK) {
        if (b->served < MOST_SERVED)
            b->latencies[b->served++] = latency_ns;
    } else if (status == VQLC_UNAVAILABLE) {
        b->refused++;
    } else if (status == VQLC_DEADLINE_EXCEEDED) {
        b->late++;
    } else {
        b->failed++;
    }
}

static void on_scored(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    shot *s = arg;
    score_load *b = s->bench;
    const uint64_t now = uv_hrtime();
    (void)answer;
    b->open--;
    if (s->due_ns >= b->start_ns)
        count(b, result->status, now - s->due_ns);
    if (b->on_served && result->status == VQLC_OK)
        b->on_served(b->context, s->due_ns, now - s->due_ns);
    free(s);
    if (b->rate == 0 && now < b->end_ns)
        send_one(b, now);
    else if (b->open == 0 && now >= b->end_ns)
        uv_stop(&b->loop);
}

static void send_one(score_load *b, uint64_t due_ns)
{
    shot *s = malloc(sizeof *s);
    if (!s)
        abort();
    *s = (shot){b, due_ns};
    b->request.user_id = 1 + b->sent % b->users;
    vqlc_channel *channel = b->channels[b->sent++ % SCORE_LOAD_CHANNELS];
    const vqlc_call_options options = {.deadline_ms = DEADLINE_MS};
    if (!vqlc_score(channel, &b->request, &options, on_scored, s))
        abort();
    b->open++;
}

/* Sends what is due by now. */
static void on_timer(uv_timer_t *timer)
{
    score_load *b = timer->data;
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

void score_load_end(score_load *b)
{
    b->end_ns = uv_hrtime();
}

double score_load_run(score_load *b, double rate, double seconds)
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

static void on_appended(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    score_load *b = arg;
    (void)answer;
    if (result->status != VQLC_OK) {
        (void)fprintf(stderr, "append: %s: %s\n", vqlc_status_name(result->status),
                      result->message);
        exit(1);
    }
    if (--b->open == 0)
        uv_stop(&b->loop);
}

void score_load_append(score_load *b)
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
    const vqlc_call_options options = {.wait_for_ready = true, .deadline_ms = 60000};
    for (request.user_id = 1; request.user_id <= b->users; request.user_id++) {
        if (!vqlc_append(b->channels[request.user_id % SCORE_LOAD_CHANNELS], &request, &options,
                         on_appended, b))
            abort();
        if (++b->open < IN_FLIGHT && request.user_id < b->users)
            continue;
        (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    }
}

void score_load_init(score_load *b, const char *server, size_t candidates)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&b->loop);
    (void)uv_timer_init(&b->loop, &b->timer);
    b->timer.data = b;
    b->users = b->users > 0 ? b->users : SCORE_LOAD_USERS;
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
    for (int i = 0; i < SCORE_LOAD_CHANNELS; i++)
        if (vqlc_channel_open(&b->loop, server, &options, &b->channels[i]) != 0) {
            (void)fprintf(stderr, "no server \"%s\"\n", server);
            exit(2);
        }
}

void score_load_clear(score_load *b)
{
    uv_close((uv_handle_t *)&b->timer, NULL);
    for (int i = 0; i < SCORE_LOAD_CHANNELS; i++)
        vqlc_channel_close(b->channels[i], NULL, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&b->loop);
    free(b->latencies);
}
