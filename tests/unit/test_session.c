/*
 * What a client is answered: calls, refusals, deadlines, cancellation and the end of a connection.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "session_rig.h"

static session_rig rig;

static void start(void)
{
    session_rig_start(&rig, NULL, NULL);
}

static void stop(void)
{
    session_rig_stop(&rig);
}

static const h2_answer *answer_of(int32_t stream_id)
{
    return h2_client_answer(rig.client, stream_id);
}

static void assert_field(const char *block, const char *name, const char *wanted)
{
    char value[1200];
    ck_assert_msg(h2_field(block, name, value, sizeof value), "%s is missing in\n%s", name, block);
    ck_assert_str_eq(value, wanted);
}

static void assert_no_field(const char *block, const char *name)
{
    char value[16];
    ck_assert_msg(!h2_field(block, name, value, sizeof value), "%s is in\n%s", name, block);
}

/* The answer is one HEADERS frame with this status and message. */
static void assert_trailers_only(const h2_answer *answer, int status, const char *message)
{
    ck_assert(answer->ended);
    ck_assert_uint_eq(answer->blocks, 1);
    ck_assert_uint_eq(answer->body_bytes, 0);
    assert_field(answer->trailers, ":status", "200");
    assert_field(answer->trailers, "content-type", "application/grpc");
    ck_assert_int_eq(h2_answer_status(answer), status);
    assert_field(answer->trailers, "grpc-message", message);
}

/* The answer has exactly one message, equal to text, and then OK. */
static void assert_ok(const h2_answer *answer, const char *text)
{
    size_t bytes;
    const uint8_t *message = h2_answer_message(answer, 0, &bytes);
    ck_assert(answer->ended);
    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(bytes, strlen(text));
    ck_assert_mem_eq(message, text, bytes);
    ck_assert_ptr_null(h2_answer_message(answer, 1, &bytes));
    assert_field(answer->headers, ":status", "200");
    assert_field(answer->headers, "content-type", "application/grpc");
    ck_assert_str_eq(answer->trailers, "grpc-status: 0\n");
}

START_TEST(test_settings)
{
    session_rig_run(&rig);
    ck_assert_uint_eq(h2_client_setting(rig.client, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 100);
    ck_assert_uint_eq(h2_client_setting(rig.client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE), 65535);
    ck_assert_uint_eq(h2_client_setting(rig.client, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), 8192);
    ck_assert(!session_done(rig.session));
}
END_TEST

START_TEST(test_unary)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run(&rig);
    assert_ok(answer_of(id), "hello");
    ck_assert(answer_of(id)->closed);
    ck_assert(!answer_of(id)->reset);
    ck_assert_uint_eq(rig.begun, 1);
    ck_assert_uint_eq(rig.half_closed, 1);
    ck_assert_uint_eq(rig.finished, 1);
    ck_assert_uint_eq(rig.cancelled, 0);
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

START_TEST(test_a_unary_answer_leaves_in_one_drain)
{
    uint8_t bytes[1024];
    session_rig_run(&rig);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run_client(&rig);
    const size_t count = session_drain(rig.session, bytes, sizeof bytes);
    ck_assert_uint_lt(count, sizeof bytes);
    ck_assert(h2_client_feed(rig.client, bytes, count));
    assert_ok(answer_of(id), "hello");
}
END_TEST

START_TEST(test_an_empty_message)
{
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "", 0, true);
    session_rig_run(&rig);
    assert_ok(answer_of(id), "");
}
END_TEST

START_TEST(test_no_message)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    h2_client_send(rig.client, id, "", 0, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(answer_of(id)->blocks, 1);
    ck_assert_int_eq(h2_answer_status(answer_of(id)), GRPC_OK);
    assert_no_field(answer_of(id)->trailers, "grpc-message");
    assert_no_field(answer_of(id)->trailers, "grpc-retry-pushback-ms");
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.half_closed, 1);
}
END_TEST

START_TEST(test_stream)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    size_t bytes;
    for (uint8_t i = 0; i < 50; i++) {
        h2_client_message(rig.client, id, &i, 1, false);
        session_rig_run(&rig);
        const uint8_t *message = h2_answer_message(answer_of(id), i, &bytes);
        ck_assert_ptr_nonnull(message);
        ck_assert_uint_eq(*message, i);
    }
    ck_assert(!answer_of(id)->ended);
    ck_assert_uint_eq(session_calls(rig.session), 1);
    h2_client_send(rig.client, id, "", 0, true);
    session_rig_run(&rig);
    ck_assert_str_eq(answer_of(id)->trailers, "grpc-status: 0\n");
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

START_TEST(test_many_streams_at_once)
{
    int32_t ids[100];
    for (size_t i = 0; i < 100; i++) {
        ids[i] = h2_client_call(rig.client, i % 2 ? "/test/Unary" : "/test/Stream", NULL);
        h2_client_send(rig.client, ids[i], "\0\0\0", 3, false);
    }
    session_rig_run(&rig);
    ck_assert_uint_eq(session_calls(rig.session), 100);
    for (size_t i = 100; i-- > 0;) {
        char text[2] = {(char)('0' + i % 10), 0};
        h2_client_send(rig.client, ids[i], "\0\1", 2, false);
        h2_client_send(rig.client, ids[i], text, 1, true);
        session_rig_run(&rig);
        assert_ok(answer_of(ids[i]), text);
    }
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

/* The client keeps to the limit by itself, so this one has not read it yet. */
START_TEST(test_more_streams_than_allowed)
{
    int32_t ids[101];
    for (size_t i = 0; i < 101; i++)
        ids[i] = h2_client_call(rig.client, "/test/Unary", NULL);
    session_rig_run(&rig);
    ck_assert(!answer_of(ids[99])->closed);
    ck_assert(answer_of(ids[100])->reset);
    ck_assert_uint_eq(answer_of(ids[100])->reset_code, NGHTTP2_REFUSED_STREAM);
    ck_assert_uint_eq(session_calls(rig.session), 100);
    h2_client_message(rig.client, ids[7], "seven", 5, true);
    session_rig_run(&rig);
    assert_ok(answer_of(ids[7]), "seven");
}
END_TEST

START_TEST(test_refused_at_once)
{
    const int32_t id = h2_client_call(rig.client, "/test/Refuse", NULL);
    h2_client_message(rig.client, id, "hello", 5, false);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(id), GRPC_UNAVAILABLE, "busy: 100 %25");
    assert_field(answer_of(id)->trailers, "grpc-retry-pushback-ms", "250");
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.cancelled, 0);
}
END_TEST

START_TEST(test_early_finish_tells_the_client_to_stop)
{
    const int32_t id = h2_client_call(rig.client, "/test/Early", NULL);
    h2_client_message(rig.client, id, "one", 3, false);
    h2_client_message(rig.client, id, "two", 3, false);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(id), GRPC_FAILED_PRECONDITION, "enough");
    ck_assert(answer_of(id)->reset);
    ck_assert_uint_eq(answer_of(id)->reset_code, NGHTTP2_NO_ERROR);
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(rig.finished, 1);
    ck_assert_uint_eq(rig.cancelled, 0);
}
END_TEST

START_TEST(test_early_finish_after_the_last_byte_needs_no_reset)
{
    const int32_t id = h2_client_call(rig.client, "/test/Early", NULL);
    h2_client_message(rig.client, id, "one", 3, true);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(id), GRPC_FAILED_PRECONDITION, "enough");
    ck_assert(!answer_of(id)->reset);
    ck_assert(answer_of(id)->closed);
    ck_assert_uint_eq(rig.half_closed, 0);
}
END_TEST

/* Requests that are not gRPC's: answered by HTTP, with nothing of gRPC. */
static const struct {
    const char *method, *type, *status;
} foreign[] = {
    {"GET", "application/grpc", "405"},
    {"PUT", "text/plain", "405"},
    {"POST", "application/json", "415"},
    {"POST", "application/grpcx", "415"},
    {"POST", "application/grp", "415"},
    {"POST", "application/grpc-web", "415"},
    {"POST", NULL, "415"},
};

START_TEST(test_foreign_requests)
{
    const h2_header fields[] = {
        {":method", foreign[_i].method},
        {":scheme", "http"},
        {":authority", "localhost"},
        {":path", "/test/Unary"},
        {foreign[_i].type ? "content-type" : NULL, foreign[_i].type},
        {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    h2_client_send(rig.client, id, "some bytes", 10, false);
    session_rig_run(&rig);
    const h2_answer *answer = answer_of(id);
    ck_assert(answer->ended);
    ck_assert_uint_eq(answer->blocks, 1);
    assert_field(answer->trailers, ":status", foreign[_i].status);
    assert_no_field(answer->trailers, "grpc-status");
    ck_assert(answer->reset);
    ck_assert_uint_eq(answer->reset_code, NGHTTP2_NO_ERROR);
    ck_assert_uint_eq(rig.begun, 0);
}
END_TEST

static const char *const types[] = {"application/grpc", "application/grpc+proto",
                                    "application/grpc;charset=utf-8"};

START_TEST(test_content_types)
{
    const h2_header fields[] = {
        {":method", "POST"},      {":scheme", "http"},         {":authority", "localhost"},
        {":path", "/test/Unary"}, {"content-type", types[_i]}, {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    h2_client_message(rig.client, id, "x", 1, true);
    session_rig_run(&rig);
    assert_ok(answer_of(id), "x");
}
END_TEST

START_TEST(test_unknown_method)
{
    const int32_t id = h2_client_call(rig.client, "/no/Such", NULL);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(id), GRPC_UNIMPLEMENTED, "/no/Such");
}
END_TEST

START_TEST(test_long_path)
{
    char path[302];
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[255] = '\0';
    const int32_t longest = h2_client_call(rig.client, path, NULL);
    path[255] = 'p';
    path[300] = '\0';
    const int32_t longer = h2_client_call(rig.client, path, NULL);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.begun, 1);
    path[255] = '\0';
    assert_trailers_only(answer_of(longest), GRPC_UNIMPLEMENTED, path);
    assert_trailers_only(answer_of(longer), GRPC_UNIMPLEMENTED,
                         ":path of 300 bytes is longer than any method's, at most 255 bytes");
}
END_TEST

START_TEST(test_missing_path)
{
    const h2_header fields[] = {
        {":method", "POST"},
        {":scheme", "http"},
        {":authority", "localhost"},
        {"content-type", "application/grpc"},
        {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    session_rig_run(&rig);
    ck_assert(answer_of(id)->reset);
    ck_assert_uint_eq(answer_of(id)->reset_code, NGHTTP2_PROTOCOL_ERROR);
    ck_assert_uint_eq(rig.begun, 0);
}
END_TEST

START_TEST(test_long_headers)
{
    char value[8001];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const int32_t over = h2_client_call_with(rig.client, "/test/Unary", "x-large", value);
    value[7866] = '\0';
    const int32_t under = h2_client_call_with(rig.client, "/test/Unary", "x-large", value);
    h2_client_message(rig.client, under, "x", 1, true);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(over), GRPC_RESOURCE_EXHAUSTED,
                         "headers of 8326 bytes are longer than the limit of 8192 bytes");
    assert_ok(answer_of(under), "x");
}
END_TEST

static const char *const bad_timeouts[] = {"", "10", "S", "1s", "123456789S", "-1S", "1 S"};

START_TEST(test_malformed_timeout)
{
    char message[100];
    snprintf(message, sizeof message,
             "grpc-timeout: '%s' is not 1 to 8 digits and one of H M S m u n", bad_timeouts[_i]);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", bad_timeouts[_i]);
    session_rig_run(&rig);
    assert_trailers_only(answer_of(id), GRPC_INVALID_ARGUMENT, message);
    ck_assert_uint_eq(rig.begun, 0);
}
END_TEST

/* Opens a call with a grpc-encoding, NULL for none, and sends bytes on it. */
static const h2_answer *send_encoded(const char *encoding, const char *bytes, size_t count,
                                     bool end)
{
    const int32_t id = h2_client_call_with(rig.client, "/test/Stream",
                                           encoding ? "grpc-encoding" : NULL, encoding);
    h2_client_send(rig.client, id, bytes, count, end);
    session_rig_run(&rig);
    return answer_of(id);
}

START_TEST(test_unknown_encoding)
{
    const h2_answer *answer = send_encoded("snappy", "\1\0\0\0\1x", 6, false);
    assert_trailers_only(answer, GRPC_UNIMPLEMENTED,
                         "grpc-encoding 'snappy' is not supported, only identity and gzip");
    assert_field(answer->trailers, "grpc-accept-encoding", "identity,gzip");
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.refused, 1);
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

START_TEST(test_uncompressed_message_with_an_encoding)
{
    assert_ok(send_encoded("gzip", "\0\0\0\0\1x", 6, true), "x");
}
END_TEST

START_TEST(test_compressed_message_without_an_encoding)
{
    const h2_answer *answer = send_encoded(NULL, "\1\0\0\0\1x", 6, false);
    assert_trailers_only(answer, GRPC_INTERNAL, "compressed flag is 1 without a grpc-encoding");
    assert_trailers_only(send_encoded("identity", "\1\0\0\0\1x", 6, false), GRPC_INTERNAL,
                         "compressed flag is 1 without a grpc-encoding");
    ck_assert_uint_eq(rig.refused, 2);
}
END_TEST

START_TEST(test_bad_flag)
{
    assert_trailers_only(send_encoded("gzip", "\2\0\0\0\1x", 6, false), GRPC_INTERNAL,
                         "compressed flag is 2, neither 0 nor 1");
}
END_TEST

START_TEST(test_half_close_inside_a_message)
{
    assert_trailers_only(send_encoded(NULL, "\0\0\0\0\3xy", 7, true), GRPC_INTERNAL,
                         "the stream ended 7 bytes into a message");
    assert_trailers_only(send_encoded(NULL, "\0\0", 2, true), GRPC_INTERNAL,
                         "the stream ended 2 bytes into a message");
    ck_assert_uint_eq(rig.half_closed, 0);
    ck_assert_uint_eq(rig.refused, 2);
}
END_TEST

START_TEST(test_bad_message_behind_good_ones)
{
    const h2_answer *answer = send_encoded(NULL, "\0\0\0\0\1a\0\0\0\0\1b\7\0\0\0\0", 17, false);
    size_t bytes;
    ck_assert_ptr_nonnull(h2_answer_message(answer, 1, &bytes));
    ck_assert_ptr_null(h2_answer_message(answer, 2, &bytes));
    ck_assert_int_eq(h2_answer_status(answer), GRPC_INTERNAL);
    assert_field(answer->trailers, "grpc-message", "compressed flag is 7, neither 0 nor 1");
    ck_assert_uint_eq(rig.refused, 1);
}
END_TEST

START_TEST(test_cancel)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    h2_client_message(rig.client, id, "one", 3, false);
    session_rig_run(&rig);
    ck_assert_uint_eq(session_calls(rig.session), 1);
    h2_client_cancel(rig.client, id);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 1);
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

START_TEST(test_cancel_after_the_end_is_no_cancel)
{
    const int32_t id = h2_client_call(rig.client, "/test/Early", NULL);
    h2_client_message(rig.client, id, "one", 3, false);
    session_rig_run_client(&rig);
    h2_client_cancel(rig.client, id);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.finished, 1);
    ck_assert_uint_eq(rig.cancelled, 0);
}
END_TEST

START_TEST(test_open_calls_are_cancelled_with_the_connection)
{
    (void)h2_client_call(rig.client, "/test/Silent", NULL);
    const int32_t id = h2_client_call(rig.client, "/test/Stream", "1S");
    h2_client_message(rig.client, id, "one", 3, false);
    session_rig_run(&rig);
    session_free(rig.session);
    rig.session = NULL;
    ck_assert_uint_eq(rig.cancelled, 2);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("session");
    TCase *calls = tcase_create("calls");
    tcase_add_checked_fixture(calls, start, stop);
    tcase_add_test(calls, test_settings);
    tcase_add_test(calls, test_unary);
    tcase_add_test(calls, test_a_unary_answer_leaves_in_one_drain);
    tcase_add_test(calls, test_an_empty_message);
    tcase_add_test(calls, test_no_message);
    tcase_add_test(calls, test_stream);
    tcase_add_test(calls, test_many_streams_at_once);
    tcase_add_test(calls, test_more_streams_than_allowed);
    tcase_add_test(calls, test_refused_at_once);
    tcase_add_test(calls, test_early_finish_tells_the_client_to_stop);
    tcase_add_test(calls, test_early_finish_after_the_last_byte_needs_no_reset);
    tcase_add_test(calls, test_cancel);
    tcase_add_test(calls, test_cancel_after_the_end_is_no_cancel);
    tcase_add_test(calls, test_open_calls_are_cancelled_with_the_connection);
    suite_add_tcase(suite, calls);

    TCase *refusals = tcase_create("refusals");
    tcase_add_checked_fixture(refusals, start, stop);
    tcase_add_loop_test(refusals, test_foreign_requests, 0, sizeof foreign / sizeof *foreign);
    tcase_add_loop_test(refusals, test_content_types, 0, sizeof types / sizeof *types);
    tcase_add_test(refusals, test_unknown_method);
    tcase_add_test(refusals, test_long_path);
    tcase_add_test(refusals, test_missing_path);
    tcase_add_test(refusals, test_long_headers);
    tcase_add_loop_test(refusals, test_malformed_timeout, 0,
                        sizeof bad_timeouts / sizeof *bad_timeouts);
    tcase_add_test(refusals, test_unknown_encoding);
    tcase_add_test(refusals, test_uncompressed_message_with_an_encoding);
    tcase_add_test(refusals, test_compressed_message_without_an_encoding);
    tcase_add_test(refusals, test_bad_flag);
    tcase_add_test(refusals, test_half_close_inside_a_message);
    tcase_add_test(refusals, test_bad_message_behind_good_ones);
    suite_add_tcase(suite, refusals);
    return suite;
}

int main(void)
{
    return check_main(make_suite());
}
