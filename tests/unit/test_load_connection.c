/*
 * vqlbench's HTTP/2, against nghttp2's at the other end: calls, long streams, windows, limits, and
 * bytes that are not what they should be.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "load_connection.h"
#include "load_fields.h"
#include "load_random.h"
#include "load_table.h"
#include "toy_server.h"

#include <nghttp2/nghttp2.h>

enum { MOST_ENDS = 4096, MOST_CALLS = 8 };

/* A connection, its server, and the calls that have ended. */
typedef struct rig {
    load_connection *connection;
    toy_server *server;
    size_t ends;
    uint32_t tags[MOST_ENDS];
    vqlc_status statuses[MOST_ENDS];
    char text[128]; /* of the last */
    char message[64];
} rig;

static void on_answer(void *context, const load_call *call, const load_answer *answer)
{
    rig *r = context;
    ck_assert_uint_lt(r->ends, MOST_ENDS);
    r->tags[r->ends] = call->tag;
    r->statuses[r->ends++] = answer->status;
    (void)snprintf(r->text, sizeof r->text, "%s", answer->text);
    (void)snprintf(r->message, sizeof r->message, "%.*s", (int)answer->bytes,
                   answer->bytes > 0 ? (const char *)answer->message : "");
}

static void init(rig *r, uint32_t max_streams, uint32_t window)
{
    *r = (rig){.server = toy_server_new(max_streams, window)};
    const load_connection_options options = {
        .headers = {.authority = "server:1",
                    .scheme = "http",
                    .authorization = "Bearer secret",
                    .timeout = "250m"},
        .max_calls = MOST_CALLS,
        .max_message_bytes = 1000,
        .on_answer = on_answer,
        .context = r,
    };
    r->connection = load_connection_new(&options);
    ck_assert_ptr_nonnull(r->connection);
}

static void clear(rig *r)
{
    load_connection_free(r->connection);
    toy_server_free(r->server);
}

/* Moves bytes both ways, `step` at a time, until there are none. */
static void exchange(rig *r, size_t step)
{
    uint8_t down[4096];
    for (;;) {
        const uint8_t *up;
        size_t count = load_connection_output(r->connection, &up);
        count = count < step ? count : step;
        toy_server_feed(r->server, up, count);
        load_connection_sent(r->connection, count);
        const size_t got =
            toy_server_drain(r->server, down, step < sizeof down ? step : sizeof down);
        if (!load_connection_feed(r->connection, down, got) || (count == 0 && got == 0))
            return;
    }
}

/* The user of a call: of 1, 2, … and at last 20 digits. */
static uint64_t user_of(uint32_t tag)
{
    return UINT64_MAX >> (63 - tag % 64);
}

static void start(rig *r, load_kind kind, uint32_t tag, const char *message, size_t bytes)
{
    ck_assert(load_connection_ready(r->connection, kind));
    memcpy(load_connection_begin(r->connection, bytes), message, bytes);
    const load_call call = {.user = user_of(tag), .tag = tag, .kind = kind};
    load_connection_commit(r->connection, &call);
}

static toy_call *call_at(rig *r, size_t i)
{
    ck_assert_uint_lt(i, toy_server_calls(r->server));
    return toy_server_call(r->server, i);
}

START_TEST(calls_are_answered_in_any_pieces)
{
    const size_t step = (size_t)_i;
    rig r;
    init(&r, 100, 65535);
    ck_assert(!load_connection_ready(r.connection, LOAD_SCORE));
    exchange(&r, step);
    for (uint32_t i = 0; i < 70; i++) {
        start(&r, i % 3 == 0 ? LOAD_APPEND : LOAD_SCORE, i, "hello", 5);
        exchange(&r, step);
        toy_call *c = call_at(&r, i);
        ck_assert_str_eq(c->path, i % 3 == 0 ? "/vql.v1.History/Append" : "/vql.v1.Scoring/Score");
        ck_assert_str_eq(c->method, "POST");
        ck_assert_str_eq(c->te, "trailers");
        ck_assert_str_eq(c->content_type, "application/grpc");
        ck_assert_str_eq(c->authorization, "Bearer secret");
        ck_assert_str_eq(c->timeout, "250m");
        char user[24];
        (void)snprintf(user, sizeof user, "%" PRIu64, user_of(i));
        ck_assert_str_eq(c->user, user);
        ck_assert(c->half_closed && c->body_bytes == 10);
        ck_assert_mem_eq(c->body, "\0\0\0\0\5hello", 10);
        toy_server_answer(r.server, c, "world");
        exchange(&r, step);
        ck_assert_uint_eq(r.ends, i + 1);
        ck_assert_uint_eq(r.tags[i], i);
        ck_assert_int_eq(r.statuses[i], VQLC_OK);
        ck_assert_str_eq(r.message, "world");
    }
    ck_assert_uint_eq(load_connection_calls(r.connection), 0);
    clear(&r);
}
END_TEST

START_TEST(answers_come_in_any_order)
{
    rig r;
    load_random random = {4};
    init(&r, 100, 65535);
    exchange(&r, SIZE_MAX);
    bool open[256] = {false};
    for (uint32_t i = 0; i < 250;) {
        if (load_connection_ready(r.connection, LOAD_SCORE) && load_random_below(&random, 2)) {
            open[i] = true;
            start(&r, LOAD_SCORE, i++, "x", 1);
            exchange(&r, SIZE_MAX);
        }
        const size_t pick = load_random_below(&random, 250);
        if (!open[pick])
            continue;
        const size_t before = r.ends;
        toy_server_answer(r.server, call_at(&r, pick), "y");
        exchange(&r, SIZE_MAX);
        open[pick] = false;
        ck_assert_uint_eq(r.ends, before + 1);
        ck_assert_uint_eq(r.tags[before], pick);
    }
    clear(&r);
}
END_TEST

START_TEST(every_end_is_a_status)
{
    rig r;
    init(&r, 100, 65535);
    exchange(&r, SIZE_MAX);
    for (uint32_t i = 0; i < 8; i++)
        start(&r, LOAD_SCORE, i, "x", 1);
    exchange(&r, SIZE_MAX);
    toy_server_trailers_only(r.server, call_at(&r, 0), "14", "too%20much", "5");
    exchange(&r, SIZE_MAX);
    ck_assert_str_eq(r.text, "too much");
    toy_server_reset(r.server, call_at(&r, 1), NGHTTP2_REFUSED_STREAM);
    exchange(&r, SIZE_MAX);
    toy_server_headers(r.server, call_at(&r, 2), "503", NULL);
    toy_server_end(r.server, call_at(&r, 2));
    exchange(&r, SIZE_MAX);
    toy_server_headers(r.server, call_at(&r, 3), "200", "application/grpc");
    toy_server_trailers(r.server, call_at(&r, 3), "0", NULL, NULL);
    exchange(&r, SIZE_MAX);
    ck_assert_ptr_nonnull(strstr(r.text, "no answer"));
    toy_server_headers(r.server, call_at(&r, 4), "200", "text/html");
    exchange(&r, SIZE_MAX);
    toy_server_headers(r.server, call_at(&r, 5), "200", "application/grpc");
    toy_server_message(r.server, call_at(&r, 5), "a");
    toy_server_message(r.server, call_at(&r, 5), "b");
    exchange(&r, SIZE_MAX);
    toy_server_headers(r.server, call_at(&r, 6), "200", "application/grpc");
    toy_server_data(r.server, call_at(&r, 6), (const uint8_t *)"\0\0\1\0\0", 5);
    exchange(&r, SIZE_MAX);
    toy_server_headers(r.server, call_at(&r, 7), "200", "application/grpc");
    toy_server_data(r.server, call_at(&r, 7), (const uint8_t *)"\0\0\0\0\5a", 6);
    toy_server_trailers(r.server, call_at(&r, 7), "0", NULL, NULL);
    exchange(&r, SIZE_MAX);
    static const vqlc_status expected[] = {
        VQLC_UNAVAILABLE, VQLC_UNAVAILABLE, VQLC_UNAVAILABLE,        VQLC_INTERNAL,
        VQLC_UNKNOWN,     VQLC_INTERNAL,    VQLC_RESOURCE_EXHAUSTED, VQLC_INTERNAL};
    ck_assert_uint_eq(r.ends, 8);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(r.statuses[i], expected[i]);
    ck_assert(load_connection_ready(r.connection, LOAD_SCORE));
    clear(&r);
}
END_TEST

START_TEST(no_more_streams_than_the_server_allows)
{
    rig r;
    init(&r, 3, 65535);
    exchange(&r, SIZE_MAX);
    for (uint32_t i = 0; i < 3; i++)
        start(&r, LOAD_SCORE, i, "x", 1);
    ck_assert(!load_connection_ready(r.connection, LOAD_SCORE));
    exchange(&r, SIZE_MAX);
    toy_server_answer(r.server, call_at(&r, 1), "y");
    exchange(&r, SIZE_MAX);
    ck_assert(load_connection_ready(r.connection, LOAD_SCORE));
    clear(&r);
}
END_TEST

START_TEST(a_large_message_waits_for_windows)
{
    static char message[200000];
    rig r;
    init(&r, 100, (uint32_t)_i);
    exchange(&r, SIZE_MAX);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)(i % 251);
    for (uint32_t i = 0; i < 2; i++) {
        start(&r, LOAD_SCORE, i, message, sizeof message);
        exchange(&r, 10000);
        ck_assert(call_at(&r, i)->half_closed);
        ck_assert_uint_eq(call_at(&r, i)->body_bytes, 5 + sizeof message);
        ck_assert_mem_eq(call_at(&r, i)->body + 5, message, sizeof message);
    }
    clear(&r);
}
END_TEST

START_TEST(a_long_stream_has_its_answers_in_order)
{
    rig r;
    init(&r, 100, 65535);
    exchange(&r, SIZE_MAX);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < MOST_CALLS; i++)
            start(&r, LOAD_SCORE_STREAM, round * MOST_CALLS + i, "x", 1);
        ck_assert(!load_connection_ready(r.connection, LOAD_SCORE_STREAM));
        exchange(&r, SIZE_MAX);
        ck_assert_uint_eq(toy_server_calls(r.server), 1);
        toy_call *c = call_at(&r, 0);
        ck_assert(!c->half_closed);
        ck_assert_str_eq(c->timeout, "");
        ck_assert_str_eq(c->user, "");
        if (round == 0)
            toy_server_headers(r.server, c, "200", "application/grpc");
        for (uint32_t i = 0; i < MOST_CALLS; i++)
            toy_server_message(r.server, c, "y");
        exchange(&r, SIZE_MAX);
    }
    ck_assert_uint_eq(r.ends, 5 * MOST_CALLS);
    for (uint32_t i = 0; i < r.ends; i++)
        ck_assert(r.tags[i] == i && r.statuses[i] == VQLC_OK);
    /* It ends with a status, which is that of all that wait; the next call opens another. */
    start(&r, LOAD_SCORE_STREAM, 100, "x", 1);
    start(&r, LOAD_SCORE_STREAM, 101, "x", 1);
    exchange(&r, SIZE_MAX);
    toy_server_trailers(r.server, call_at(&r, 0), "8", NULL, NULL);
    exchange(&r, SIZE_MAX);
    ck_assert_uint_eq(r.ends, 5 * MOST_CALLS + 2);
    ck_assert_int_eq(r.statuses[r.ends - 1], VQLC_RESOURCE_EXHAUSTED);
    start(&r, LOAD_SCORE_STREAM, 102, "x", 1);
    exchange(&r, SIZE_MAX);
    ck_assert_uint_eq(toy_server_calls(r.server), 2);
    clear(&r);
}
END_TEST

START_TEST(a_goaway_ends_what_was_not_seen)
{
    rig r;
    init(&r, 100, 65535);
    exchange(&r, SIZE_MAX);
    start(&r, LOAD_SCORE, 0, "x", 1);
    start(&r, LOAD_SCORE, 1, "x", 1);
    exchange(&r, SIZE_MAX);
    toy_server_goaway(r.server, 1, NGHTTP2_NO_ERROR, "");
    exchange(&r, SIZE_MAX);
    ck_assert_uint_eq(r.ends, 1);
    ck_assert(r.tags[0] == 1 && r.statuses[0] == VQLC_UNAVAILABLE);
    ck_assert(!load_connection_ready(r.connection, LOAD_SCORE));
    ck_assert(!load_connection_done(r.connection));
    toy_server_answer(r.server, call_at(&r, 0), "y");
    exchange(&r, SIZE_MAX);
    ck_assert_uint_eq(r.ends, 2);
    ck_assert(load_connection_done(r.connection));
    clear(&r);
}
END_TEST

/* Bytes of a conversation, some of them others. */
static void disturb(uint64_t seed)
{
    load_random random = {seed};
    rig r;
    init(&r, 100, 65535);
    exchange(&r, SIZE_MAX);
    for (uint32_t i = 0; i < 6; i++)
        start(&r, i % 2 == 0 ? LOAD_SCORE : LOAD_SCORE_STREAM, i, "x", 1);
    exchange(&r, SIZE_MAX);
    for (uint32_t i = 0; i < toy_server_calls(r.server); i++)
        toy_server_answer(r.server, call_at(&r, i), "hello");
    uint8_t bytes[4096];
    const size_t count = toy_server_drain(r.server, bytes, sizeof bytes);
    for (int i = 0; i < 1 + (int)(seed % 4); i++)
        bytes[load_random_below(&random, count)] = (uint8_t)load_random_bits(&random);
    bool fine = true;
    for (size_t at = 0; at < count && fine;) {
        size_t piece = 1 + load_random_below(&random, 60);
        piece = piece < count - at ? piece : count - at;
        fine = load_connection_feed(r.connection, bytes + at, piece);
        at += piece;
    }
    ck_assert(fine == (load_connection_error(r.connection)[0] == '\0'));
    load_connection_fail(r.connection, VQLC_UNAVAILABLE, "the end");
    ck_assert_uint_eq(r.ends, 6);
    ck_assert_uint_eq(load_connection_calls(r.connection), 0);
    clear(&r);
}

/* Every call ends once, whatever comes. */
START_TEST(no_bytes_do_harm)
{
    for (uint64_t seed = 0; seed < 100; seed++)
        disturb(100 * (uint64_t)_i + seed);
}
END_TEST

static nghttp2_nv field(const char *name, const char *value, bool indexed)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), indexed ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX};
}

/* Blocks of all kinds, known ones among them, as nghttp2's decompressor has them. */
START_TEST(known_blocks_mean_what_they_say)
{
    load_random random = {9};
    load_reader *reader = load_reader_new();
    nghttp2_hd_deflater *deflater;
    ck_assert_int_eq(nghttp2_hd_deflate_new(&deflater, 4096), 0);
    for (int i = 0; i < 20000; i++) {
        char status[8];
        char noise[32];
        const unsigned code = (unsigned)load_random_below(&random, 4);
        (void)snprintf(status, sizeof status, "%u", code);
        (void)snprintf(noise, sizeof noise, "%u", (unsigned)load_random_below(&random, 5));
        const nghttp2_nv fields[3] = {
            field(":status", "200", true),
            field("grpc-status", status, load_random_below(&random, 2) == 0),
            field("x-noise", noise, load_random_below(&random, 100) == 0),
        };
        if (load_random_below(&random, 500) == 0)
            (void)nghttp2_hd_deflate_change_table_size(deflater,
                                                       load_random_below(&random, 2) * 4096);
        uint8_t block[512];
        const ssize_t bytes = nghttp2_hd_deflate_hd(deflater, block, sizeof block, fields,
                                                    1 + load_random_below(&random, 3));
        ck_assert(bytes > 0);
        const load_fields *said = load_reader_take(reader, block, (size_t)bytes);
        ck_assert_ptr_nonnull(said);
        ck_assert_int_eq(said->http_status, 200);
        ck_assert(!said->has_status || said->status == (vqlc_status)code);
    }
    nghttp2_hd_deflate_del(deflater);
    load_reader_free(reader);
}
END_TEST

START_TEST(the_table_finds_what_is_in_it)
{
    enum { IDS = 64 };
    load_random random = {10};
    load_table t;
    uint32_t ids[IDS] = {0};
    ck_assert(load_table_init(&t, IDS));
    uint32_t next = 1;
    ck_assert_uint_eq(load_table_find(&t, 0), UINT32_MAX);
    for (int i = 0; i < 100000; i++) {
        const uint32_t slot = (uint32_t)load_random_below(&random, IDS);
        if (ids[slot] == 0) {
            /* Now and then ids that lie a whole table apart. */
            next += load_random_below(&random, 3) == 0 ? 2 * (t.mask + 1) : 2;
            ids[slot] = next;
            load_table_put(&t, next, slot);
        } else {
            load_table_remove(&t, ids[slot]);
            ck_assert_uint_eq(load_table_find(&t, ids[slot]), UINT32_MAX);
            ids[slot] = 0;
        }
        const uint32_t looked = (uint32_t)load_random_below(&random, IDS);
        if (ids[looked] != 0)
            ck_assert_uint_eq(load_table_find(&t, ids[looked]), looked);
    }
    load_table_free(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load_connection");
    TCase *cases = tcase_create("cases");
    suite_add_tcase(suite, cases);
    tcase_add_loop_test(cases, calls_are_answered_in_any_pieces, 1, 40);
    tcase_add_test(cases, answers_come_in_any_order);
    tcase_add_test(cases, every_end_is_a_status);
    tcase_add_test(cases, no_more_streams_than_the_server_allows);
    tcase_add_loop_test(cases, a_large_message_waits_for_windows, 60000, 60003);
    tcase_add_test(cases, a_long_stream_has_its_answers_in_order);
    tcase_add_test(cases, a_goaway_ends_what_was_not_seen);
    tcase_add_loop_test(cases, no_bytes_do_harm, 0, 20);
    tcase_add_test(cases, known_blocks_mean_what_they_say);
    tcase_add_test(cases, the_table_finds_what_is_in_it);
    return check_main(suite);
}
