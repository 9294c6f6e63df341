/*
 * Compressed messages, both ways (https://github.com/grpc/grpc/blob/master/doc/compression.md).
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "gzip.h"
#include "session_rig.h"

enum { LIMIT = 10000, ABOVE = 100, CAPACITY = 2 * LIMIT };

static session_rig rig;
static uint8_t zeros[CAPACITY], packed[CAPACITY];

static void start(void)
{
    session_options options = rig_options;
    options.max_message_bytes = LIMIT;
    options.compress_above = ABOVE;
    session_rig_start(&rig, &options, NULL);
}

static void stop(void)
{
    session_rig_stop(&rig);
}

static int32_t call_stream(const char *name, const char *value)
{
    return h2_client_call_with(rig.client, "/test/Stream", name, value);
}

/* Sends a frame with its prefix. */
static void send_frame(int32_t id, uint8_t flag, const uint8_t *bytes, size_t count, bool end)
{
    const uint8_t prefix[5] = {flag, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                               (uint8_t)(count >> 8), (uint8_t)count};
    h2_client_send(rig.client, id, prefix, sizeof prefix, false);
    h2_client_send(rig.client, id, bytes, count, end);
}

static void send_packed(int32_t id, size_t count, bool end)
{
    const size_t bytes = gzip_deflate(zeros, count, packed, sizeof packed);
    ck_assert_uint_gt(bytes, 0);
    send_frame(id, 1, packed, bytes, end);
}

static void check_status(int32_t id, grpc_status status, const char *message)
{
    const h2_answer *answer = h2_client_answer(rig.client, id);
    char text[300] = "";
    (void)h2_field(answer->trailers, "grpc-message", text, sizeof text);
    ck_assert_int_eq(h2_answer_status(answer), (int)status);
    ck_assert_str_eq(text, message);
}

START_TEST(test_a_compressed_request)
{
    const int32_t id = call_stream("grpc-encoding", "gzip");
    send_packed(id, 50, false);
    send_frame(id, 0, zeros, 60, false);
    send_packed(id, LIMIT, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 3);
    ck_assert_uint_eq(rig.message_bytes, 50 + 60 + LIMIT);
    check_status(id, GRPC_OK, "");
}
END_TEST

/* The limit is that of what comes out; what goes in may be next to nothing. */
START_TEST(test_a_bomb)
{
    const int32_t id = call_stream("grpc-encoding", "gzip");
    send_packed(id, LIMIT + 1, false);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.refused, 1);
    const h2_answer *answer = h2_client_answer(rig.client, id);
    ck_assert_int_eq(h2_answer_status(answer), GRPC_RESOURCE_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(answer->trailers, "inflates to more than the limit of 10000"));
}
END_TEST

START_TEST(test_a_compressed_frame_that_is_too_long)
{
    const int32_t id = call_stream("grpc-encoding", "gzip");
    send_frame(id, 1, zeros, LIMIT + 1, false);
    session_rig_run(&rig);
    check_status(id, GRPC_RESOURCE_EXHAUSTED,
                 "message of 10001 bytes is longer than the limit of 10000 bytes");
}
END_TEST

START_TEST(test_not_gzip)
{
    const int32_t id = call_stream("grpc-encoding", "gzip");
    send_packed(id, 10, false);
    send_frame(id, 1, zeros, 20, false);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    check_status(id, GRPC_INTERNAL, "compressed message of 20 bytes is not gzip");
}
END_TEST

START_TEST(test_an_empty_compressed_message)
{
    const int32_t id = call_stream("grpc-encoding", "gzip");
    send_packed(id, 0, true);
    session_rig_run(&rig);
    ck_assert_uint_eq(rig.messages, 1);
    check_status(id, GRPC_OK, "");
}
END_TEST

/* Lists of encodings, and whether gzip is one of them. */
static const struct {
    const char *text;
    bool gzip;
} lists[] = {
    {"gzip", true},
    {"identity,deflate,gzip", true},
    {"identity, gzip ,x", true},
    {"identity", false},
    {"gzipp", false},
    {"xgzip,gzi", false},
    {"", false},
    {",,", false},
    {"gzip;q=1", false},
};

START_TEST(test_compressed_answers)
{
    const int32_t id = call_stream("grpc-accept-encoding", lists[_i].text);
    h2_client_message(rig.client, id, zeros, ABOVE - 1, false);
    h2_client_message(rig.client, id, zeros, LIMIT, true);
    session_rig_run(&rig);
    const h2_answer *answer = h2_client_answer(rig.client, id);
    check_status(id, GRPC_OK, "");
    char encoding[16] = "";
    (void)h2_field(answer->headers, "grpc-encoding", encoding, sizeof encoding);
    ck_assert_str_eq(encoding, lists[_i].gzip ? "gzip" : "");
    size_t bytes;
    const uint8_t *message = h2_answer_message(answer, 0, &bytes);
    ck_assert_uint_eq(message[-5], 0);
    ck_assert_uint_eq(bytes, ABOVE - 1);
    message = h2_answer_message(answer, 1, &bytes);
    ck_assert_uint_eq(message[-5], lists[_i].gzip);
    if (!lists[_i].gzip) {
        ck_assert_uint_eq(bytes, LIMIT);
        return;
    }
    uint8_t *plain;
    size_t count;
    ck_assert_uint_lt(bytes, 200);
    ck_assert_int_eq(gzip_inflate(message, bytes, LIMIT, &plain, &count), GZIP_OK);
    ck_assert_uint_eq(count, LIMIT);
    ck_assert_mem_eq(plain, zeros, LIMIT);
    free(plain);
}
END_TEST

START_TEST(test_what_does_not_shrink_is_sent_as_it_is)
{
    uint8_t noise[ABOVE];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 157 + i * i * 31);
    const int32_t id = call_stream("grpc-accept-encoding", "gzip");
    h2_client_message(rig.client, id, noise, sizeof noise, true);
    session_rig_run(&rig);
    size_t bytes;
    const uint8_t *message = h2_answer_message(h2_client_answer(rig.client, id), 0, &bytes);
    ck_assert_uint_eq(message[-5], 0);
    ck_assert_uint_eq(bytes, sizeof noise);
    ck_assert_mem_eq(message, noise, bytes);
}
END_TEST

START_TEST(test_no_answer_is_compressed_unless_asked_for)
{
    session_rig plain;
    session_rig_start(&plain, NULL, NULL);
    const int32_t id =
        h2_client_call_with(plain.client, "/test/Stream", "grpc-accept-encoding", "gzip");
    h2_client_message(plain.client, id, zeros, LIMIT, true);
    session_rig_run(&plain);
    const h2_answer *answer = h2_client_answer(plain.client, id);
    char text[32];
    size_t bytes;
    ck_assert(!h2_field(answer->headers, "grpc-encoding", text, sizeof text));
    ck_assert(h2_field(answer->headers, "grpc-accept-encoding", text, sizeof text));
    ck_assert_str_eq(text, "identity,gzip");
    ck_assert_ptr_nonnull(h2_answer_message(answer, 0, &bytes));
    ck_assert_uint_eq(bytes, LIMIT);
    session_rig_stop(&plain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_gzip");
    TCase *tests = tcase_create("gzip");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_test(tests, test_a_compressed_request);
    tcase_add_test(tests, test_a_bomb);
    tcase_add_test(tests, test_a_compressed_frame_that_is_too_long);
    tcase_add_test(tests, test_not_gzip);
    tcase_add_test(tests, test_an_empty_compressed_message);
    tcase_add_loop_test(tests, test_compressed_answers, 0, sizeof lists / sizeof *lists);
    tcase_add_test(tests, test_what_does_not_shrink_is_sent_as_it_is);
    tcase_add_test(tests, test_no_answer_is_compressed_unless_asked_for);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
