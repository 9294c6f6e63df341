/*
 * What PROTOCOL-HTTP2.md asks of requests beyond their messages, and what a session offers methods:
 * metadata both ways, details of a status, one request where a method takes one.
 */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "check_main.h"
#include "router_rig.h"
#include "session_rig.h"

static void answer_ok(call *c)
{
    (void)call_send(c, (const uint8_t *)"ok", 2);
    call_finish(c, GRPC_OK, NULL, -1);
}

/* Says the field "x-echo" again in the head, and "x-echo-bin" in the trailers. */
static void echo_on_call(void *context, call *c, const char *path)
{
    (void)context;
    (void)path;
    const char *text = call_metadata(c, "x-echo");
    const char *binary = call_metadata(c, "x-echo-bin");
    ck_assert_ptr_null(call_metadata(c, "x-unwanted"));
    if (text)
        ck_assert(call_add_header(c, "x-echo", text));
    if (binary)
        ck_assert(call_add_trailer(c, "x-echo-bin", binary));
}

static void many_on_call(void *context, call *c, const char *path)
{
    (void)context;
    (void)path;
    for (int i = 0; i < 8; i++)
        ck_assert(call_add_trailer(c, "x-many", "x"));
    ck_assert(!call_add_trailer(c, "x-many", "x"));
}

static unsigned messages, refused, cancelled;

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    (void)context;
    (void)c;
    (void)message;
    (void)bytes;
    messages++;
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    (void)context;
    refused++;
    call_fail(c, error);
}

static void on_half_close(void *context, call *c)
{
    ck_assert_str_eq(context, "context");
    answer_ok(c);
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    (void)c;
    cancelled++;
}

static void fail_on_call(void *context, call *c, const char *path)
{
    (void)context;
    (void)path;
    grpc_error error;
    grpc_fail(&error, GRPC_UNAVAILABLE, "not now");
    error.pushback_ms = 5;
    call_fail(c, &error);
}

#define HANDLER(begin)                                                                             \
    {                                                                                              \
        .on_call = (begin), .on_message = on_message, .on_refused = on_refused,                    \
        .on_half_close = on_half_close, .on_cancel = on_cancel,                                    \
    }

static const session_handler echo_handler = HANDLER(echo_on_call);
static const session_handler many_handler = HANDLER(many_on_call);
static const session_handler fail_handler = HANDLER(fail_on_call);

static const rpc rpcs[] = {
    {.path = "/test.Rpc/Unary", .handler = &echo_handler},
    {.path = "/test.Rpc/Stream", .handler = &echo_handler, .many_requests = true},
    {.path = "/test.Rpc/Many", .handler = &many_handler},
    {.path = "/test.Rpc/Fail", .handler = &fail_handler},
};

static router_rig rig;

static void start(void)
{
    static const char *const wanted[] = {"x-echo", "x-echo-bin", NULL};
    static char context[] = "context";
    session_options options = rig_options;
    options.metadata = wanted;
    rig = (router_rig){0};
    messages = refused = cancelled = 0;
    router_add(&rig.router, "test.Rpc", rpcs, sizeof rpcs / sizeof *rpcs, context);
    router_rig_start(&rig, &options);
}

static void stop(void)
{
    router_rig_stop(&rig);
}

static const h2_answer *answer_of(int32_t id)
{
    return h2_client_answer(rig.client, id);
}

static void check_field(const char *block, const char *name, const char *wanted)
{
    char value[2048] = "";
    (void)h2_field(block, name, value, sizeof value);
    ck_assert_str_eq(value, wanted);
}

START_TEST(test_metadata)
{
    const h2_header fields[] = {
        {":method", "POST"},
        {":scheme", "http"},
        {":authority", "localhost"},
        {":path", "/test.Rpc/Unary"},
        {"te", "trailers"},
        {"content-type", "application/grpc"},
        {"x-unwanted", "u"},
        {"x-echo", "some text"},
        {"x-echo", "a second one"},
        {"x-echo-bin", "q80"},
        {"x-other-bin", "not Base64!"},
        {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    h2_client_message(rig.client, id, "", 0, true);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, id), GRPC_OK);
    check_field(answer_of(id)->headers, "x-echo", "some text");
    check_field(answer_of(id)->headers, "x-echo-bin", "");
    check_field(answer_of(id)->trailers, "x-echo-bin", "q80");
    const int32_t next = router_rig_ask(&rig, "/test.Rpc/Unary", "", 0);
    check_field(answer_of(next)->headers, "x-echo", "");
}
END_TEST

START_TEST(test_many_fields)
{
    const int32_t id = router_rig_ask(&rig, "/test.Rpc/Many", "", 0);
    ck_assert_int_eq(router_rig_status(&rig, id), GRPC_OK);
    unsigned count = 0;
    for (const char *at = answer_of(id)->trailers; (at = strstr(at, "x-many: x\n")); at++)
        count++;
    ck_assert_uint_eq(count, 8);
}
END_TEST

START_TEST(test_one_request)
{
    const int32_t none = h2_client_call(rig.client, "/test.Rpc/Unary", NULL);
    h2_client_send(rig.client, none, "", 0, true);
    const int32_t two = h2_client_call(rig.client, "/test.Rpc/Unary", NULL);
    h2_client_message(rig.client, two, "1", 1, false);
    h2_client_message(rig.client, two, "2", 1, true);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, none), GRPC_UNIMPLEMENTED);
    check_field(answer_of(none)->trailers, "grpc-message",
                "/test.Rpc/Unary takes one request; none came");
    ck_assert_int_eq(router_rig_status(&rig, two), GRPC_UNIMPLEMENTED);
    check_field(answer_of(two)->trailers, "grpc-message",
                "/test.Rpc/Unary takes one request; a second one came");
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(refused, 2);
}
END_TEST

START_TEST(test_many_requests)
{
    const int32_t none = h2_client_call(rig.client, "/test.Rpc/Stream", NULL);
    h2_client_send(rig.client, none, "", 0, true);
    const int32_t three = h2_client_call(rig.client, "/test.Rpc/Stream", NULL);
    for (int i = 0; i < 3; i++)
        h2_client_message(rig.client, three, "1", 1, i == 2);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, none), GRPC_OK);
    ck_assert_int_eq(router_rig_status(&rig, three), GRPC_OK);
    ck_assert_uint_eq(messages, 3);
}
END_TEST

static const struct {
    const char *path, *message;
} unknown[] = {
    {"/test.Rpc/None", "no method /test.Rpc/None"},
    {"/test.Rpc/", "no method /test.Rpc/"},
    {"/test.Rpc/Unary/", "no method /test.Rpc/Unary/"},
    {"/test.Rpc", "no service for method /test.Rpc"},
    {"/test.Rp/Unary", "no service for method /test.Rp/Unary"},
    {"/", "no service for method /"},
};

START_TEST(test_unknown_methods)
{
    const int32_t id = router_rig_ask(&rig, unknown[_i].path, "", 0);
    ck_assert_int_eq(router_rig_status(&rig, id), GRPC_UNIMPLEMENTED);
    check_field(answer_of(id)->trailers, "grpc-message", unknown[_i].message);
}
END_TEST

/* The details are in tests of their own: here it counts that they are sent, and not with OK. */
START_TEST(test_details)
{
    char text[2048];
    const int32_t failed = h2_client_call(rig.client, "/test.Rpc/Fail", NULL);
    const int32_t fine = router_rig_ask(&rig, "/test.Rpc/Unary", "", 0);
    const int32_t bad = h2_client_call(rig.client, "/test.Rpc/Unary", "bad");
    router_rig_run(&rig);
    check_field(answer_of(failed)->trailers, "grpc-retry-pushback-ms", "5");
    ck_assert(h2_field(answer_of(failed)->trailers, "grpc-status-details-bin", text, sizeof text));
    ck_assert(h2_field(answer_of(bad)->trailers, "grpc-status-details-bin", text, sizeof text));
    ck_assert(!h2_field(answer_of(fine)->trailers, "grpc-status-details-bin", text, sizeof text));
}
END_TEST

/* RFC 9113 §8.2.2: te says "trailers" or is not there. nghttp2 sees to it. */
static const struct {
    const char *te;
    bool fine;
} tes[] = {{"trailers", true}, {NULL, true}, {"gzip", false}, {"trailers, gzip", false}};

START_TEST(test_te)
{
    const h2_header fields[] = {
        {":method", "POST"},
        {":scheme", "http"},
        {":authority", "localhost"},
        {":path", "/test.Rpc/Unary"},
        {"content-type", "application/grpc"},
        {tes[_i].te ? "te" : NULL, tes[_i].te},
        {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    h2_client_message(rig.client, id, "", 0, true);
    router_rig_run(&rig);
    if (tes[_i].fine) {
        ck_assert_int_eq(router_rig_status(&rig, id), GRPC_OK);
        return;
    }
    ck_assert(answer_of(id)->reset);
    ck_assert_uint_eq(answer_of(id)->reset_code, NGHTTP2_PROTOCOL_ERROR);
}
END_TEST

static const char *const formats[] = {"application/grpc+json", "application/grpc+",
                                      "application/grpc+protobuf", "application/grpc+proto3;x=y"};

START_TEST(test_other_formats)
{
    const h2_header fields[] = {
        {":method", "POST"},          {":scheme", "http"},           {":authority", "localhost"},
        {":path", "/test.Rpc/Unary"}, {"content-type", formats[_i]}, {NULL, NULL},
    };
    const int32_t id = h2_client_open(rig.client, fields);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, id), GRPC_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(strstr(answer_of(id)->trailers, "only application/grpc and"));
    ck_assert_ptr_nonnull(strstr(answer_of(id)->trailers, formats[_i]));
}
END_TEST

/* Messages cut over DATA frames anywhere, with empty frames between. */
START_TEST(test_split_data)
{
    static const uint8_t frames[] = {0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0};
    const int32_t id = h2_client_call(rig.client, "/test.Rpc/Stream", NULL);
    for (size_t i = 0; i < sizeof frames; i++) {
        h2_client_send(rig.client, id, frames + i, 1, false);
        router_rig_run(&rig);
        h2_client_send(rig.client, id, "", 0, false);
        router_rig_run(&rig);
    }
    ck_assert_uint_eq(messages, 2);
    h2_client_send(rig.client, id, "", 0, true);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, id), GRPC_OK);
}
END_TEST

START_TEST(test_cancel)
{
    const int32_t id = h2_client_call(rig.client, "/test.Rpc/Stream", "1H");
    router_rig_run(&rig);
    h2_client_cancel(rig.client, id);
    router_rig_run(&rig);
    ck_assert_uint_eq(cancelled, 1);
    const int32_t late = h2_client_call(rig.client, "/test.Rpc/Stream", "1m");
    router_rig_run(&rig);
    session_tick(rig.session, 1000000);
    router_rig_run(&rig);
    ck_assert_uint_eq(cancelled, 2);
    ck_assert_int_eq(router_rig_status(&rig, late), GRPC_DEADLINE_EXCEEDED);
    const int32_t none = h2_client_call(rig.client, "/test.Rpc/Stream", "0n");
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, none), GRPC_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(session_calls(rig.session), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_rpc");
    TCase *tests = tcase_create("rpc");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_test(tests, test_metadata);
    tcase_add_test(tests, test_many_fields);
    tcase_add_test(tests, test_one_request);
    tcase_add_test(tests, test_many_requests);
    tcase_add_loop_test(tests, test_unknown_methods, 0, sizeof unknown / sizeof *unknown);
    tcase_add_test(tests, test_details);
    tcase_add_loop_test(tests, test_te, 0, sizeof tes / sizeof *tes);
    tcase_add_loop_test(tests, test_other_formats, 0, sizeof formats / sizeof *formats);
    tcase_add_test(tests, test_split_data);
    tcase_add_test(tests, test_cancel);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
