/*
 * Tokens and quotas as the services apply them, by a session's bytes: which method takes which
 * token, and that what a tenant has in flight is counted.
 */
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "h2_client.h"
#include "health.h"
#include "registry_fixture.h"
#include "service.h"
#include "temporary.h"

enum { MAX_ROUTED = 16 };

static service s;
static health statuses;
static router services;
static peer p;
static session *server;
static h2_client *client;
static job *routed[MAX_ROUTED];
static size_t routed_count;

/* An AppendRequest of one event, of user 1. */
static const uint8_t one_event[] = {8, 1, 18, 0};

/* The SHA-256 of "score", of "append" and of "admin": tokens named like their scopes. */
static const char tokens[] =
    "score shop score a575b79868a2336db378ac89cb6c7d93272b4bb8e74d1096e8630765cf480ef5\n"
    "append shop append ae524b54d9b5acbe3bbf0a4f4825bae82bca8b0a474878c2713394ea284ef929\n"
    "admin ops admin 8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918\n"
    "quota shop in-flight=2 rate=4\n";

static gate *tokens_gate;

static void start_gate(void)
{
    char path[TEMPORARY_PATH_BYTES];
    token_error error;
    temporary_write(path, tokens, sizeof tokens - 1);
    tokens_gate = gate_load(path, &error);
    ck_assert_msg(tokens_gate != NULL, "%s", error.text);
    ck_assert_int_eq(unlink(path), 0);
    s.gate = gate_view_new(tokens_gate);
    ck_assert_ptr_nonnull(s.gate);
}

static bool keep_job(void *owner, job *j)
{
    (void)owner;
    ck_assert_uint_lt(routed_count, MAX_ROUTED);
    routed[routed_count++] = j;
    return true;
}

static void do_nothing(peer *woken)
{
    (void)woken;
}

static void setup(void)
{
    s = (service){
        .limits = {.max_candidates = 100, .max_events = 100, .max_future_ms = 1000},
        .route = keep_job,
        .wall_ms = 1000000,
    };
    ck_assert(model_view_init(&s.models, models));
    start_gate();
    services = (router){0};
    statuses = (health){0};
    service_add(&s, &services);
    health_add(&statuses, &services);
    p = (peer){.router = &services, .wake = do_nothing};
    const session_options options = {
        .max_streams = 100,
        .max_header_bytes = 16384,
        .stream_window = 65535,
        .connection_window = 65535,
        .max_message_bytes = 4096,
        .max_unsent_bytes = 65536,
        .metadata = service_metadata,
    };
    server = session_new(&options, &router_handler, &p);
    client = h2_client_new(&H2_CLIENT_OPTIONS);
    ck_assert(server && client);
}

static void teardown(void)
{
    session_free(server);
    h2_client_free(client);
    service_clear(&s);
    gate_view_free(s.gate);
    gate_free(tokens_gate);
}

/* Moves bytes both ways until neither side has any. */
static void exchange_bytes(void)
{
    uint8_t bytes[4096];
    for (size_t up = 1, down = 1; up + down > 0;) {
        up = h2_client_drain(client, bytes, sizeof bytes);
        ck_assert(session_feed(server, 0, bytes, up));
        down = session_drain(server, bytes, sizeof bytes);
        ck_assert(h2_client_feed(client, bytes, down));
    }
}

static void check_status(int32_t stream, grpc_status status)
{
    const h2_answer *a = h2_client_answer(client, stream);
    ck_assert_msg(a->ended, "stream %d goes on", stream);
    ck_assert_msg(h2_answer_status(a) == (int)status, "%s", a->trailers);
}

static int32_t call_as(const char *path, const char *name)
{
    char field[64];
    (void)snprintf(field, sizeof field, "Bearer %s", name);
    return h2_client_call_with(client, path, "authorization", field);
}

static const struct {
    const char *path, *allowed; /* NULL: without a token, too */
} needs[] = {
    {"/vql.v1.Scoring/Score", "score"},
    {"/vql.v1.Scoring/ScoreStream", "score"},
    {"/vql.v1.History/Append", "append"},
    {"/vql.v1.History/AppendStream", "append"},
    {"/vql.v1.History/Get", "append"},
    {"/vql.v1.History/Delete", "append"},
    {"/vql.v1.Models/List", "score append admin"},
    {"/vql.v1.Models/Load", "admin"},
    {"/vql.v1.Models/Activate", "admin"},
    {"/vql.v1.Models/Unload", "admin"},
    {"/grpc.health.v1.Health/Check", NULL},
    {"/grpc.health.v1.Health/Watch", NULL},
};

/* A method takes the tokens that it needs and no others, before it looks at a request. */
START_TEST(every_method_needs_its_scope)
{
    static const char *const names[] = {"score", "append", "admin"};
    const char *path = needs[_i].path;
    const char *allowed = needs[_i].allowed;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const int32_t stream = call_as(path, names[i]);
        exchange_bytes();
        if (!allowed || strstr(allowed, names[i]) != NULL)
            ck_assert(!h2_client_answer(client, stream)->ended);
        else
            check_status(stream, GRPC_PERMISSION_DENIED);
        h2_client_cancel(client, stream);
        exchange_bytes();
    }
    const int32_t nobody = h2_client_call(client, path, NULL);
    const int32_t stranger = call_as(path, "stranger");
    exchange_bytes();
    if (allowed) {
        check_status(nobody, GRPC_UNAUTHENTICATED);
        check_status(stranger, GRPC_UNAUTHENTICATED);
    } else {
        ck_assert(!h2_client_answer(client, nobody)->ended);
    }
}
END_TEST

/* However a call ends, its tenant has room for another. */
START_TEST(calls_in_flight_are_given_back)
{
    for (int i = 0; i < 10; i++) {
        const int32_t cancelled = call_as("/vql.v1.History/AppendStream", "append");
        const int32_t empty = call_as("/vql.v1.History/AppendStream", "append");
        exchange_bytes();
        const int32_t third = call_as("/vql.v1.History/AppendStream", "append");
        exchange_bytes();
        check_status(third, GRPC_RESOURCE_EXHAUSTED);
        h2_client_cancel(client, cancelled);
        h2_client_send(client, empty, "", 0, true);
        exchange_bytes();
        check_status(empty, GRPC_OK);
        const int32_t refused = call_as("/vql.v1.History/Get", "append");
        h2_client_message(client, refused, "\xff", 1, true);
        exchange_bytes();
        ck_assert(h2_client_answer(client, refused)->ended);
    }
}
END_TEST

/* The rate counts the requests of a stream one by one; those before the end are answered. */
START_TEST(a_stream_beyond_its_rate)
{
    const int32_t stream = call_as("/vql.v1.History/AppendStream", "append");
    for (int i = 0; i < 6; i++)
        h2_client_message(client, stream, one_event, sizeof one_event, false);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 4);
    for (size_t i = 0; i < 4; i++) {
        routed[i]->durability = DURABILITY_MEMORY;
        service_complete(&s, routed[i]);
    }
    exchange_bytes();
    size_t bytes;
    ck_assert_ptr_nonnull(h2_answer_message(h2_client_answer(client, stream), 3, &bytes));
    ck_assert_ptr_null(h2_answer_message(h2_client_answer(client, stream), 4, &bytes));
    check_status(stream, GRPC_RESOURCE_EXHAUSTED);
    ck_assert_ptr_nonnull(
        strstr(h2_client_answer(client, stream)->trailers, "grpc-retry-pushback-ms: 250"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service_tokens");
    TCase *test = tcase_create("tokens");
    tcase_add_unchecked_fixture(test, load_retail, unload_model);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_loop_test(test, every_method_needs_its_scope, 0, sizeof needs / sizeof needs[0]);
    tcase_add_test(test, calls_in_flight_are_given_back);
    tcase_add_test(test, a_stream_beyond_its_rate);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
