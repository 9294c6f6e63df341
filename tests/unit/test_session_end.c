/*
 * How calls and connections end that nobody ended properly: deadlines, the drain, broken peers.
 */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "check_main.h"
#include "limit.h"
#include "session_rig.h"

#define MS UINT64_C(1000000)

static session_rig rig;

static void start(void)
{
    session_rig_start(&rig, NULL, NULL);
    rig.now_ns = 5000 * MS;
}

static void stop(void)
{
    session_rig_stop(&rig);
}

static void assert_expired(int32_t stream_id, const char *message)
{
    char text[100];
    const h2_answer *answer = h2_client_answer(rig.client, stream_id);
    ck_assert(answer->ended);
    ck_assert_int_eq(h2_answer_status(answer), GRPC_DEADLINE_EXCEEDED);
    ck_assert(h2_field(answer->trailers, "grpc-message", text, sizeof text));
    ck_assert_str_eq(text, message);
}

START_TEST(test_deadline)
{
    const int32_t id = h2_client_call(rig.client, "/test/Silent", "250m");
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(call_deadline(rig.latest), 5250 * MS);
    ck_assert_uint_eq(session_due(rig.session), 5250 * MS);
    session_tick(rig.session, 5250 * MS - 1);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 0);
    session_tick(rig.session, 5250 * MS);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 1);
    assert_expired(id, "deadline of 250 ms passed");
    ck_assert_uint_eq(session_due(rig.session), UINT64_MAX);
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

START_TEST(test_no_deadline)
{
    (void)h2_client_call(rig.client, "/test/Silent", NULL);
    session_rig_run(&rig);
    ck_assert_uint_eq(call_deadline(rig.latest), UINT64_MAX);
    ck_assert_uint_eq(session_due(rig.session), UINT64_MAX);
    session_tick(rig.session, UINT64_MAX - 1);
    ck_assert_uint_eq(rig.cancelled, 0);
}
END_TEST

START_TEST(test_a_deadline_beyond_the_clock_is_none)
{
    (void)h2_client_call(rig.client, "/test/Silent", "99999999H");
    session_rig_run(&rig);
    ck_assert_uint_eq(call_deadline(rig.latest), UINT64_MAX);
}
END_TEST

START_TEST(test_no_time_at_all)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", "0n");
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run(&rig);
    assert_expired(id, "deadline of 0 ms passed");
    ck_assert_uint_eq(rig.begun, 0);
}
END_TEST

START_TEST(test_part_of_a_millisecond)
{
    const int32_t id = h2_client_call(rig.client, "/test/Silent", "1500u");
    session_rig_run(&rig);
    session_tick(rig.session, 5002 * MS);
    session_rig_run(&rig);
    assert_expired(id, "deadline of 1.5 ms passed");
}
END_TEST

START_TEST(test_the_earliest_deadline_is_due)
{
    const int32_t first = h2_client_call(rig.client, "/test/Silent", "300m");
    const int32_t second = h2_client_call(rig.client, "/test/Silent", "100m");
    const int32_t third = h2_client_call(rig.client, "/test/Silent", "200m");
    session_rig_run(&rig);
    ck_assert_uint_eq(session_due(rig.session), 5100 * MS);
    session_tick(rig.session, 5100 * MS);
    ck_assert_uint_eq(session_due(rig.session), 5200 * MS);
    session_tick(rig.session, 5350 * MS);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 3);
    assert_expired(first, "deadline of 300 ms passed");
    assert_expired(second, "deadline of 100 ms passed");
    assert_expired(third, "deadline of 200 ms passed");
}
END_TEST

START_TEST(test_no_message_is_delivered_after_the_deadline)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", "100m");
    session_rig_run(&rig);
    h2_client_message(rig.client, id, "late", 4, true);
    rig.now_ns += 100 * MS;
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.half_closed, 0);
    ck_assert_uint_eq(rig.cancelled, 1);
    assert_expired(id, "deadline of 100 ms passed");
}
END_TEST

START_TEST(test_a_finished_call_does_not_expire)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", "100m");
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run_client(&rig);
    session_tick(rig.session, 5200 * MS);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 0);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
}
END_TEST

/*
 * Answers that the client leaves unread do not outlive the deadline, the call finished or not;
 * their streams do by a little, in which the client may reset them itself.
 */
START_TEST(test_a_deadline_bounds_unread_answers)
{
    session_rig unread;
    session_rig_start(&unread, NULL, &(h2_client_options){.stream_window = 10, .reads = false});
    const int32_t finished = h2_client_call(unread.client, "/test/Unary", "100m");
    const int32_t open = h2_client_call(unread.client, "/test/Stream", "100m");
    h2_client_message(unread.client, finished, "more than ten bytes", 19, true);
    h2_client_message(unread.client, open, "more than ten bytes", 19, false);
    session_rig_run(&unread);
    ck_assert(!h2_client_answer(unread.client, finished)->closed);
    session_tick(unread.session, 100 * MS);
    session_rig_run(&unread);
    ck_assert_uint_eq(unread.finished, 1);
    ck_assert_uint_eq(unread.cancelled, 1);
    ck_assert(!h2_client_answer(unread.client, finished)->closed);
    ck_assert(!h2_client_answer(unread.client, open)->closed);
    session_tick(unread.session, (100 + LIMIT_OVERDUE_MS) * MS);
    session_rig_run(&unread);
    ck_assert(h2_client_answer(unread.client, finished)->reset);
    ck_assert_uint_eq(h2_client_answer(unread.client, finished)->reset_code, NGHTTP2_CANCEL);
    ck_assert(h2_client_answer(unread.client, open)->reset);
    session_rig_stop(&unread);
}
END_TEST

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Drains all, of which a GOAWAY must be the last frame, and returns its error code. */
static uint32_t drain_goaway(session *s, int32_t last_stream_id)
{
    uint8_t bytes[70000];
    const size_t count = session_drain(s, bytes, sizeof bytes);
    ck_assert_uint_lt(count, sizeof bytes);
    const uint8_t *frame = bytes, *next = bytes;
    while (next < bytes + count) {
        frame = next;
        next += 9 + (read_u32(frame) >> 8);
    }
    ck_assert_ptr_eq(next, bytes + count);
    ck_assert_int_eq(frame[3], NGHTTP2_GOAWAY);
    ck_assert_uint_eq(read_u32(frame + 5), 0);
    ck_assert_int_eq((int32_t)read_u32(frame + 9), last_stream_id);
    ck_assert_uint_eq(session_drain(s, bytes, sizeof bytes), 0);
    ck_assert(session_done(s));
    return read_u32(frame + 13);
}

START_TEST(test_shutdown_of_an_idle_connection)
{
    session_rig_run(&rig);
    ck_assert(!session_done(rig.session));
    session_shutdown(rig.session);
    ck_assert(!session_done(rig.session));
    session_rig_run_server(&rig);
    ck_assert_uint_eq(h2_client_goaways(rig.client).count, 1);
    ck_assert_uint_eq(h2_client_goaways(rig.client).code, NGHTTP2_NO_ERROR);
    ck_assert_int_eq(h2_client_goaways(rig.client).last_stream_id, INT32_MAX);
    ck_assert(!session_done(rig.session));
    session_rig_run_client(&rig);
    ck_assert_uint_eq(drain_goaway(rig.session, 0), NGHTTP2_NO_ERROR);
}
END_TEST

START_TEST(test_shutdown_lets_calls_finish)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    session_rig_run(&rig);
    session_shutdown(rig.session);
    session_shutdown(rig.session);
    session_rig_run(&rig);
    ck_assert_uint_eq(h2_client_goaways(rig.client).count, 2);
    ck_assert_int_eq(h2_client_goaways(rig.client).last_stream_id, id);
    ck_assert(!session_done(rig.session));
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
    ck_assert(session_done(rig.session));
}
END_TEST

START_TEST(test_shutdown_serves_the_call_on_its_way)
{
    session_rig_run(&rig);
    session_shutdown(rig.session);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run_client(&rig);
    session_rig_run_server(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
    session_rig_run_client(&rig);
    ck_assert_uint_eq(drain_goaway(rig.session, id), NGHTTP2_NO_ERROR);
}
END_TEST

START_TEST(test_the_client_says_good_bye)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "hello", 5, false);
    h2_client_goaway(rig.client);
    session_rig_run(&rig);
    ck_assert(!session_done(rig.session));
    h2_client_send(rig.client, id, "", 0, true);
    session_rig_run(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
    ck_assert(session_done(rig.session));
}
END_TEST

START_TEST(test_a_client_that_speaks_http_1)
{
    const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ck_assert(!session_feed(rig.session, 0, (const uint8_t *)request, sizeof request - 1));
    ck_assert(!session_done(rig.session));
    ck_assert(!session_feed(rig.session, 0, (const uint8_t *)request, sizeof request - 1));
    ck_assert_uint_eq(drain_goaway(rig.session, 0), NGHTTP2_PROTOCOL_ERROR);
}
END_TEST

START_TEST(test_a_flood_of_pings)
{
    static const uint8_t ping[17] = {0, 0, 8, 6};
    const int32_t id = h2_client_call(rig.client, "/test/Silent", NULL);
    session_rig_run(&rig);
    int pings = 0;
    while (session_feed(rig.session, 0, ping, sizeof ping))
        ck_assert_int_lt(++pings, 100000);
    ck_assert_int_ge(pings, 1000);
    session_rig_finish(&rig);
    ck_assert_uint_eq(drain_goaway(rig.session, id), NGHTTP2_ENHANCE_YOUR_CALM);
    session_shutdown(rig.session);
    ck_assert(session_done(rig.session));
}
END_TEST

/* nghttp2's own verdict: the feed succeeds, the GOAWAY follows and then the connection is done. */
START_TEST(test_data_on_an_idle_stream)
{
    static const uint8_t data[] = {0, 0, 1, 0, 0, 0, 0, 0, 9, 'x'};
    session_rig_run(&rig);
    ck_assert(session_feed(rig.session, 0, data, sizeof data));
    ck_assert_uint_eq(drain_goaway(rig.session, 0), NGHTTP2_PROTOCOL_ERROR);
}
END_TEST

START_TEST(test_the_goaway_follows_what_was_being_drained)
{
    static const uint8_t ping[17] = {0, 0, 8, 6};
    uint8_t first[3];
    ck_assert_uint_eq(session_drain(rig.session, first, sizeof first), sizeof first);
    uint8_t magic[] = NGHTTP2_CLIENT_MAGIC;
    ck_assert(session_feed(rig.session, 0, magic, 10));
    ck_assert(!session_feed(rig.session, 0, ping, sizeof ping));
    uint8_t bytes[200];
    const size_t count = session_drain(rig.session, bytes, sizeof bytes);
    /* SETTINGS with three entries, cut after three bytes, then GOAWAY. */
    ck_assert_uint_eq(count, 9 + 3 * 6 - sizeof first + 17);
    ck_assert_uint_eq(bytes[0], NGHTTP2_SETTINGS);
    ck_assert_uint_eq(bytes[count - 17 + 3], NGHTTP2_GOAWAY);
    ck_assert(session_done(rig.session));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_end");
    TCase *deadlines = tcase_create("deadlines");
    tcase_add_checked_fixture(deadlines, start, stop);
    tcase_add_test(deadlines, test_deadline);
    tcase_add_test(deadlines, test_no_deadline);
    tcase_add_test(deadlines, test_a_deadline_beyond_the_clock_is_none);
    tcase_add_test(deadlines, test_no_time_at_all);
    tcase_add_test(deadlines, test_part_of_a_millisecond);
    tcase_add_test(deadlines, test_the_earliest_deadline_is_due);
    tcase_add_test(deadlines, test_no_message_is_delivered_after_the_deadline);
    tcase_add_test(deadlines, test_a_finished_call_does_not_expire);
    tcase_add_test(deadlines, test_a_deadline_bounds_unread_answers);
    suite_add_tcase(suite, deadlines);

    TCase *connections = tcase_create("connections");
    tcase_add_checked_fixture(connections, start, stop);
    tcase_add_test(connections, test_shutdown_of_an_idle_connection);
    tcase_add_test(connections, test_shutdown_lets_calls_finish);
    tcase_add_test(connections, test_shutdown_serves_the_call_on_its_way);
    tcase_add_test(connections, test_the_client_says_good_bye);
    tcase_add_test(connections, test_a_client_that_speaks_http_1);
    tcase_add_test(connections, test_a_flood_of_pings);
    tcase_add_test(connections, test_data_on_an_idle_stream);
    tcase_add_test(connections, test_the_goaway_follows_what_was_being_drained);
    suite_add_tcase(suite, connections);
    return check_main(suite);
}
