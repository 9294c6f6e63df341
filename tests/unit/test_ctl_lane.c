/*
 * A lane of vqlctl's import, over a socket to a toy server that asks for pauses.
 */
#include <string.h>

#include "check_main.h"
#include "ctl_lane.h"
#include "toy_host.h"

/* A lane, what it has told, and how the server behaves. */
typedef struct rig {
    uv_loop_t loop;
    toy_host host;
    lane *lane;
    unsigned refuse_streams; /* so many are refused after: */
    unsigned answers_each;   /* answers in each of these */
    unsigned refused;
    unsigned users_seen[64]; /* how often the batch of each user was applied */
    uint64_t last_user;
    unsigned answered;
    unsigned ended;
    vqlc_status status;
    uint64_t failed_user;
    unsigned batches_put;
    unsigned batches_total;
} rig;

static void put_more(rig *r)
{
    while (r->batches_put < r->batches_total && lane_has_room(r->lane)) {
        batch *b = batch_new(r->batches_put, 2);
        ck_assert_ptr_nonnull(b);
        const event_row row = {.item_id = 5, .time_ms = 7};
        batch_add(b, &row, 1, 10 + r->batches_put);
        r->batches_put++;
        lane_put(r->lane, b);
    }
    if (r->batches_put == r->batches_total)
        lane_finish(r->lane);
}

static void on_answer(void *context, const batch *b, const Vql__V1__AppendResponse *answer)
{
    rig *r = context;
    ck_assert_uint_eq(b->request.user_id, r->answered); /* in order, each once */
    ck_assert_uint_eq(b->first_line, 10 + r->answered);
    ck_assert_uint_eq(answer->appended, 1);
    r->answered++;
    put_more(r);
}

static void on_end(void *context, const vqlc_result *result, const batch *failed)
{
    rig *r = context;
    r->ended++;
    r->status = result->status;
    r->failed_user = failed != NULL ? failed->request.user_id : UINT64_MAX;
    lane_close(r->lane);
    toy_host_stop(&r->host);
}

static const lane_handler handler = {.on_answer = on_answer, .on_end = on_end};

/* Counts the whole requests of a call and notes whose they are. */
static unsigned apply(rig *r, const toy_call *c, unsigned already)
{
    unsigned whole = 0;
    size_t at = 0;
    while (at + 5 <= c->body_bytes) {
        const uint8_t *p = c->body + at;
        const size_t length = (size_t)p[3] << 8 | p[4];
        if (at + 5 + length > c->body_bytes)
            break;
        if (whole >= already) {
            Vql__V1__AppendRequest *request = vql__v1__append_request__unpack(NULL, length, p + 5);
            ck_assert_ptr_nonnull(request);
            r->last_user = request->user_id;
            vql__v1__append_request__free_unpacked(request, NULL);
        }
        whole++;
        at += 5 + length;
        if (whole > already)
            return whole;
    }
    return already;
}

static void send_answer(toy_server *s, toy_call *c)
{
    Vql__V1__AppendResponse answer = VQL__V1__APPEND_RESPONSE__INIT;
    answer.appended = 1;
    uint8_t bytes[64];
    toy_server_bytes(s, c, bytes, vql__v1__append_response__pack(&answer, bytes));
}

/* Answers requests one by one; the streams that are to be refused are, after some of them. */
static void serve(toy_peer *peer, void *context)
{
    rig *r = context;
    for (size_t i = 0; i < toy_server_calls(peer->server); i++) {
        toy_call *c = toy_server_call(peer->server, i);
        if (c->ending || c->closed)
            continue;
        unsigned *done = &r->users_seen[i];
        const bool refuse = i < r->refuse_streams;
        const unsigned limit = refuse ? r->answers_each : UINT32_MAX;
        while (*done < limit && apply(r, c, *done) > *done) {
            if (*done == 0)
                toy_server_headers(peer->server, c, "200", "application/grpc");
            (*done)++;
            send_answer(peer->server, c);
        }
        if (refuse && *done == limit && c->body_bytes > 0) {
            r->refused++;
            if (limit == 0)
                toy_server_headers(peer->server, c, "200", "application/grpc");
            toy_server_trailers(peer->server, c, "14", "busy", "1");
        } else if (c->half_closed) {
            toy_server_trailers(peer->server, c, "0", NULL, NULL);
        }
    }
}

static void run(rig *r, unsigned retries)
{
    ck_assert_int_eq(uv_loop_init(&r->loop), 0);
    toy_host_start(&r->host, &r->loop, 0, serve, r);
    char server[32];
    (void)snprintf(server, sizeof server, "127.0.0.1:%d", r->host.port);
    ck_assert_int_eq(lane_open(&r->lane, &r->loop, server, NULL, retries, &handler, r), 0);
    put_more(r);
    ck_assert_int_eq(uv_run(&r->loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&r->loop), 0);
    toy_host_free(&r->host);
    ck_assert_uint_eq(r->ended, 1);
}

START_TEST(all_batches_are_answered)
{
    rig r = {.batches_total = 500};
    run(&r, 0);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.answered, 500);
    ck_assert_uint_eq(r.last_user, 499);
}
END_TEST

START_TEST(nothing_to_do_is_an_end_too)
{
    rig r = {.batches_total = 0};
    run(&r, 0);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.host.peer_count, 0);
}
END_TEST

START_TEST(what_was_not_answered_is_sent_again)
{
    rig r = {.batches_total = 100, .refuse_streams = 5, .answers_each = (unsigned)_i};
    run(&r, 5);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.refused, 5);
    ck_assert_uint_eq(r.answered, 100);
}
END_TEST

START_TEST(patience_ends)
{
    rig r = {.batches_total = 100, .refuse_streams = 5, .answers_each = 0};
    run(&r, 3);
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    ck_assert_uint_eq(r.refused, 4);
    ck_assert_uint_eq(r.answered, 0);
    ck_assert_uint_eq(r.failed_user, 0);
}
END_TEST

START_TEST(patience_is_renewed_by_an_answer)
{
    rig r = {.batches_total = 100, .refuse_streams = 5, .answers_each = 3};
    run(&r, 1);
    ck_assert_int_eq(r.status, VQLC_OK);
    ck_assert_uint_eq(r.answered, 100);
}
END_TEST

static Suite *lane_suite(void)
{
    Suite *suite = suite_create("ctl_lane");
    TCase *lanes = tcase_create("lanes");
    tcase_set_timeout(lanes, 60);
    tcase_add_test(lanes, all_batches_are_answered);
    tcase_add_test(lanes, nothing_to_do_is_an_end_too);
    tcase_add_loop_test(lanes, what_was_not_answered_is_sent_again, 0, 8);
    tcase_add_test(lanes, patience_ends);
    tcase_add_test(lanes, patience_is_renewed_by_an_answer);
    suite_add_tcase(suite, lanes);
    return suite;
}

int main(void)
{
    return check_main(lane_suite());
}
