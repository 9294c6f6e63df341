/*
 * The client's engine: what a request is made of, and what comes of the answers to it.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "client_rig.h"

START_TEST(a_request_is_what_grpc_asks_for)
{
    world w;
    record r;
    world_open(&w);
    start(&w, &r, w.now_ns + 2 * SECOND, false);
    ck_assert(rpc_send(r.rpc, (const uint8_t *)"ask", 3));
    rpc_half_close(r.rpc);
    ck_assert_uint_gt(w.wakes, 0);
    exchange(&w);
    ck_assert_uint_eq(toy_server_calls(w.server), 1);
    const toy_call *c = toy_server_call(w.server, 0);
    ck_assert_str_eq(c->method, "POST");
    ck_assert_str_eq(c->path, "/vql.v1.Scoring/Score");
    ck_assert_str_eq(c->content_type, "application/grpc");
    ck_assert_str_eq(c->te, "trailers");
    ck_assert_str_eq(c->timeout, "2000000u");
    ck_assert_str_eq(c->user, "70");
    ck_assert_uint_eq(c->body_bytes, 8);
    ck_assert_mem_eq(c->body, "\0\0\0\0\3ask", 8);
    ck_assert(c->half_closed);
    ck_assert_uint_eq(r.done_count, 0);
    world_free(&w);
    assert_ended(&r, VQLC_CANCELLED, "the channel was closed", false);
}
END_TEST

START_TEST(an_answer_brings_its_messages_and_then_its_status)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "200", "application/grpc+proto");
    toy_server_message(w.server, c, "one");
    toy_server_message(w.server, c, "");
    toy_server_message(w.server, c, "three");
    exchange(&w);
    ck_assert_str_eq(r.messages, "one;;three;");
    ck_assert_uint_eq(r.done_count, 0);
    toy_server_trailers(w.server, c, "0", NULL, NULL);
    exchange(&w);
    assert_ended(&r, VQLC_OK, "", true);
    ck_assert_int_eq(r.pushback_ms, -1);
    world_free(&w);
    ck_assert_uint_eq(r.done_count, 1);
}
END_TEST

START_TEST(a_status_may_come_without_messages)
{
    world w;
    record r;
    world_open(&w);
    toy_server_trailers_only(w.server, ask(&w, &r), "14", "busy: 100%25 of 8%20shards", "250");
    exchange(&w);
    assert_ended(&r, VQLC_UNAVAILABLE, "busy: 100% of 8 shards", true);
    ck_assert_int_eq(r.pushback_ms, 250);
    ck_assert_uint_eq(r.message_count, 0);
    world_free(&w);
}
END_TEST

START_TEST(a_status_after_messages_keeps_them)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "200", "application/grpc");
    toy_server_message(w.server, c, "one");
    toy_server_trailers(w.server, c, "3", "item_ids: none", "-5");
    exchange(&w);
    ck_assert_str_eq(r.messages, "one;");
    assert_ended(&r, VQLC_INVALID_ARGUMENT, "item_ids: none", true);
    ck_assert_int_eq(r.pushback_ms, -1);
    world_free(&w);
}
END_TEST

/* Answers that are not gRPC's: an HTTP status, a content type, and what comes of them. */
static const struct {
    const char *http_status;
    const char *content_type;
    vqlc_status status;
    const char *text;
} foreign[] = {
    {"400", "text/html", VQLC_INTERNAL, "HTTP status 400, no grpc-status"},
    {"401", NULL, VQLC_UNAUTHENTICATED, "HTTP status 401, no grpc-status"},
    {"403", NULL, VQLC_PERMISSION_DENIED, "HTTP status 403, no grpc-status"},
    {"404", "text/html", VQLC_UNIMPLEMENTED, "HTTP status 404, no grpc-status"},
    {"429", NULL, VQLC_UNAVAILABLE, "HTTP status 429, no grpc-status"},
    {"502", NULL, VQLC_UNAVAILABLE, "HTTP status 502, no grpc-status"},
    {"503", "text/plain", VQLC_UNAVAILABLE, "HTTP status 503, no grpc-status"},
    {"504", NULL, VQLC_UNAVAILABLE, "HTTP status 504, no grpc-status"},
    {"500", NULL, VQLC_UNKNOWN, "HTTP status 500, no grpc-status"},
    {"200", "text/html", VQLC_UNKNOWN, "content-type 'text/html' is not application/grpc"},
    {"200", NULL, VQLC_UNKNOWN, "content-type '' is not application/grpc"},
    {"200", "application/grpc", VQLC_UNKNOWN, "the answer ended without a grpc-status"},
};

START_TEST(an_answer_that_is_not_grpc_gets_a_status)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, foreign[_i].http_status, foreign[_i].content_type);
    if (foreign[_i].content_type == NULL || strstr(foreign[_i].content_type, "grpc") == NULL)
        toy_server_data(w.server, c, (const uint8_t *)"<html>", 6);
    toy_server_end(w.server, c);
    exchange(&w);
    assert_ended(&r, foreign[_i].status, foreign[_i].text, false);
    ck_assert_uint_eq(r.message_count, 0);
    world_free(&w);
}
END_TEST

START_TEST(a_proxys_http_error_with_a_grpc_status_is_that_status)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "503", "application/grpc");
    toy_server_trailers(w.server, c, "8", "full", NULL);
    exchange(&w);
    assert_ended(&r, VQLC_RESOURCE_EXHAUSTED, "full", true);
    world_free(&w);
}
END_TEST

/* HTTP/2 error codes of RST_STREAM. */
static const struct {
    uint32_t code;
    vqlc_status status;
    const char *name;
} resets[] = {
    {NGHTTP2_NO_ERROR, VQLC_UNKNOWN, NULL},
    {NGHTTP2_PROTOCOL_ERROR, VQLC_INTERNAL, "PROTOCOL_ERROR"},
    {NGHTTP2_INTERNAL_ERROR, VQLC_INTERNAL, "INTERNAL_ERROR"},
    {NGHTTP2_STREAM_CLOSED, VQLC_UNKNOWN, "STREAM_CLOSED"},
    {NGHTTP2_REFUSED_STREAM, VQLC_UNAVAILABLE, "REFUSED_STREAM"},
    {NGHTTP2_CANCEL, VQLC_CANCELLED, "CANCEL"},
    {NGHTTP2_ENHANCE_YOUR_CALM, VQLC_RESOURCE_EXHAUSTED, "ENHANCE_YOUR_CALM"},
    {NGHTTP2_INADEQUATE_SECURITY, VQLC_PERMISSION_DENIED, "INADEQUATE_SECURITY"},
};

START_TEST(a_reset_gets_a_status)
{
    world w;
    record r;
    world_open(&w);
    toy_server_reset(w.server, ask(&w, &r), resets[_i].code);
    exchange(&w);
    char text[128] = "the answer ended without a grpc-status";
    if (resets[_i].name != NULL)
        (void)snprintf(text, sizeof text, "stream reset by HTTP/2 error %s", resets[_i].name);
    assert_ended(&r, resets[_i].status, text, false);
    world_free(&w);
}
END_TEST

START_TEST(an_answer_before_the_request_is_whole_resets_the_stream)
{
    world w;
    record r;
    world_open(&w);
    start(&w, &r, NO_DEADLINE, false);
    ck_assert(rpc_send(r.rpc, (const uint8_t *)"ask", 3));
    exchange(&w);
    toy_call *c = toy_server_call(w.server, 0);
    ck_assert(!c->half_closed);
    toy_server_trailers_only(w.server, c, "3", "no", NULL);
    exchange(&w);
    assert_ended(&r, VQLC_INVALID_ARGUMENT, "no", true);
    ck_assert(c->closed);
    ck_assert_uint_eq(c->close_code, NGHTTP2_CANCEL);
    world_free(&w);
}
END_TEST

START_TEST(a_message_that_is_cut_short_is_no_success)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "200", "application/grpc");
    toy_server_data(w.server, c, (const uint8_t *)"\0\0\0\0\5one", 8);
    toy_server_trailers(w.server, c, "0", NULL, NULL);
    exchange(&w);
    assert_ended(&r, VQLC_INTERNAL, "the last message of the answer is cut short", false);
    world_free(&w);
}
END_TEST

START_TEST(a_message_above_the_limit_ends_the_call)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "200", "application/grpc");
    uint8_t data[5 + 1000 + 5] = {0, 0, 0, 1000 >> 8, 1000 & 255};
    memcpy(data + 1005, "\0\0\0\3\351", 5); /* 1001 bytes */
    toy_server_data(w.server, c, data, sizeof data);
    exchange(&w);
    ck_assert_uint_eq(r.message_count, 1);
    ck_assert_uint_eq(r.last_bytes, 1000);
    assert_ended(&r, VQLC_RESOURCE_EXHAUSTED,
                 "the answer has a message of 1001 bytes: max_message_bytes is 1000", false);
    ck_assert_uint_eq(c->close_code, NGHTTP2_CANCEL);
    world_free(&w);
}
END_TEST

START_TEST(a_compressed_message_ends_the_call)
{
    world w;
    record r;
    world_open(&w);
    toy_call *c = ask(&w, &r);
    toy_server_headers(w.server, c, "200", "application/grpc");
    toy_server_data(w.server, c, (const uint8_t *)"\1\0\0\0\1x", 6);
    exchange(&w);
    assert_ended(&r, VQLC_INTERNAL,
                 "the answer has a message with flag 1: compression was not asked for", false);
    world_free(&w);
}
END_TEST

static Suite *client_suite(void)
{
    Suite *suite = suite_create("client");
    TCase *answers = tcase_create("answers");
    tcase_add_test(answers, a_request_is_what_grpc_asks_for);
    tcase_add_test(answers, an_answer_brings_its_messages_and_then_its_status);
    tcase_add_test(answers, a_status_may_come_without_messages);
    tcase_add_test(answers, a_status_after_messages_keeps_them);
    tcase_add_loop_test(answers, an_answer_that_is_not_grpc_gets_a_status, 0,
                        sizeof foreign / sizeof foreign[0]);
    tcase_add_test(answers, a_proxys_http_error_with_a_grpc_status_is_that_status);
    tcase_add_loop_test(answers, a_reset_gets_a_status, 0, sizeof resets / sizeof resets[0]);
    tcase_add_test(answers, an_answer_before_the_request_is_whole_resets_the_stream);
    tcase_add_test(answers, a_message_that_is_cut_short_is_no_success);
    tcase_add_test(answers, a_message_above_the_limit_ends_the_call);
    tcase_add_test(answers, a_compressed_message_ends_the_call);
    suite_add_tcase(suite, answers);
    return suite;
}

int main(void)
{
    return check_main(client_suite());
}
