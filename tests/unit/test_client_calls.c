/*
 * The client's engine and the lives of calls: deadlines, waiting, cancelling, lost connections.
 */
#include <nghttp2/nghttp2.h>

#include "check_main.h"
#include "client_rig.h"

START_TEST(a_deadline_ends_the_call_and_tells_the_server)
{
    world w;
    record late;
    record later;
    world_open(&w);
    start(&w, &later, w.now_ns + 3 * SECOND, false);
    start(&w, &late, w.now_ns + SECOND, false);
    rpc_half_close(late.rpc);
    exchange(&w);
    ck_assert_uint_eq(engine_due(w.engine), w.now_ns + SECOND);
    w.now_ns += SECOND - 1;
    exchange(&w);
    ck_assert_uint_eq(late.done_count, 0);
    w.now_ns += 1;
    exchange(&w);
    assert_ended(&late, VQLC_DEADLINE_EXCEEDED,
                 "the deadline passed before vql.test:7000 had answered", false);
    ck_assert_uint_eq(toy_server_call(w.server, 1)->close_code, NGHTTP2_CANCEL);
    ck_assert_uint_eq(engine_due(w.engine), w.now_ns + 2 * SECOND);
    ck_assert_uint_eq(later.done_count, 0);
    world_free(&w);
}
END_TEST

START_TEST(a_deadline_passes_without_a_connection_too)
{
    world w;
    record r;
    world_init(&w, 100, 65535);
    start(&w, &r, w.now_ns + SECOND, true);
    engine_unreachable(w.engine, "cannot connect");
    ck_assert_uint_eq(r.done_count, 0);
    ck_assert_uint_eq(engine_due(w.engine), w.now_ns + SECOND);
    w.now_ns += 2 * SECOND;
    engine_tick(w.engine, w.now_ns);
    assert_ended(&r, VQLC_DEADLINE_EXCEEDED,
                 "the deadline passed before vql.test:7000 could be asked", false);
    ck_assert_uint_eq(engine_due(w.engine), UINT64_MAX);
    world_free(&w);
}
END_TEST

START_TEST(the_timeout_sent_is_what_is_left_when_it_is_sent)
{
    world w;
    record r;
    world_init(&w, 100, 65535);
    start(&w, &r, w.now_ns + 3 * SECOND, false);
    w.now_ns += 2 * SECOND;
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    ck_assert_str_eq(toy_server_call(w.server, 0)->timeout, "1000000u");
    world_free(&w);
}
END_TEST

START_TEST(an_unreachable_server_fails_calls_that_do_not_wait)
{
    world w;
    record before;
    record patient;
    record after;
    world_init(&w, 100, 65535);
    start(&w, &before, NO_DEADLINE, false);
    start(&w, &patient, NO_DEADLINE, true);
    engine_unreachable(w.engine, "cannot connect to vql.test:7000: refused");
    assert_ended(&before, VQLC_UNAVAILABLE, "cannot connect to vql.test:7000: refused", false);
    start(&w, &after, NO_DEADLINE, false);
    ck_assert(!rpc_send(after.rpc, (const uint8_t *)"ask", 3));
    ck_assert_uint_eq(after.done_count, 0); /* never from inside rpc_start */
    ck_assert_uint_eq(engine_due(w.engine), 0);
    engine_tick(w.engine, w.now_ns);
    assert_ended(&after, VQLC_UNAVAILABLE, "cannot connect to vql.test:7000: refused", false);
    rpc_half_close(patient.rpc);
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    toy_server_answer(w.server, toy_server_call(w.server, 0), "at last");
    exchange(&w);
    ck_assert_str_eq(patient.messages, "at last;");
    assert_ended(&patient, VQLC_OK, "", true);
    world_free(&w);
}
END_TEST

START_TEST(waiting_calls_are_bounded)
{
    world w;
    record waiting[4];
    record refused;
    world_init(&w, 100, 65535);
    for (size_t i = 0; i < 4; i++)
        start(&w, &waiting[i], NO_DEADLINE, true);
    start(&w, &refused, NO_DEADLINE, true);
    engine_tick(w.engine, w.now_ns);
    assert_ended(&refused, VQLC_UNAVAILABLE,
                 "4 calls wait for vql.test:7000 already, the channel's max_waiting_calls", false);
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    ck_assert_uint_eq(toy_server_calls(w.server), 4);
    start(&w, &refused, NO_DEADLINE, true); /* there is room again */
    exchange(&w);
    ck_assert_uint_eq(toy_server_calls(w.server), 5);
    world_free(&w);
}
END_TEST

START_TEST(calls_wait_for_the_servers_stream_limit)
{
    world w;
    record first;
    record second;
    world_init(&w, 1, 65535);
    engine_open(w.engine, w.now_ns);
    exchange(&w); /* the server's SETTINGS */
    start(&w, &first, NO_DEADLINE, false);
    start(&w, &second, NO_DEADLINE, false);
    rpc_half_close(first.rpc);
    rpc_half_close(second.rpc);
    exchange(&w);
    ck_assert_uint_eq(toy_server_calls(w.server), 1);
    toy_server_answer(w.server, toy_server_call(w.server, 0), "first");
    exchange(&w);
    ck_assert_uint_eq(first.done_count, 1);
    ck_assert_uint_eq(toy_server_calls(w.server), 2);
    toy_server_answer(w.server, toy_server_call(w.server, 1), "second");
    exchange(&w);
    ck_assert_str_eq(second.messages, "second;");
    world_free(&w);
}
END_TEST

START_TEST(a_lost_connection_ends_what_was_sent_and_keeps_what_waits)
{
    world w;
    record sent;
    record waits;
    world_init(&w, 1, 65535);
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    start(&w, &sent, NO_DEADLINE, false);
    start(&w, &waits, w.now_ns + SECOND, false);
    rpc_half_close(waits.rpc);
    exchange(&w);
    engine_lost(w.engine, "connection reset by peer");
    assert_ended(&sent, VQLC_UNAVAILABLE,
                 "the connection to vql.test:7000 was lost: connection reset by peer", false);
    ck_assert_uint_eq(waits.done_count, 0);

    world fresh;
    world_init(&fresh, 1, 65535);
    engine_move_waiting(w.engine, fresh.engine);
    world_free(&w);
    ck_assert_uint_eq(engine_due(fresh.engine), fresh.now_ns + SECOND);
    engine_open(fresh.engine, fresh.now_ns);
    exchange(&fresh);
    toy_server_answer(fresh.server, toy_server_call(fresh.server, 0), "moved");
    exchange(&fresh);
    ck_assert_str_eq(waits.messages, "moved;");
    assert_ended(&waits, VQLC_OK, "", true);
    world_free(&fresh);
}
END_TEST

START_TEST(a_goaway_lets_open_calls_end)
{
    world w;
    record first;
    record second;
    record third;
    world_open(&w);
    toy_call *c = ask(&w, &first);
    (void)ask(&w, &second);
    ck_assert(!engine_draining(w.engine));
    toy_server_goaway(w.server, c->stream_id, NGHTTP2_NO_ERROR, "");
    exchange(&w);
    ck_assert(engine_draining(w.engine));
    ck_assert(!engine_done(w.engine));
    assert_ended(&second, VQLC_UNAVAILABLE, "stream reset by HTTP/2 error REFUSED_STREAM", false);
    start(&w, &third, NO_DEADLINE, false);
    toy_server_answer(w.server, c, "still");
    exchange(&w);
    assert_ended(&first, VQLC_OK, "", true);
    ck_assert_uint_eq(third.done_count, 0); /* waits to be moved */
    ck_assert(engine_done(w.engine));
    ck_assert_ptr_null(engine_error(w.engine));
    world_free(&w);
}
END_TEST

START_TEST(a_goaway_with_an_error_says_why)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_goaway(w.server, c->stream_id, NGHTTP2_ENHANCE_YOUR_CALM, "too many\npings");
    exchange(&w);
    engine_lost(w.engine, "the server closed it");
    assert_ended(&r, VQLC_UNAVAILABLE,
                 "the connection to vql.test:7000 was lost: the server ended it with "
                 "ENHANCE_YOUR_CALM: too many?pings",
                 false);
    world_free(&w);
}
END_TEST

START_TEST(a_stream_is_full_until_the_server_takes_more)
{
    world w;
    record r;
    world_init(&w, 100, 300); /* bytes of the server's window */
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    start(&w, &r, NO_DEADLINE, false);
    const uint8_t message[60] = {0};
    unsigned sent = 0;
    while (rpc_send(r.rpc, message, sizeof message)) {
        sent++;
        ck_assert_uint_lt(sent, 3); /* 65 bytes with the prefix: two reach 100 */
    }
    ck_assert_uint_eq(sent, 2);
    ck_assert(!rpc_writable(r.rpc));
    ck_assert_uint_eq(r.writable_count, 0);
    exchange(&w);
    ck_assert_uint_eq(r.writable_count, 1);
    ck_assert(rpc_writable(r.rpc));
    while (rpc_send(r.rpc, message, sizeof message))
        sent++;
    rpc_half_close(r.rpc);
    ck_assert(!rpc_send(r.rpc, message, sizeof message));
    exchange(&w);
    toy_call *c = toy_server_call(w.server, 0);
    ck_assert_uint_eq(c->body_bytes, sent * 65);
    ck_assert(c->half_closed);
    ck_assert_uint_eq(r.writable_count, 1); /* not when there is nothing to write */
    world_free(&w);
}
END_TEST

START_TEST(cancelling_resets_the_stream_and_is_told_once)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    rpc_fail(r.rpc, VQLC_CANCELLED, "changed %s mind", "its");
    rpc_fail(r.rpc, VQLC_INTERNAL, "too late");
    ck_assert_uint_eq(r.done_count, 0);
    exchange(&w);
    assert_ended(&r, VQLC_CANCELLED, "changed its mind", false);
    ck_assert_uint_eq(c->close_code, NGHTTP2_CANCEL);
    world_free(&w);
}
END_TEST

START_TEST(cancelling_inside_a_message_stops_the_messages)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    r.cancel_on_message = true;
    toy_server_headers(w.server, c, "200", "application/grpc");
    toy_server_message(w.server, c, "one");
    toy_server_message(w.server, c, "two");
    toy_server_trailers(w.server, c, "0", NULL, NULL);
    exchange(&w);
    ck_assert_str_eq(r.messages, "one;");
    assert_ended(&r, VQLC_CANCELLED, "seen enough", false);
    world_free(&w);
}
END_TEST

START_TEST(a_call_cancelled_before_it_is_sent_never_is)
{
    world w;
    record r;
    world_init(&w, 100, 65535);
    start(&w, &r, NO_DEADLINE, true);
    rpc_fail(r.rpc, VQLC_CANCELLED, "never mind");
    engine_open(w.engine, w.now_ns);
    exchange(&w);
    assert_ended(&r, VQLC_CANCELLED, "never mind", false);
    ck_assert_uint_eq(toy_server_calls(w.server), 0);
    world_free(&w);
}
END_TEST

static Suite *client_calls_suite(void)
{
    Suite *suite = suite_create("client_calls");
    TCase *life = tcase_create("life of a call");
    tcase_add_test(life, a_deadline_ends_the_call_and_tells_the_server);
    tcase_add_test(life, a_deadline_passes_without_a_connection_too);
    tcase_add_test(life, the_timeout_sent_is_what_is_left_when_it_is_sent);
    tcase_add_test(life, an_unreachable_server_fails_calls_that_do_not_wait);
    tcase_add_test(life, waiting_calls_are_bounded);
    tcase_add_test(life, calls_wait_for_the_servers_stream_limit);
    tcase_add_test(life, a_lost_connection_ends_what_was_sent_and_keeps_what_waits);
    tcase_add_test(life, a_goaway_lets_open_calls_end);
    tcase_add_test(life, a_goaway_with_an_error_says_why);
    tcase_add_test(life, a_stream_is_full_until_the_server_takes_more);
    tcase_add_test(life, cancelling_resets_the_stream_and_is_told_once);
    tcase_add_test(life, cancelling_inside_a_message_stops_the_messages);
    tcase_add_test(life, a_call_cancelled_before_it_is_sent_never_is);
    suite_add_tcase(suite, life);
    return suite;
}

int main(void)
{
    return check_main(client_calls_suite());
}
