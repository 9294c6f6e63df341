/*
 * What a session does with a client that keeps it waiting, that floods it, or whose messages and
 * answers pile up: on a made-up clock.
 */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "budget.h"
#include "check_main.h"
#include "session_rig.h"

#define MS UINT64_C(1000000)

static session_rig rig;
static ledger thread;

static void start_with(const session_options *options, const h2_client_options *client)
{
    session_rig_start(&rig, options, client);
    rig.now_ns = 5000 * MS;
}

static session_options patient(void)
{
    session_options options = rig_options;
    options.patience_ms[PATIENCE_HANDSHAKE] = 100;
    options.patience_ms[PATIENCE_HEADERS] = 200;
    options.patience_ms[PATIENCE_WINDOW] = 300;
    options.patience_ms[PATIENCE_WRITE] = 300;
    options.patience_ms[PATIENCE_IDLE] = 1000;
    options.body_ms = 400;
    options.body_rate = 1000;
    return options;
}

static void tick(uint64_t ms)
{
    rig.now_ns += ms * MS;
    session_tick(rig.session, rig.now_ns);
}

START_TEST(silence_ends_before_the_handshake)
{
    const session_options options = patient();
    start_with(&options, NULL);
    ck_assert_uint_eq(session_due(rig.session), 0);
    tick(0);
    ck_assert_uint_eq(session_due(rig.session), 5100 * MS);
    tick(100);
    session_rig_run_server(&rig);
    ck_assert(session_done(rig.session));
    session_rig_stop(&rig);
}
END_TEST

START_TEST(headers_have_their_time)
{
    static const uint8_t frame[] = {0, 0, 50, NGHTTP2_HEADERS, 4, 0, 0, 0, 1, 0x82};
    const session_options options = patient();
    start_with(&options, NULL);
    session_rig_run(&rig);
    ck_assert(session_feed(rig.session, rig.now_ns, frame, sizeof frame));
    tick(199);
    ck_assert(!session_done(rig.session));
    tick(1);
    session_rig_run_server(&rig);
    ck_assert(session_done(rig.session));
    ck_assert_uint_eq(h2_client_goaways(rig.client).code, NGHTTP2_ENHANCE_YOUR_CALM);
    session_rig_stop(&rig);
}
END_TEST

/* Every feed ends within a frame's header, and yet all is well: they go on. */
START_TEST(split_frames_are_no_slow_headers)
{
    static const uint8_t ping[17] = {0, 0, 8, NGHTTP2_PING};
    const session_options options = patient();
    start_with(&options, NULL);
    const int32_t id = h2_client_call(rig.client, "/test/Silent", NULL);
    (void)id;
    session_rig_run(&rig);
    ck_assert(session_feed(rig.session, rig.now_ns, ping, 5));
    for (int i = 0; i < 20; i++) {
        uint8_t bytes[17];
        memcpy(bytes, ping + 5, 12);
        memcpy(bytes + 12, ping, 5);
        tick(100);
        ck_assert(session_feed(rig.session, rig.now_ns, bytes, sizeof bytes));
        session_rig_run_server(&rig);
    }
    ck_assert_uint_eq(h2_client_goaways(rig.client).count, 0);
    session_rig_stop(&rig);
}
END_TEST

/* A message may take body_ms, and a second more for each body_rate bytes. */
START_TEST(a_message_has_its_time)
{
    static const uint8_t prefix[5] = {0, 0, 0, 0x10, 0};
    static const uint8_t bytes[100];
    const session_options options = patient();
    start_with(&options, NULL);
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    session_rig_run(&rig);
    tick(5000); /* no message has begun */
    h2_client_send(rig.client, id, prefix, sizeof prefix, false);
    session_rig_run(&rig);
    for (int i = 0; i < 20; i++) { /* 250 bytes a second: 400 ms and 100 ms for each piece */
        tick(100);
        h2_client_send(rig.client, id, bytes, sizeof bytes, false);
        session_rig_run(&rig);
        ck_assert_uint_eq(rig.cancelled, 0);
    }
    tick(405);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 1);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_DEADLINE_EXCEEDED);
    session_rig_stop(&rig);
}
END_TEST

START_TEST(an_expected_message_has_its_time)
{
    const session_options options = patient();
    start_with(&options, NULL);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    session_rig_run(&rig);
    call_expect(rig.latest);
    tick(399);
    ck_assert_uint_eq(rig.cancelled, 0);
    tick(1);
    session_rig_run(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_DEADLINE_EXCEEDED);
    session_rig_stop(&rig);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_lost)
{
    const session_options options = patient();
    start_with(&options, &(h2_client_options){.stream_window = 10, .reads = false});
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "more than ten bytes", 19, true);
    session_rig_run(&rig);
    tick(299);
    tick(1); /* the answer left at a time that may have been an old one */
    ck_assert(!session_lost(rig.session));
    tick(300);
    ck_assert(session_lost(rig.session));
    session_rig_stop(&rig);
}
END_TEST

START_TEST(an_idle_connection_is_shut_down)
{
    const session_options options = patient();
    start_with(&options, NULL);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    session_rig_run(&rig);
    tick(3000);
    ck_assert_uint_eq(h2_client_goaways(rig.client).count, 0);
    h2_client_message(rig.client, id, "", 0, true);
    session_rig_run(&rig);
    for (int i = 0; i < 3; i++) {
        tick(1000);
        session_rig_run(&rig);
    }
    ck_assert(session_done(rig.session));
    ck_assert_uint_eq(h2_client_goaways(rig.client).code, NGHTTP2_NO_ERROR);
    session_rig_stop(&rig);
}
END_TEST

START_TEST(cancellations_are_paid_for)
{
    session_options options = rig_options;
    options.budget_ns = 100 * (BUDGET_CALL_NS + BUDGET_CONTROL_NS + BUDGET_RESET_NS);
    start_with(&options, NULL);
    int calls = 0;
    for (; calls < 1000 && h2_client_goaways(rig.client).count == 0; calls++) {
        const int32_t id = h2_client_call(rig.client, "/test/Silent", NULL);
        session_rig_run(&rig);
        h2_client_cancel(rig.client, id);
        session_rig_run_client(&rig);
        session_rig_run_server(&rig);
    }
    ck_assert_int_ge(calls, 90);
    ck_assert_int_le(calls, 110);
    ck_assert_uint_eq(h2_client_goaways(rig.client).code, NGHTTP2_ENHANCE_YOUR_CALM);
    session_rig_stop(&rig);
}
END_TEST

/* Calls that are answered cost nothing, however many. */
START_TEST(answers_are_free)
{
    session_options options = rig_options;
    options.budget_ns = 100 * (BUDGET_CALL_NS + BUDGET_CONTROL_NS + BUDGET_RESET_NS);
    start_with(&options, NULL);
    for (int calls = 0; calls < 2000; calls++) {
        const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
        h2_client_message(rig.client, id, "hello", 5, true);
        session_rig_run(&rig);
        ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
    }
    session_rig_stop(&rig);
}
END_TEST

/* Unfinished messages on many streams: refused where they are more than a connection may have. */
START_TEST(unfinished_messages_are_bounded)
{
    static const uint8_t part[30000] = {0, 0, 2, 0, 0};
    session_options options = rig_options;
    options.max_connection_bytes = 200000;
    thread = (ledger){.limit = SIZE_MAX / 2};
    options.ledger = &thread;
    start_with(&options, NULL);
    int32_t ids[20];
    int refused = 0;
    for (int i = 0; i < 20; i++) {
        ids[i] = h2_client_call(rig.client, "/test/Unary", NULL);
        h2_client_send(rig.client, ids[i], part, sizeof part, false);
        session_rig_run(&rig);
        ck_assert_uint_le(thread.used, 200000 + 2 * sizeof part);
    }
    for (int i = 0; i < 20; i++) {
        const h2_answer *answer = h2_client_answer(rig.client, ids[i]);
        if (!answer->ended)
            continue;
        ck_assert_int_eq(h2_answer_status(answer), GRPC_RESOURCE_EXHAUSTED);
        refused++;
    }
    ck_assert_int_ge(refused, 10);
    ck_assert_int_le(refused, 17);
    session_rig_stop(&rig);
    ck_assert_uint_eq(thread.used, 0);
}
END_TEST

/* A thread that has no room refuses as what it is: overloaded. */
START_TEST(a_full_thread_is_unavailable)
{
    static const uint8_t part[1000] = {0, 0, 2, 0, 0};
    session_options options = rig_options;
    thread = (ledger){.limit = 2000};
    options.ledger = &thread;
    start_with(&options, NULL);
    int32_t id = 0;
    for (int i = 0; i < 3; i++) {
        id = h2_client_call(rig.client, "/test/Unary", NULL);
        h2_client_send(rig.client, id, part, sizeof part, false);
        session_rig_run(&rig);
    }
    char pushback[16];
    const h2_answer *answer = h2_client_answer(rig.client, id);
    ck_assert_int_eq(h2_answer_status(answer), GRPC_UNAVAILABLE);
    ck_assert(h2_field(answer->trailers, "grpc-retry-pushback-ms", pushback, sizeof pushback));
    session_rig_stop(&rig);
    ck_assert_uint_eq(thread.used, 0);
}
END_TEST

/* Answers that nobody reads hold all input of the connection, and let it go when they are read. */
START_TEST(unread_answers_are_bounded)
{
    static const uint8_t large[4] = {0, 0, 0x80, 0};
    session_options options = rig_options;
    options.max_connection_bytes = 200000;
    start_with(&options, &(h2_client_options){.stream_window = 0, .reads = true});
    int32_t ids[20];
    for (int i = 0; i < 20; i++) {
        ids[i] = h2_client_call(rig.client, "/test/Large", NULL);
        h2_client_message(rig.client, ids[i], large, sizeof large, false);
        session_rig_run(&rig);
    }
    ck_assert_uint_ge(rig.messages, 3);
    ck_assert_uint_le(rig.messages, 7);
    for (int i = 0; i < 20; i++) {
        h2_client_open_window(rig.client, ids[i], 1 << 20);
        session_rig_run(&rig);
    }
    ck_assert_uint_eq(rig.messages, 20);
    session_rig_stop(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_patience");
    TCase *test = tcase_create("session_patience");
    tcase_add_test(test, silence_ends_before_the_handshake);
    tcase_add_test(test, headers_have_their_time);
    tcase_add_test(test, split_frames_are_no_slow_headers);
    tcase_add_test(test, a_message_has_its_time);
    tcase_add_test(test, an_expected_message_has_its_time);
    tcase_add_test(test, a_client_that_does_not_read_is_lost);
    tcase_add_test(test, an_idle_connection_is_shut_down);
    tcase_add_test(test, cancellations_are_paid_for);
    tcase_add_test(test, answers_are_free);
    tcase_add_test(test, unfinished_messages_are_bounded);
    tcase_add_test(test, a_full_thread_is_unavailable);
    tcase_add_test(test, unread_answers_are_bounded);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
