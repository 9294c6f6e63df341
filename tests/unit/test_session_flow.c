/*
 * Flow control: messages larger than windows, held calls, clients that do not read.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "session_rig.h"

enum { STREAM_WINDOW = 65535, MESSAGES = 100, MESSAGE_BYTES = 4096 };

static session_rig rig;
static uint8_t zeros[(1 << 18) + 1];

static void start(void)
{
    session_rig_start(&rig, NULL, NULL);
}

static void stop(void)
{
    session_rig_stop(&rig);
}

static void send_messages(int32_t stream_id, int count, size_t bytes, bool end)
{
    for (int i = 0; i < count; i++)
        h2_client_message(rig.client, stream_id, zeros, bytes, end && i == count - 1);
}

static int status_of(int32_t stream_id)
{
    return h2_answer_status(h2_client_answer(rig.client, stream_id));
}

START_TEST(test_message_of_the_greatest_size)
{
    const size_t limit = rig_options.max_message_bytes;
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    send_messages(id, 3, limit, true);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_OK);
    ck_assert_uint_eq(rig.message_bytes, 3 * limit);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->body_bytes, 3 * (5 + limit));
}
END_TEST

/* The verdict falls with the prefix; what the client goes on to send is dropped, and stops. */
START_TEST(test_message_above_the_greatest_size)
{
    char message[100], wanted[100];
    const unsigned limit = rig_options.max_message_bytes;
    snprintf(wanted, sizeof wanted, "message of %u bytes is longer than the limit of %u bytes",
             limit + 1, limit);
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    send_messages(id, 2, limit + 1, false);
    session_rig_run(&rig);
    const h2_answer *answer = h2_client_answer(rig.client, id);
    ck_assert_int_eq(status_of(id), GRPC_RESOURCE_EXHAUSTED);
    ck_assert(h2_field(answer->trailers, "grpc-message", message, sizeof message));
    ck_assert_str_eq(message, wanted);
    ck_assert(answer->reset);
    ck_assert_uint_eq(answer->reset_code, NGHTTP2_NO_ERROR);
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.refused, 1);
    ck_assert_uint_gt(h2_client_unsent(rig.client, id), limit);
}
END_TEST

START_TEST(test_prefix_of_a_huge_message)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    h2_client_send(rig.client, id, "\0\xFF\xFF\xFF", 4, false);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), -1);
    h2_client_send(rig.client, id, "\xFF", 1, false);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_RESOURCE_EXHAUSTED);
}
END_TEST

START_TEST(test_answer_larger_than_the_windows)
{
    static const uint8_t length[4] = {0, 0x20, 0, 1};
    const int32_t id = h2_client_call(rig.client, "/test/Large", NULL);
    h2_client_message(rig.client, id, length, sizeof length, true);
    session_rig_run(&rig);
    size_t bytes = 0;
    const uint8_t *answer = h2_answer_message(h2_client_answer(rig.client, id), 0, &bytes);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(bytes, 0x200001);
    for (size_t i = 0; i < bytes; i++)
        if (answer[i] != 'x')
            ck_abort_msg("byte %zu is %u", i, answer[i]);
    ck_assert_int_eq(status_of(id), GRPC_OK);
}
END_TEST

/* No more than a window of input is taken from a call that is held, and none of it is lost. */
START_TEST(test_hold)
{
    const int32_t id = h2_client_call(rig.client, "/test/Hold", NULL);
    send_messages(id, MESSAGES, MESSAGE_BYTES, true);
    const size_t total = h2_client_unsent(rig.client, id);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    size_t taken = total - h2_client_unsent(rig.client, id);
    ck_assert_uint_ge(taken, STREAM_WINDOW);
    for (unsigned i = 1; i < MESSAGES; i++) {
        ck_assert_uint_le(taken, i * (MESSAGE_BYTES + 5) + STREAM_WINDOW);
        call_resume(rig.latest);
        ck_assert_uint_eq(rig.messages, i + 1);
        session_rig_run(&rig);
        ck_assert_uint_eq(rig.messages, i + 1);
        taken = total - h2_client_unsent(rig.client, id);
    }
    ck_assert_uint_eq(rig.half_closed, 0);
    call_resume(rig.latest);
    ck_assert_uint_eq(rig.half_closed, 1);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_OK);
}
END_TEST

START_TEST(test_hold_inside_a_message)
{
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    h2_client_send(rig.client, id, "\0\0\0\0\5he", 7, false);
    session_rig_run(&rig);
    call_hold(rig.latest);
    call_hold(rig.latest);
    h2_client_send(rig.client, id, "llo\0\0\0\0\1!", 9, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 0);
    call_resume(rig.latest);
    ck_assert_uint_eq(rig.messages, 2);
    session_rig_run(&rig);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->body_bytes, 16);
    ck_assert_mem_eq(h2_client_answer(rig.client, id)->body, "\0\0\0\0\5hello\0\0\0\0\1!", 16);
}
END_TEST

START_TEST(test_a_half_close_waits_for_the_hold)
{
    const int32_t id = h2_client_call(rig.client, "/test/Hold", NULL);
    h2_client_message(rig.client, id, "x", 1, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(rig.half_closed, 0);
    call_resume(rig.latest);
    ck_assert_uint_eq(rig.half_closed, 1);
    ck_assert_ptr_null(rig.latest);
}
END_TEST

/* A bad message that call_resume finds is refused, but not from within. */
START_TEST(test_resume_never_refuses)
{
    const int32_t id = h2_client_call(rig.client, "/test/Hold", NULL);
    h2_client_send(rig.client, id, "\0\0\0\0\1x\3\0\0\0\0", 11, false);
    session_rig_run(&rig);
    call_resume(rig.latest);
    ck_assert_uint_eq(rig.refused, 0);
    ck_assert(call_send(rig.latest, zeros, 3));
    call_resume(rig.latest);
    ck_assert_uint_eq(rig.refused, 0);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.refused, 1);
    ck_assert_int_eq(status_of(id), GRPC_INTERNAL);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->body_bytes, 8);
}
END_TEST

START_TEST(test_finish_between_resume_and_its_cancel)
{
    const int32_t id = h2_client_call(rig.client, "/test/Hold", NULL);
    h2_client_send(rig.client, id, "\0\0\0\0\1x\3\0\0\0\0", 11, false);
    session_rig_run(&rig);
    call_resume(rig.latest);
    session_rig_finish(&rig);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.cancelled, 0);
    ck_assert_int_eq(status_of(id), GRPC_OK);
}
END_TEST

START_TEST(test_a_held_call_that_the_client_cancels)
{
    const int32_t id = h2_client_call(rig.client, "/test/Hold", NULL);
    send_messages(id, 2, 10, false);
    session_rig_run(&rig);
    h2_client_cancel(rig.client, id);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(rig.cancelled, 1);
}
END_TEST

/* Held calls keep their own windows shut, not the connection's. */
START_TEST(test_held_calls_do_not_stop_the_others)
{
    session_rig_stop(&rig);
    session_options options = rig_options;
    options.connection_window = 100000;
    session_rig_start(&rig, &options, NULL);
    for (int i = 0; i < 10; i++)
        send_messages(h2_client_call(rig.client, "/test/Hold", NULL), MESSAGES, MESSAGE_BYTES,
                      true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 10);
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    send_messages(id, 1, 1 << 18, true);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_OK);
}
END_TEST

/* A client that does not read its answers is not listened to either, until it does. */
START_TEST(test_a_client_that_does_not_read)
{
    session_rig_stop(&rig);
    session_options options = rig_options;
    options.max_unsent_bytes = 3 * (MESSAGE_BYTES + 5);
    session_rig_start(&rig, &options, &(h2_client_options){.stream_window = 0, .reads = false});
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    send_messages(id, MESSAGES, MESSAGE_BYTES, true);
    const size_t total = h2_client_unsent(rig.client, id);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 4);
    ck_assert_uint_le(total - h2_client_unsent(rig.client, id),
                      4 * (MESSAGE_BYTES + 5) + STREAM_WINDOW);

    h2_client_open_window(rig.client, id, MESSAGE_BYTES + 4);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 4);
    h2_client_open_window(rig.client, id, 1);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 5);

    h2_client_open_window(rig.client, id, 1 << 24);
    h2_client_open_window(rig.client, 0, 1 << 24);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, MESSAGES);
    ck_assert_int_eq(status_of(id), GRPC_OK);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->body_bytes, total);
}
END_TEST

/* Answers finished long ago leave with their status when the client reads them. */
/*
 * Requests wait behind an answer that waits. Wherever the writing of that answer stops, the end of
 * the stream may be read before the requests are: they are answered all the same.
 */
START_TEST(test_the_end_comes_before_waiting_requests_are_looked_at)
{
    enum { WRITTEN = 300, REQUEST_BYTES = 200 };
    session_options options = rig_options;
    options.max_unsent_bytes = REQUEST_BYTES / 2;
    for (size_t written = 1; written < WRITTEN; written++) {
        uint8_t bytes[WRITTEN];
        session_rig_stop(&rig);
        session_rig_start(&rig, &options, NULL);
        session_rig_run(&rig);
        const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
        send_messages(id, 3, REQUEST_BYTES, false);
        session_rig_run_client(&rig);
        ck_assert_uint_eq(rig.messages, 1);
        const size_t count = session_drain(rig.session, bytes, written);
        ck_assert(h2_client_feed(rig.client, bytes, count));
        h2_client_send(rig.client, id, "", 0, true);
        session_rig_run(&rig);
        ck_assert_int_eq(status_of(id), GRPC_OK);
        ck_assert_uint_eq(rig.messages, 3);
    }
}
END_TEST

START_TEST(test_answers_outlive_their_call)
{
    session_rig_stop(&rig);
    session_rig_start(&rig, NULL, &(h2_client_options){.stream_window = 0, .reads = true});
    const int32_t id = h2_client_call(rig.client, "/test/Unary", NULL);
    h2_client_message(rig.client, id, "hello", 5, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.finished, 1);
    ck_assert_uint_eq(session_calls(rig.session), 0);
    ck_assert_int_eq(status_of(id), -1);
    h2_client_open_window(rig.client, id, 10);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_OK);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->body_bytes, 10);
}
END_TEST

/* What a client sends to a call that is over is dropped without stalling the client. */
START_TEST(test_input_of_a_finished_call_is_dropped)
{
    session_rig_stop(&rig);
    session_rig_start(&rig, NULL, &(h2_client_options){.stream_window = 0, .reads = true});
    const int32_t id = h2_client_call(rig.client, "/test/Stream", NULL);
    send_messages(id, 1, 10, false);
    session_rig_run(&rig);
    session_rig_finish(&rig);
    send_messages(id, MESSAGES, MESSAGE_BYTES, false);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(h2_client_unsent(rig.client, id), 0);
    h2_client_open_window(rig.client, id, 15);
    session_rig_run(&rig);
    ck_assert_int_eq(status_of(id), GRPC_OK);
    ck_assert_uint_eq(h2_client_answer(rig.client, id)->reset_code, NGHTTP2_NO_ERROR);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_flow");
    TCase *tests = tcase_create("flow");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_message_of_the_greatest_size);
    tcase_add_test(tests, test_message_above_the_greatest_size);
    tcase_add_test(tests, test_prefix_of_a_huge_message);
    tcase_add_test(tests, test_answer_larger_than_the_windows);
    tcase_add_test(tests, test_hold);
    tcase_add_test(tests, test_hold_inside_a_message);
    tcase_add_test(tests, test_a_half_close_waits_for_the_hold);
    tcase_add_test(tests, test_resume_never_refuses);
    tcase_add_test(tests, test_finish_between_resume_and_its_cancel);
    tcase_add_test(tests, test_a_held_call_that_the_client_cancels);
    tcase_add_test(tests, test_held_calls_do_not_stop_the_others);
    tcase_add_test(tests, test_a_client_that_does_not_read);
    tcase_add_test(tests, test_the_end_comes_before_waiting_requests_are_looked_at);
    tcase_add_test(tests, test_answers_outlive_their_call);
    tcase_add_test(tests, test_input_of_a_finished_call_is_dropped);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
