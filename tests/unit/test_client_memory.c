/*
 * A conversation of the client's engine in which the i-th allocation fails, for every i, its own
 * and nghttp2's: it costs calls or the connection, every call that was started ends once, and
 * nothing leaks.
 *
 * The program is linked with --wrap for malloc, calloc, realloc and nghttp2_session_client_new.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "client_rig.h"
#include "failing_h2.h"
#include "failing_malloc.h"

enum { CALLS = 4 };

/* The rig's callbacks, in which allocations are the test's and do not fail. */
static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    armed = false;
    record_handler.on_message(context, message, bytes);
    armed = true;
}

static void on_writable(void *context)
{
    armed = false;
    record_handler.on_writable(context);
    armed = true;
}

static void on_done(void *context, const vqlc_result *result)
{
    armed = false;
    record_handler.on_done(context, result);
    armed = true;
}

static const rpc_handler handler = {on_message, on_writable, on_done};

/* Carries bytes both ways until there are none, or the connection has come to its end. */
static void carry(world *w)
{
    uint8_t bytes[700];
    size_t up, down;
    do {
        armed = true;
        engine_tick(w->engine, w->now_ns);
        up = engine_drain(w->engine, bytes, sizeof bytes);
        armed = false;
        toy_server_feed(w->server, bytes, up);
        down = toy_server_drain(w->server, bytes, sizeof bytes);
        armed = true;
        if (down > 0)
            engine_feed(w->engine, w->now_ns, bytes, down);
        armed = false;
    } while ((up > 0 || down > 0) && !engine_done(w->engine));
}

/* Starts the calls, which their failing may leave without a message; returns how many there are. */
static unsigned start_calls(world *w, record records[CALLS])
{
    static const uint8_t message[3000];
    unsigned started = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        const rpc_request request = {
            .path = "/vql.v1.Scoring/Score",
            .deadline_ns = i == 3 ? w->now_ns + SECOND : NO_DEADLINE,
            .has_user = true,
            .handler = &handler,
            .context = &records[i],
        };
        armed = true;
        rpc *r = rpc_start(w->engine, w->now_ns, &request);
        if (r != NULL) {
            (void)rpc_send(r, message, sizeof message);
            rpc_half_close(r);
        }
        armed = false;
        records[i].rpc = r;
        started += r != NULL;
    }
    return started;
}

/* The whole life of an engine. */
static void live(world *w, record records[CALLS])
{
    armed = true;
    engine_open(w->engine, w->now_ns);
    armed = false;
    carry(w);
    const unsigned started = start_calls(w, records);
    carry(w);
    for (size_t i = 0; i < toy_server_calls(w->server); i++) {
        toy_call *c = toy_server_call(w->server, i);
        if (!c->closed && i < 2)
            toy_server_answer(w->server, c, "an answer of some length");
        else if (!c->closed && i == 2)
            toy_server_trailers_only(w->server, c, "14", "busy", "5");
    }
    carry(w);
    w->now_ns += 2 * SECOND;
    carry(w);
    /* Every call has ended: either the server knows, or the connection is given up. */
    for (size_t i = 0; i < toy_server_calls(w->server); i++)
        ck_assert(toy_server_call(w->server, i)->closed || engine_done(w->engine));
    armed = true;
    engine_lost(w->engine, "end of test");
    engine_free(w->engine);
    armed = false;
    unsigned ended = 0;
    for (unsigned i = 0; i < CALLS; i++)
        ended += records[i].done_count;
    ck_assert_uint_eq(ended, started);
}

START_TEST(every_allocation_may_fail)
{
    bool failed;
    fail_at = 0;
    do {
        record records[CALLS];
        memset(records, 0, sizeof records);
        world w = {.now_ns = SECOND};
        allocations = 0;
        armed = true;
        w.engine = engine_new(&world_options, world_wake, &w);
        armed = false;
        failed = allocations > fail_at;
        ck_assert_int_eq(w.engine == NULL, failed);
        if (w.engine != NULL) {
            w.server = toy_server_new(100, 65535);
            live(&w, records);
            toy_server_free(w.server);
            failed = allocations > fail_at;
            if (!failed) { /* all has gone well */
                ck_assert_int_eq(records[0].status, VQLC_OK);
                ck_assert_str_eq(records[1].messages, "an answer of some length;");
                ck_assert_int_eq(records[2].pushback_ms, 5);
                ck_assert_int_eq(records[3].status, VQLC_DEADLINE_EXCEEDED);
            }
        }
        fail_at++;
    } while (failed);
    ck_assert_uint_gt(fail_at, 50);
}
END_TEST

static Suite *memory_suite(void)
{
    Suite *suite = suite_create("client_memory");
    TCase *memory = tcase_create("memory");
    tcase_set_timeout(memory, 300);
    tcase_add_test(memory, every_allocation_may_fail);
    suite_add_tcase(suite, memory);
    return suite;
}

int main(void)
{
    return check_main(memory_suite());
}
