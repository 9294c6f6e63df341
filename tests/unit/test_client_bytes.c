/*
 * The client's engine and the bytes that come: in any pieces, and wrong.
 */
#include <string.h>

#include "check_main.h"
#include "client_rig.h"

/* The bytes that a server sends for SETTINGS and one answer, in full. */
static size_t canned_answer(uint8_t *out, size_t capacity)
{
    world w;
    record r;
    world_open(&w);
    start(&w, &r, NO_DEADLINE, false);
    rpc_half_close(r.rpc);
    uint8_t bytes[4096];
    toy_server_feed(w.server, bytes, engine_drain(w.engine, bytes, sizeof bytes));
    toy_call *c = toy_server_call(w.server, 0);
    toy_server_headers(w.server, c, "200", "application/grpc");
    toy_server_message(w.server, c, "one");
    toy_server_message(w.server, c, "two");
    toy_server_trailers(w.server, c, "9", "sequence%3A 4", "7");
    size_t count = 0;
    size_t more;
    while ((more = toy_server_drain(w.server, out + count, capacity - count)) > 0)
        count += more;
    world_free(&w);
    return count;
}

/* An engine that has sent one call and got nothing yet. */
static void open_and_ask(world *w, record *r)
{
    world_open(w);
    start(w, r, NO_DEADLINE, false);
    rpc_half_close(r->rpc);
    uint8_t bytes[4096];
    ck_assert_uint_gt(engine_drain(w->engine, bytes, sizeof bytes), 0);
}

START_TEST(an_answer_may_be_split_anywhere)
{
    uint8_t canned[4096];
    const size_t count = canned_answer(canned, sizeof canned);
    ck_assert_uint_gt(count, 60);
    for (size_t cut = 0; cut <= count; cut++) {
        world w;
        record r;
        open_and_ask(&w, &r);
        engine_feed(w.engine, w.now_ns, canned, cut);
        ck_assert_uint_eq(r.done_count, cut == count);
        engine_feed(w.engine, w.now_ns, canned + cut, count - cut);
        ck_assert_str_eq(r.messages, "one;two;");
        assert_ended(&r, VQLC_FAILED_PRECONDITION, "sequence: 4", true);
        ck_assert_int_eq(r.pushback_ms, 7);
        world_free(&w);
    }
}
END_TEST

START_TEST(both_ways_byte_by_byte)
{
    world w;
    record r;
    world_open(&w);
    start(&w, &r, NO_DEADLINE, false);
    ck_assert(rpc_send(r.rpc, (const uint8_t *)"ask", 3));
    rpc_half_close(r.rpc);
    exchange_by(&w, 1);
    toy_call *c = toy_server_call(w.server, 0);
    ck_assert_mem_eq(c->body, "\0\0\0\0\3ask", 8);
    toy_server_answer(w.server, c, "answer");
    exchange_by(&w, 1);
    ck_assert_str_eq(r.messages, "answer;");
    assert_ended(&r, VQLC_OK, "", true);
    world_free(&w);
}
END_TEST

START_TEST(a_wrong_byte_anywhere_ends_the_call_once)
{
    uint8_t canned[4096];
    const size_t count = canned_answer(canned, sizeof canned);
    for (size_t place = 0; place < count; place++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            world w;
            record r;
            open_and_ask(&w, &r);
            canned[place] ^= (uint8_t)(1u << bit);
            engine_feed(w.engine, w.now_ns, canned, count);
            canned[place] ^= (uint8_t)(1u << bit);
            uint8_t out[4096];
            (void)engine_drain(w.engine, out, sizeof out);
            engine_lost(w.engine, "end of test");
            ck_assert_uint_eq(r.done_count, 1);
            world_free(&w);
            ck_assert_uint_eq(r.done_count, 1);
        }
    }
}
END_TEST

START_TEST(a_peer_that_does_not_speak_http2_is_named)
{
    world w;
    record r;
    open_and_ask(&w, &r);
    const char *bytes = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    engine_feed(w.engine, w.now_ns, (const uint8_t *)bytes, strlen(bytes));
    uint8_t out[4096];
    while (engine_drain(w.engine, out, sizeof out) > 0) {
    }
    ck_assert(engine_done(w.engine));
    ck_assert(!engine_ready(w.engine));
    ck_assert_ptr_nonnull(engine_error(w.engine));
    engine_lost(w.engine, "the server closed it");
    ck_assert_int_eq(r.status, VQLC_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(r.text, "SETTINGS"));
    world_free(&w);
}
END_TEST

START_TEST(garbage_is_survived)
{
    uint64_t state = (uint64_t)_i + 1;
    world w;
    record r;
    open_and_ask(&w, &r);
    for (unsigned round = 0; round < 64; round++) {
        uint8_t bytes[256];
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] = (uint8_t)(state >> 56);
        }
        engine_feed(w.engine, w.now_ns, bytes, sizeof bytes);
        (void)engine_drain(w.engine, bytes, sizeof bytes);
    }
    ck_assert(engine_done(w.engine));
    engine_lost(w.engine, "end of test");
    ck_assert_uint_eq(r.done_count, 1);
    ck_assert_int_ne(r.status, VQLC_OK);
    world_free(&w);
}
END_TEST

static Suite *client_bytes_suite(void)
{
    Suite *suite = suite_create("client_bytes");
    TCase *bytes = tcase_create("bytes");
    tcase_set_timeout(bytes, 60);
    tcase_add_test(bytes, an_answer_may_be_split_anywhere);
    tcase_add_test(bytes, both_ways_byte_by_byte);
    tcase_add_test(bytes, a_wrong_byte_anywhere_ends_the_call_once);
    tcase_add_test(bytes, a_peer_that_does_not_speak_http2_is_named);
    tcase_add_loop_test(bytes, garbage_is_survived, 0, 16);
    suite_add_tcase(suite, bytes);
    return suite;
}

int main(void)
{
    return check_main(client_bytes_suite());
}
