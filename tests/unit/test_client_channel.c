/*
 * The client's channel, typed calls and streams, over sockets to a toy server on the same loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "toy_host.h"
#include "vqlclient.h"

/* A loop with a channel and a host, and what the channel's calls have told. */
typedef struct rig {
    uv_loop_t loop;
    toy_host host;
    vqlc_channel *channel;
    unsigned done; /* calls and streams that ended */
    vqlc_status status;
    char text[512];
    bool from_server;
    float score; /* of the last answer; -1: none */
    unsigned answers;
    uint64_t sequence;
    bool closed;
    bool close_in_callback;
    bool ask_in_callback;
} rig;

static void note(rig *r, const vqlc_result *result)
{
    r->done++;
    r->status = result->status;
    r->from_server = result->from_server;
    (void)snprintf(r->text, sizeof r->text, "%s", result->message);
}

static void on_closed(void *arg)
{
    rig *r = arg;
    ck_assert(!r->closed);
    r->closed = true;
}

static void ask(rig *r, const vqlc_call_options *options);

static void on_score(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    rig *r = arg;
    note(r, result);
    ck_assert_int_eq(answer != NULL, result->status == VQLC_OK);
    r->score = answer != NULL && answer->n_scores > 0 ? answer->scores[0] : -1;
    if (r->ask_in_callback) {
        r->ask_in_callback = false;
        ask(r, NULL);
    }
    if (r->close_in_callback) {
        vqlc_channel_close(r->channel, on_closed, r);
        const Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
        ck_assert_ptr_null(vqlc_score(r->channel, &request, NULL, on_score, r));
    }
}

/* Starts vqlc_score for user 70. */
static void ask(rig *r, const vqlc_call_options *options)
{
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    uint64_t item = 5;
    request.user_id = 70;
    request.item_ids = &item;
    request.n_item_ids = 1;
    ck_assert_ptr_nonnull(vqlc_score(r->channel, &request, options, on_score, r));
}

/* Runs the loop until so many calls have ended. */
static void wait_for(rig *r, unsigned done)
{
    while (r->done < done)
        ck_assert_int_ne(uv_run(&r->loop, UV_RUN_ONCE), 0);
}

static void send_score(toy_server *s, toy_call *c, float score)
{
    Vql__V1__ScoreResponse answer = VQL__V1__SCORE_RESPONSE__INIT;
    answer.scores = &score;
    answer.n_scores = 1;
    uint8_t bytes[64];
    toy_server_bytes(s, c, bytes, vql__v1__score_response__pack(&answer, bytes));
}

/* Answers every call that is whole with a score of a half. */
static void answer_all(toy_peer *peer, void *context)
{
    (void)context;
    for (size_t i = 0; i < toy_server_calls(peer->server); i++) {
        toy_call *c = toy_server_call(peer->server, i);
        if (c->half_closed && !c->ending && !c->closed) {
            ck_assert_str_eq(c->path, "/vql.v1.Scoring/Score");
            ck_assert_str_eq(c->user, "70");
            toy_server_headers(peer->server, c, "200", "application/grpc");
            send_score(peer->server, c, 0.5f);
            toy_server_trailers(peer->server, c, "0", NULL, NULL);
        }
    }
}

static void answer_nothing(toy_peer *peer, void *context)
{
    (void)peer;
    (void)context;
}

static void open_channel(rig *r, int port)
{
    char server[32];
    (void)snprintf(server, sizeof server, "127.0.0.1:%d", port);
    vqlc_channel_options options;
    vqlc_channel_defaults(&options);
    options.min_backoff_ms = 5;
    options.max_backoff_ms = 20;
    options.max_unsent_bytes = 4096;
    ck_assert_int_eq(vqlc_channel_open(&r->loop, server, &options, &r->channel), 0);
}

static void rig_init(rig *r, void (*script)(toy_peer *peer, void *context))
{
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(uv_loop_init(&r->loop), 0);
    toy_host_start(&r->host, &r->loop, 0, script, r);
    open_channel(r, r->host.port);
}

/* Runs the loop until nothing is left of channel and host. */
static void rig_end(rig *r)
{
    ck_assert_int_eq(uv_run(&r->loop, UV_RUN_DEFAULT), 0);
    ck_assert(r->closed);
    ck_assert_int_eq(uv_loop_close(&r->loop), 0);
    toy_host_free(&r->host);
}

static void rig_free(rig *r)
{
    vqlc_channel_close(r->channel, on_closed, r);
    toy_host_stop(&r->host);
    rig_end(r);
}

START_TEST(a_call_is_answered)
{
    rig r;
    rig_init(&r, answer_all);
    ask(&r, NULL);
    ck_assert_uint_eq(r.done, 0);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert(r.from_server);
    ck_assert_float_eq(r.score, 0.5f);
    rig_free(&r);
}
END_TEST

START_TEST(many_calls_share_one_connection)
{
    rig r;
    rig_init(&r, answer_all);
    for (unsigned i = 0; i < 50; i++)
        ask(&r, NULL);
    wait_for(&r, 50);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.host.peer_count, 1);
    rig_free(&r);
}
END_TEST

START_TEST(a_callback_may_start_a_call)
{
    rig r;
    rig_init(&r, answer_all);
    r.ask_in_callback = true;
    ask(&r, NULL);
    wait_for(&r, 2);
    ck_assert_int_eq(r.status, VQLC_OK);
    rig_free(&r);
}
END_TEST

START_TEST(a_callback_may_close_the_channel)
{
    rig r;
    rig_init(&r, answer_all);
    r.close_in_callback = true;
    ask(&r, NULL);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_OK);
    toy_host_stop(&r.host);
    rig_end(&r);
    ck_assert_uint_eq(r.done, 1);
}
END_TEST

START_TEST(closing_ends_open_calls)
{
    rig r;
    rig_init(&r, answer_nothing);
    ask(&r, NULL);
    rig_free(&r);
    ck_assert_uint_eq(r.done, 1);
    ck_assert_int_eq(r.status, VQLC_CANCELLED);
}
END_TEST

START_TEST(cancelling_ends_a_call)
{
    rig r;
    rig_init(&r, answer_nothing);
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    vqlc_call *call = vqlc_score(r.channel, &request, NULL, on_score, &r);
    vqlc_call_cancel(call);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_CANCELLED);
    ck_assert(!r.from_server);
    rig_free(&r);
}
END_TEST

START_TEST(a_deadline_ends_a_call)
{
    rig r;
    rig_init(&r, answer_nothing);
    const vqlc_call_options options = {.deadline_ms = 20};
    ask(&r, &options);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_DEADLINE_EXCEEDED);
    rig_free(&r);
}
END_TEST

/* A port at which nobody listens. */
static int dead_port(void)
{
    uv_loop_t loop;
    toy_host host;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    toy_host_start(&host, &loop, 0, answer_nothing, NULL);
    toy_host_stop(&host);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    return host.port;
}

START_TEST(without_a_server_a_call_fails)
{
    rig r = {.done = 0};
    ck_assert_int_eq(uv_loop_init(&r.loop), 0);
    const int port = dead_port();
    open_channel(&r, port);
    ask(&r, NULL);
    wait_for(&r, 1);
    char text[96];
    (void)snprintf(text, sizeof text, "cannot connect to 127.0.0.1:%d: connection refused", port);
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    ck_assert_str_eq(r.text, text);
    ck_assert(!r.from_server);
    ask(&r, NULL); /* and the next at once, whatever the backoff */
    wait_for(&r, 2);
    ck_assert_str_eq(r.text, text);
    vqlc_channel_close(r.channel, on_closed, &r);
    rig_end(&r);
}
END_TEST

START_TEST(a_patient_call_waits_for_the_server)
{
    rig r = {.done = 0};
    ck_assert_int_eq(uv_loop_init(&r.loop), 0);
    const int port = dead_port();
    open_channel(&r, port);
    const vqlc_call_options patient = {.wait_for_ready = true};
    ask(&r, &patient);
    ask(&r, NULL);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    toy_host_start(&r.host, &r.loop, port, answer_all, &r);
    wait_for(&r, 2);
    ck_assert_int_eq(r.status, VQLC_OK);
    rig_free(&r);
}
END_TEST

static void kill_the_first(toy_peer *peer, void *context)
{
    if (peer == &peer->host->peers[0]) {
        if (toy_server_calls(peer->server) > 0)
            toy_peer_kill(peer);
    } else {
        answer_all(peer, context);
    }
}

START_TEST(a_lost_connection_is_made_again)
{
    rig r;
    rig_init(&r, kill_the_first);
    ask(&r, NULL);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(r.text, "was lost"));
    ask(&r, NULL); /* waits for the new connection */
    wait_for(&r, 2);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.host.peer_count, 2);
    rig_free(&r);
}
END_TEST

/* The first connection takes one call, does not answer it and says goodbye. */
static void drain_the_first(toy_peer *peer, void *context)
{
    if (peer != &peer->host->peers[0])
        answer_all(peer, context);
    else if (toy_server_calls(peer->server) == 1 && !toy_server_call(peer->server, 0)->ending)
        toy_server_goaway(peer->server, toy_server_call(peer->server, 0)->stream_id, 0, "");
}

START_TEST(after_a_goaway_new_calls_go_elsewhere_and_old_ones_end)
{
    rig r;
    rig_init(&r, drain_the_first);
    ask(&r, NULL);
    while (r.host.peer_count < 2)
        ck_assert_int_ne(uv_run(&r.loop, UV_RUN_ONCE), 0);
    ck_assert_uint_eq(r.done, 0);
    ask(&r, NULL);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(toy_server_calls(r.host.peers[0].server), 1);
    ck_assert_uint_eq(toy_server_calls(r.host.peers[1].server), 1);
    answer_all(&r.host.peers[0], NULL);
    toy_peer_flush(&r.host.peers[0]);
    wait_for(&r, 2);
    ck_assert_int_eq(r.status, VQLC_OK);
    rig_free(&r);
}
END_TEST

/* Wrong answers to a unary call: how many messages, of what, and what is said of it. */
static const struct {
    unsigned messages;
    const char *bytes;
    const char *text;
} wrong[] = {
    {0, "", "the status is OK but there is no answer"},
    {2, "", "/vql.v1.Scoring/Score got more than one answer"},
    {1, "\x0a\x7f", "an answer of 2 bytes is not a vql.v1.ScoreResponse"},
};

static void answer_wrong(toy_peer *peer, void *context)
{
    (void)context;
    if (toy_server_calls(peer->server) == 0 || toy_server_call(peer->server, 0)->ending)
        return;
    toy_call *c = toy_server_call(peer->server, 0);
    const size_t i = (size_t)peer->host->context;
    toy_server_headers(peer->server, c, "200", "application/grpc");
    for (unsigned m = 0; m < wrong[i].messages; m++)
        toy_server_message(peer->server, c, wrong[i].bytes);
    toy_server_trailers(peer->server, c, "0", NULL, NULL);
}

START_TEST(a_wrong_answer_is_an_internal_error)
{
    rig r;
    rig_init(&r, answer_wrong);
    r.host.context = (void *)(size_t)_i;
    ask(&r, NULL);
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_INTERNAL);
    ck_assert_str_eq(r.text, wrong[_i].text);
    ck_assert(!r.from_server);
    rig_free(&r);
}
END_TEST

/* Streams */

static void on_append(vqlc_stream *stream, const Vql__V1__AppendResponse *answer, void *arg)
{
    (void)stream;
    rig *r = arg;
    ck_assert_uint_eq(answer->sequence, r->sequence + 1); /* in order */
    r->sequence = answer->sequence;
    r->answers++;
}

static void on_stream_done(vqlc_stream *stream, const vqlc_result *result, void *arg)
{
    (void)stream;
    note(arg, result);
}

static bool send_append(vqlc_stream *stream, size_t events)
{
    static Vql__V1__Event event = VQL__V1__EVENT__INIT;
    Vql__V1__Event *list[64];
    for (size_t i = 0; i < events; i++)
        list[i] = &event;
    event.time_ms = INT64_MAX; /* ten bytes of it */
    Vql__V1__AppendRequest request = VQL__V1__APPEND_REQUEST__INIT;
    request.events = list;
    request.n_events = events;
    return vqlc_stream_send_append(stream, &request);
}

/* Answers every whole request of an AppendStream with the next sequence number. */
static void answer_appends(toy_peer *peer, void *context)
{
    unsigned *answered = context;
    if (toy_server_calls(peer->server) == 0)
        return;
    toy_call *c = toy_server_call(peer->server, 0);
    ck_assert_str_eq(c->path, "/vql.v1.History/AppendStream");
    ck_assert_str_eq(c->user, "9");
    unsigned whole = 0;
    for (size_t at = 0; at + 5 <= c->body_bytes; whole++) {
        const uint8_t *p = c->body + at;
        at += 5 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
        if (at > c->body_bytes)
            break;
    }
    if (*answered == 0 && whole > 0)
        toy_server_headers(peer->server, c, "200", "application/grpc");
    while (*answered < whole) {
        Vql__V1__AppendResponse answer = VQL__V1__APPEND_RESPONSE__INIT;
        answer.sequence = ++*answered;
        uint8_t bytes[64];
        toy_server_bytes(peer->server, c, bytes, vql__v1__append_response__pack(&answer, bytes));
    }
    if (c->half_closed && !c->ending)
        toy_server_trailers(peer->server, c, "0", NULL, NULL);
}

/* Requests that are sent as fast as a stream takes them. */
typedef struct sender {
    rig *rig;
    unsigned left;
    unsigned times_full;
} sender;

static void send_on(vqlc_stream *stream, void *arg)
{
    sender *s = arg;
    while (s->left > 0 && send_append(stream, 64))
        s->left--;
    if (s->left > 0) {
        ck_assert(!vqlc_stream_writable(stream));
        s->times_full++;
    } else {
        vqlc_stream_half_close(stream);
        ck_assert(!vqlc_stream_writable(stream));
    }
}

static void on_sender_append(vqlc_stream *stream, const Vql__V1__AppendResponse *answer, void *arg)
{
    on_append(stream, answer, ((sender *)arg)->rig);
}

static void on_sender_done(vqlc_stream *stream, const vqlc_result *result, void *arg)
{
    on_stream_done(stream, result, ((sender *)arg)->rig);
}

START_TEST(a_stream_is_filled_and_answered_in_order)
{
    rig r;
    unsigned answered = 0;
    rig_init(&r, answer_appends);
    r.host.context = &answered;
    static const vqlc_stream_handler handler = {
        .on_append = on_sender_append,
        .on_writable = send_on,
        .on_done = on_sender_done,
    };
    sender s = {.rig = &r, .left = 200};
    vqlc_stream *stream = vqlc_append_stream(r.channel, 9, NULL, &handler, &s);
    ck_assert_ptr_nonnull(stream);
    send_on(stream, &s);
    ck_assert_uint_eq(s.times_full, 1); /* before anything could be sent */
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.answers, 200);
    ck_assert_uint_eq(s.left, 0);
    ck_assert_uint_gt(s.times_full, 1);
    rig_free(&r);
}
END_TEST

static void refuse_the_stream(toy_peer *peer, void *context)
{
    (void)context;
    if (toy_server_calls(peer->server) > 0 && toy_server_call(peer->server, 0)->status == NULL) {
        toy_server_trailers_only(peer->server, toy_server_call(peer->server, 0), "14", "draining",
                                 "100");
    }
}

START_TEST(a_refused_stream_says_so)
{
    rig r;
    rig_init(&r, refuse_the_stream);
    static const vqlc_stream_handler handler = {.on_done = on_stream_done};
    vqlc_stream *stream = vqlc_score_stream(r.channel, 9, NULL, &handler, &r);
    ck_assert_ptr_nonnull(stream);
    ck_assert(!send_append(stream, 1)); /* not a request of this stream */
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    ck_assert(vqlc_stream_send_score(stream, &request));
    wait_for(&r, 1);
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    ck_assert_str_eq(r.text, "draining");
    ck_assert(r.from_server);
    rig_free(&r);
}
END_TEST

static const char *const malformed[] = {
    "", "host", "host:", ":7070", "host:port", "host:70 70", "host:123456", "::1:7070", "[]:7070",
};

START_TEST(a_malformed_server_is_refused)
{
    uv_loop_t loop;
    vqlc_channel *channel = NULL;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(vqlc_channel_open(&loop, malformed[_i], NULL, &channel), UV_EINVAL);
    ck_assert_ptr_null(channel);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

static Suite *channel_suite(void)
{
    Suite *suite = suite_create("client_channel");
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 60);
    tcase_add_test(calls, a_call_is_answered);
    tcase_add_test(calls, many_calls_share_one_connection);
    tcase_add_test(calls, a_callback_may_start_a_call);
    tcase_add_test(calls, a_callback_may_close_the_channel);
    tcase_add_test(calls, closing_ends_open_calls);
    tcase_add_test(calls, cancelling_ends_a_call);
    tcase_add_test(calls, a_deadline_ends_a_call);
    tcase_add_loop_test(calls, a_wrong_answer_is_an_internal_error, 0,
                        sizeof wrong / sizeof wrong[0]);
    suite_add_tcase(suite, calls);

    TCase *connections = tcase_create("connections");
    tcase_set_timeout(connections, 60);
    tcase_add_test(connections, without_a_server_a_call_fails);
    tcase_add_test(connections, a_patient_call_waits_for_the_server);
    tcase_add_test(connections, a_lost_connection_is_made_again);
    tcase_add_test(connections, after_a_goaway_new_calls_go_elsewhere_and_old_ones_end);
    tcase_add_loop_test(connections, a_malformed_server_is_refused, 0,
                        sizeof malformed / sizeof malformed[0]);
    suite_add_tcase(suite, connections);

    TCase *streams = tcase_create("streams");
    tcase_set_timeout(streams, 60);
    tcase_add_test(streams, a_stream_is_filled_and_answered_in_order);
    tcase_add_test(streams, a_refused_stream_says_so);
    suite_add_tcase(suite, streams);
    return suite;
}

int main(void)
{
    return check_main(channel_suite());
}
