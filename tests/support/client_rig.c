#include "client_rig.h"

#include <check.h>
#include <string.h>

static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    record *r = context;
    ck_assert_uint_eq(r->done_count, 0);
    r->last_bytes = bytes;
    r->message_count++;
    if (bytes < sizeof r->messages - strlen(r->messages) - 2) {
        strncat(r->messages, (const char *)message, bytes);
        strncat(r->messages, ";", 2);
    }
    if (r->cancel_on_message)
        rpc_fail(r->rpc, VQLC_CANCELLED, "seen enough");
}

static void on_writable(void *context)
{
    record *r = context;
    r->writable_count++;
    ck_assert(rpc_writable(r->rpc));
}

static void on_done(void *context, const vqlc_result *result)
{
    record *r = context;
    r->rpc = NULL;
    r->done_count++;
    r->status = result->status;
    r->pushback_ms = result->pushback_ms;
    r->from_server = result->from_server;
    ck_assert_uint_lt(strlen(result->message), sizeof r->text);
    memcpy(r->text, result->message, strlen(result->message) + 1);
}

const rpc_handler record_handler = {on_message, on_writable, on_done};

void world_wake(void *context)
{
    world *w = context;
    w->wakes++;
}

const engine_options world_options = {
    .authority = "vql.test:7000",
    .max_message_bytes = 1000,
    .max_unsent_bytes = 100,
    .max_waiting_calls = 4,
};

void world_init(world *w, uint32_t max_streams, uint32_t window)
{
    *w = (world){.now_ns = 5 * SECOND};
    w->engine = engine_new(&world_options, world_wake, w);
    ck_assert_ptr_nonnull(w->engine);
    w->server = toy_server_new(max_streams, window);
}

void world_free(world *w)
{
    engine_free(w->engine);
    toy_server_free(w->server);
}

void world_open(world *w)
{
    world_init(w, 100, 65535);
    engine_open(w->engine, w->now_ns);
}

void exchange_by(world *w, size_t step)
{
    uint8_t bytes[16384];
    size_t moved;
    do {
        engine_tick(w->engine, w->now_ns);
        const size_t up = engine_drain(w->engine, bytes, step);
        toy_server_feed(w->server, bytes, up);
        const size_t down = toy_server_drain(w->server, bytes, step);
        if (down > 0)
            engine_feed(w->engine, w->now_ns, bytes, down);
        moved = up + down;
    } while (moved > 0);
}

void exchange(world *w)
{
    exchange_by(w, 16384);
}

rpc *start(world *w, record *r, uint64_t deadline_ns, bool wait_for_ready)
{
    *r = (record){0};
    const rpc_request request = {
        .path = "/vql.v1.Scoring/Score",
        .deadline_ns = deadline_ns,
        .wait_for_ready = wait_for_ready,
        .has_user = true,
        .user_id = 70,
        .handler = &record_handler,
        .context = r,
    };
    r->rpc = rpc_start(w->engine, w->now_ns, &request);
    ck_assert_ptr_nonnull(r->rpc);
    return r->rpc;
}

toy_call *ask(world *w, record *r)
{
    start(w, r, NO_DEADLINE, false);
    ck_assert(rpc_send(r->rpc, (const uint8_t *)"ask", 3));
    rpc_half_close(r->rpc);
    exchange(w);
    return toy_server_call(w->server, toy_server_calls(w->server) - 1);
}

void assert_ended(const record *r, vqlc_status status, const char *text, bool from_server)
{
    ck_assert_uint_eq(r->done_count, 1);
    ck_assert_str_eq(vqlc_status_name(r->status), vqlc_status_name(status));
    ck_assert_str_eq(r->text, text);
    ck_assert_int_eq(r->from_server, from_server);
}
