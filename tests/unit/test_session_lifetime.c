/*
 * A connection's greatest age, and its peer's silence; and that a client may ping as it likes.
 */
#include <nghttp2/nghttp2.h>

#include "check_main.h"
#include "session_rig.h"

#define SECOND UINT64_C(1000000000)

static session_rig rig;

static void begin(lifetime_options life)
{
    session_options options = rig_options;
    options.lifetime = life;
    session_rig_start(&rig, &options, NULL);
    ck_assert_uint_eq(session_due(rig.session), 0);
    session_tick(rig.session, 0);
    session_rig_run(&rig);
}

static void stop(void)
{
    session_rig_stop(&rig);
}

static void tick(uint64_t now_ns)
{
    rig.now_ns = now_ns;
    session_tick(rig.session, now_ns);
}

/* Drains all, and counts the PINGs that are not answers. */
static unsigned drain_pings(void)
{
    uint8_t bytes[4096];
    const size_t count = session_drain(rig.session, bytes, sizeof bytes);
    unsigned pings = 0;
    for (size_t at = 0; at < count;
         at += 9 + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]))
        pings += bytes[at + 3] == NGHTTP2_PING && bytes[at + 4] == 0;
    return pings;
}

START_TEST(test_an_old_connection)
{
    begin((lifetime_options){.max_age_ns = 10 * SECOND, .max_age_grace_ns = 5 * SECOND});
    const int32_t open = h2_client_call(rig.client, "/test/Unary", NULL);
    session_rig_run(&rig);
    ck_assert_uint_eq(session_due(rig.session), 10 * SECOND);
    tick(10 * SECOND);
    const int32_t late = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, late, "late", 4, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(h2_client_goaways(rig.client).count, 2);
    ck_assert_int_eq(h2_client_goaways(rig.client).last_stream_id, late);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, late)), GRPC_OK);
    ck_assert(!session_done(rig.session));
    h2_client_message(rig.client, open, "open", 4, true);
    session_rig_run(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, open)), GRPC_OK);
    ck_assert(session_done(rig.session));
    ck_assert(!session_lost(rig.session));
}
END_TEST

START_TEST(test_the_end_of_the_grace_period)
{
    begin((lifetime_options){.max_age_ns = 10 * SECOND, .max_age_grace_ns = 5 * SECOND});
    (void)h2_client_call(rig.client, "/test/Silent", NULL);
    session_rig_run(&rig);
    tick(10 * SECOND);
    session_rig_run(&rig);
    ck_assert_uint_eq(session_due(rig.session), 15 * SECOND);
    tick(15 * SECOND - 1);
    ck_assert(!session_lost(rig.session));
    tick(15 * SECOND);
    ck_assert(session_lost(rig.session));
}
END_TEST

START_TEST(test_a_client_that_answers_pings)
{
    begin((lifetime_options){.keepalive_ns = 10 * SECOND, .keepalive_timeout_ns = SECOND});
    for (uint64_t now = 10 * SECOND; now <= 100 * SECOND; now += 10 * SECOND) {
        ck_assert_uint_eq(session_due(rig.session), now);
        tick(now);
        ck_assert_uint_eq(session_due(rig.session), now + SECOND);
        session_rig_run(&rig);
    }
    ck_assert(!session_lost(rig.session));
}
END_TEST

START_TEST(test_a_client_that_is_gone)
{
    begin((lifetime_options){.keepalive_ns = 10 * SECOND, .keepalive_timeout_ns = SECOND});
    tick(10 * SECOND);
    ck_assert_uint_eq(drain_pings(), 1);
    tick(11 * SECOND - 1);
    ck_assert_uint_eq(drain_pings(), 0);
    ck_assert(!session_lost(rig.session));
    tick(11 * SECOND);
    ck_assert(session_lost(rig.session));
}
END_TEST

START_TEST(test_without_options_nothing_is_due)
{
    session_rig_start(&rig, NULL, NULL);
    ck_assert_uint_eq(session_due(rig.session), UINT64_MAX);
    session_rig_run(&rig);
    tick(UINT64_MAX - 1);
    ck_assert_uint_eq(drain_pings(), 0);
    ck_assert(!session_lost(rig.session));
}
END_TEST

/* gRPC servers that count pings end connections with "too_many_pings"; this one answers. */
START_TEST(test_a_client_that_pings_often)
{
    static const uint8_t ping[17] = {0, 0, 8, NGHTTP2_PING, 0, 0, 0, 0, 0, 'p'};
    session_rig_start(&rig, NULL, NULL);
    session_rig_run(&rig);
    for (int i = 0; i < 20000; i++) {
        uint8_t answer[64];
        ck_assert(session_feed(rig.session, 0, ping, sizeof ping));
        ck_assert_uint_eq(session_drain(rig.session, answer, sizeof answer), sizeof ping);
        ck_assert_uint_eq(answer[4], NGHTTP2_FLAG_ACK);
        ck_assert_uint_eq(answer[9], 'p');
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_lifetime");
    TCase *tests = tcase_create("lifetime");
    tcase_add_checked_fixture(tests, NULL, stop);
    tcase_add_test(tests, test_an_old_connection);
    tcase_add_test(tests, test_the_end_of_the_grace_period);
    tcase_add_test(tests, test_a_client_that_answers_pings);
    tcase_add_test(tests, test_a_client_that_is_gone);
    tcase_add_test(tests, test_without_options_nothing_is_due);
    tcase_add_test(tests, test_a_client_that_pings_often);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
