/* Appends an event to a user's history and scores an item: client_c HOST:PORT USER ITEM */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vqlclient.h"

static const vqlc_call_options options = {.deadline_ms = 1000}; /* of one attempt */
static Vql__V1__AppendRequest append = VQL__V1__APPEND_REQUEST__INIT;
static Vql__V1__ScoreRequest score = VQL__V1__SCORE_REQUEST__INIT;
static vqlc_channel *channel;
static uv_timer_t timer;
static void send_append(uv_timer_t *t), send_score(uv_timer_t *t);

/* A call was refused: it is made again when the server asks for that, or was the last one. */
static void refused(const vqlc_result *result, uv_timer_cb again)
{
    static int attempts = 5;
    fprintf(stderr, "%s: %s\n", vqlc_status_name(result->status), result->message);
    if (result->pushback_ms < 0 || --attempts == 0)
        exit(1);
    uv_timer_start(&timer, again, (uint64_t)result->pushback_ms, 0);
}
static void on_append(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    if (answer == NULL)
        return refused(result, send_append);
    printf("sequence %llu\n", (unsigned long long)answer->sequence);
    send_score(arg);
}
static void on_score(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    if (answer == NULL)
        return refused(result, send_score);
    for (size_t i = 0; i < answer->n_scores; i++) /* one for each task */
        printf("%s %g\n", (const char *)((uv_timer_t *)arg)->data, (double)answer->scores[i]);
    vqlc_channel_close(channel, NULL, NULL); /* with which the loop ends */
}
/* clang-format off */ /* with x-vql-user, as all calls about one user */
static void send_append(uv_timer_t *t) { vqlc_append(channel, &append, &options, on_append, t); }
static void send_score(uv_timer_t *t) { vqlc_score(channel, &score, &options, on_score, t); }
/* clang-format on */
int main(int argc, char **argv)
{
    vqlc_channel_options server;
    vqlc_channel_defaults(&server);
    server.token = getenv("VQL_TOKEN");
    if (argc != 4 || vqlc_channel_open(uv_default_loop(), argv[1], &server, &channel) != 0)
        return 2;
    Vql__V1__Event event = VQL__V1__EVENT__INIT, *events = &event;
    event.item_id = strtoull(timer.data = argv[3], NULL, 10);
    if (getrandom(&event.id, sizeof event.id, 0) < 0) /* with an id it is applied once */
        return 1;
    append.user_id = score.user_id = strtoull(argv[2], NULL, 10);
    append.n_events = score.n_item_ids = 1;
    append.events = &events, score.item_ids = &event.item_id;
    uv_timer_init(uv_default_loop(), &timer);
    send_append(&timer);
    return uv_run(timer.loop, UV_RUN_DEFAULT);
}
