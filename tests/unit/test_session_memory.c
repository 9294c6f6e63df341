/*
 * A conversation in which the i-th allocation fails, for every i, the session's own and nghttp2's:
 * it costs a call or the connection, and nothing leaks.
 *
 * The program is linked with --wrap for malloc, calloc and realloc.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "failing_malloc.h"
#include "gzip.h"
#include "session_rig.h"

/* Carries bytes both ways until there are none. False: the connection has ended. */
static bool carry(session_rig *rig)
{
    size_t said, answered;
    do {
        uint8_t bytes[700];
        said = h2_client_drain(rig->client, bytes, sizeof bytes);
        armed = true;
        const bool alive = session_feed(rig->session, rig->now_ns, bytes, said);
        answered = session_drain(rig->session, bytes, sizeof bytes);
        armed = false;
        ck_assert(h2_client_feed(rig->client, bytes, answered));
        if (!alive)
            return false;
    } while (said > 0 || answered > 0);
    return !session_done(rig->session);
}

static void open_calls(session_rig *rig)
{
    static const uint8_t large[4] = {0, 0, 0x80, 0};
    static const uint8_t message[3000];
    h2_client *client = rig->client;
    int32_t id = h2_client_call(client, "/test/Unary", "1S");
    h2_client_message(client, id, message, sizeof message, true);
    id = h2_client_call(client, "/test/Stream", NULL);
    h2_client_message(client, id, message, sizeof message, false);
    h2_client_message(client, id, message, sizeof message, true);
    id = h2_client_call(client, "/test/Large", NULL);
    h2_client_message(client, id, large, sizeof large, true);
    id = h2_client_call(client, "/test/Early", NULL);
    h2_client_message(client, id, message, sizeof message, false);
    id = h2_client_call(client, "/test/Stream", NULL);
    h2_client_send(client, id, "\0\0\0\0\1a\7\0\0\0\0", 11, false);
    uint8_t packed[100];
    const size_t count = gzip_deflate(message, sizeof message, packed, sizeof packed);
    const uint8_t prefix[5] = {1, 0, 0, 0, (uint8_t)count};
    id = h2_client_call_with(client, "/test/Stream", "grpc-encoding", "gzip");
    h2_client_send(client, id, prefix, sizeof prefix, false);
    h2_client_send(client, id, packed, count, true);
    id = h2_client_call_with(client, "/test/Unary", "grpc-accept-encoding", "gzip");
    h2_client_message(client, id, message, sizeof message, true);
    (void)h2_client_call(client, "/test/Silent", "1S");
    (void)h2_client_call(client, "/test/Unary", "bad");
    (void)h2_client_call_with(client, "/test/Unary", "content-type", "text/plain");
}

/* The whole life of a session, up to where a failure ends it. */
static void live(session_rig *rig)
{
    if (!carry(rig))
        return;
    open_calls(rig);
    if (!carry(rig))
        return;
    rig->now_ns = 2 * UINT64_C(1000000000);
    armed = true;
    session_tick(rig->session, rig->now_ns);
    armed = false;
    if (!carry(rig))
        return;
    armed = true;
    session_shutdown(rig->session);
    armed = false;
    if (!carry(rig))
        return;
    ck_abort_msg("the connection did not end");
}

START_TEST(test_every_allocation_failing)
{
    session_options options = rig_options;
    options.compress_above = 1000;
    for (fail_at = 0;; fail_at++) {
        session_rig rig = {0};
        allocations = 0;
        armed = true;
        rig.session = session_new(&options, &rig_handler, &rig);
        armed = false;
        ck_assert_int_eq(rig.session == NULL, allocations > fail_at);
        if (!rig.session)
            continue;
        rig.client = h2_client_new(&H2_CLIENT_OPTIONS);
        live(&rig);
        session_rig_stop(&rig);
        ck_assert_uint_eq(rig.begun, rig.finished + rig.cancelled);
        if (allocations <= fail_at)
            break;
    }
    ck_assert_uint_gt(fail_at, 100);
}
END_TEST

/* A call that has no memory fails alone: the calls before and after it do not. */
START_TEST(test_a_failed_call_leaves_the_others)
{
    unsigned survived = 0;
    for (fail_at = 0;; fail_at++) {
        session_rig rig;
        armed = false;
        session_rig_start(&rig, NULL, NULL);
        session_rig_run(&rig);
        const int32_t first = h2_client_call(rig.client, "/test/Unary", NULL);
        h2_client_send(rig.client, first, "\0\0\0", 3, false);
        session_rig_run(&rig);
        allocations = 0;
        const int32_t failing = h2_client_call(rig.client, "/test/Unary", NULL);
        h2_client_send(rig.client, failing, "\0\0\0\0\2a", 6, false);
        const bool alive = carry(&rig);
        h2_client_send(rig.client, failing, "b", 1, true);
        if (alive && carry(&rig)) {
            survived++;
            h2_client_send(rig.client, first, "\0\0", 2, true);
            session_rig_run(&rig);
            const h2_answer *answer = h2_client_answer(rig.client, failing);
            ck_assert(answer->ended || answer->reset);
            ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, first)), GRPC_OK);
        }
        session_rig_stop(&rig);
        ck_assert_uint_eq(rig.begun, rig.finished + rig.cancelled);
        if (allocations <= fail_at)
            break;
    }
    ck_assert_uint_gt(survived, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_memory");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, test_every_allocation_failing);
    tcase_add_test(tests, test_a_failed_call_leaves_the_others);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
