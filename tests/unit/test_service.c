/*
 * The services behind a session, spoken to by an HTTP/2 client, with a route that keeps jobs until
 * the test answers them: so answers can come back in any order, late, or never.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "h2_client.h"
#include "limit.h"
#include "registry_fixture.h"
#include "service.h"
#include "vql/v1/history.pb-c.h"

enum { MAX_ROUTED = 64 };

static service s;
static router services;
static peer p;
static session *server;
static h2_client *client;

static job *routed[MAX_ROUTED];
static size_t routed_count;
static bool route_full;
static unsigned wakes;

static bool keep_job(void *owner, job *j)
{
    (void)owner;
    if (route_full) {
        service_overloaded(&s, j, 7);
        return false;
    }
    ck_assert_uint_lt(routed_count, MAX_ROUTED);
    routed[routed_count++] = j;
    return true;
}

static void count_wake(peer *woken)
{
    (void)woken;
    wakes++;
}

/* A client's connection whose calls are p's. */
static void open_connection(peer *of)
{
    const session_options options = {
        .max_streams = 100,
        .max_header_bytes = 16384,
        .stream_window = 65535,
        .connection_window = 65535,
        .max_message_bytes = 4096,
        .max_unsent_bytes = 65536,
    };
    server = session_new(&options, &router_handler, of);
    client = h2_client_new(&(h2_client_options){.stream_window = 65535, .reads = true});
    ck_assert(server && client);
}

static void setup(void)
{
    s = (service){
        .limits = {.max_candidates = 100, .max_events = 100, .max_future_ms = 1000},
        .route = keep_job,
        .wall_ms = 1000000,
    };
    ck_assert(model_view_init(&s.models, models));
    services = (router){0};
    service_add(&s, &services);
    p = (peer){.router = &services, .wake = count_wake};
    open_connection(&p);
}

/* Moves bytes both ways until neither side has any. */
static void exchange_bytes(void)
{
    uint8_t bytes[4096];
    for (size_t up = 1, down = 1; up + down > 0;) {
        up = h2_client_drain(client, bytes, sizeof bytes);
        if (up > 0)
            ck_assert(session_feed(server, 0, bytes, up));
        down = session_drain(server, bytes, sizeof bytes);
        if (down > 0)
            ck_assert(h2_client_feed(client, bytes, down));
    }
}

/* Answers the job that was routed as number i. */
static void answer(size_t i, uint64_t sequence)
{
    job *j = routed[i];
    routed[i] = NULL;
    j->sequence = sequence;
    j->durability = DURABILITY_MEMORY;
    service_complete(&s, j);
}

static void teardown(void)
{
    session_free(server);
    for (size_t i = 0; i < routed_count; i++)
        if (routed[i])
            service_complete(&s, routed[i]);
    ck_assert_uint_eq(s.jobs.taken, 0);
    ck_assert(LIST_EMPTY(&s.streams));
    service_clear(&s);
    h2_client_free(client);
}

static void send_append(int32_t stream, uint64_t user_id, uint32_t type, bool end)
{
    Vql__V1__Event e = VQL__V1__EVENT__INIT;
    e.type = type;
    Vql__V1__Event *events[] = {&e};
    Vql__V1__AppendRequest request = VQL__V1__APPEND_REQUEST__INIT;
    request.user_id = user_id;
    request.events = events;
    request.n_events = 1;
    uint8_t bytes[64];
    h2_client_message(client, stream, bytes, vql__v1__append_request__pack(&request, bytes), end);
}

static uint64_t answered_sequence(int32_t stream, size_t index)
{
    size_t bytes;
    const uint8_t *message = h2_answer_message(h2_client_answer(client, stream), index, &bytes);
    if (!message)
        return 0;
    Vql__V1__AppendResponse *response = vql__v1__append_response__unpack(NULL, bytes, message);
    ck_assert_ptr_nonnull(response);
    const uint64_t sequence = response->sequence;
    vql__v1__append_response__free_unpacked(response, NULL);
    return sequence;
}

static void check_status(int32_t stream, grpc_status status)
{
    const h2_answer *a = h2_client_answer(client, stream);
    ck_assert_msg(a->ended, "stream %d goes on", stream);
    ck_assert_msg(h2_answer_status(a) == (int)status, "%s", a->trailers);
}

START_TEST(a_unary_call)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(stream, 7, 0, true);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 1);
    ck_assert_uint_eq(routed[0]->user_id, 7);
    ck_assert(!h2_client_answer(client, stream)->ended);
    answer(0, 11);
    ck_assert_uint_eq(wakes, 1);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 11);
    check_status(stream, GRPC_OK);
}
END_TEST

/* Answers that come back in any order leave in the order of the requests. */
START_TEST(a_stream_keeps_its_order)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    for (uint64_t user = 0; user < 4; user++)
        send_append(stream, user, 0, user == 3);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 4);
    answer(2, 102);
    answer(1, 101);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 0);
    answer(0, 100);
    exchange_bytes();
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(answered_sequence(stream, i), 100 + i);
    ck_assert(!h2_client_answer(client, stream)->ended);
    answer(3, 103);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 3), 103);
    check_status(stream, GRPC_OK);
}
END_TEST

/*
 * No more than LIMIT_STREAM_JOBS are under way; the others wait in the session, and none is lost.
 */
START_TEST(a_stream_is_held)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    const size_t requests = LIMIT_STREAM_JOBS + 10;
    for (uint64_t user = 0; user < requests; user++)
        send_append(stream, user, 0, user == requests - 1);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, LIMIT_STREAM_JOBS);
    for (size_t i = 0; i < requests; i++) {
        ck_assert_uint_lt(i, routed_count);
        answer(i, i + 1);
        exchange_bytes();
    }
    ck_assert_uint_eq(routed_count, requests);
    for (size_t i = 0; i < requests; i++)
        ck_assert_uint_eq(answered_sequence(stream, i), i + 1);
    check_status(stream, GRPC_OK);
}
END_TEST

/*
 * A refused request ends the stream, but only after the answers before it; those behind it are not
 * looked at.
 */
START_TEST(a_refused_request_ends_the_stream)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    send_append(stream, 1, 0, false);
    send_append(stream, 2, 99, false);
    send_append(stream, 3, 0, true);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 1);
    ck_assert(!h2_client_answer(client, stream)->ended);
    answer(0, 5);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 5);
    check_status(stream, GRPC_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(h2_client_answer(client, stream)->trailers, "events[0].type: 99"));
}
END_TEST

/* A message that the session itself refuses waits its turn too. */
START_TEST(a_message_too_long_ends_the_stream)
{
    static const uint8_t large[5000];
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    send_append(stream, 1, 0, false);
    h2_client_message(client, stream, large, sizeof large, false);
    send_append(stream, 2, 0, true);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 1);
    ck_assert(!h2_client_answer(client, stream)->ended);
    answer(0, 5);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 5);
    check_status(stream, GRPC_RESOURCE_EXHAUSTED);

    const int32_t unary = h2_client_call(client, "/vql.v1.History/Append", NULL);
    h2_client_message(client, unary, large, sizeof large, true);
    exchange_bytes();
    check_status(unary, GRPC_RESOURCE_EXHAUSTED);
}
END_TEST

/* gRPC's C core cancels streams that it never opened: the connection and its calls go on. */
START_TEST(a_stray_reset_harms_nobody)
{
    static const uint8_t reset[] = {0, 0, 4, 3, 0, 0, 0, 0, 99, 0, 0, 0, 8};
    const int32_t stream = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(stream, 7, 0, true);
    exchange_bytes();
    ck_assert(session_feed(server, 0, reset, sizeof reset));
    answer(0, 11);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 11);
    check_status(stream, GRPC_OK);
    ck_assert_uint_eq(h2_client_goaways(client).count, 0);
}
END_TEST

START_TEST(a_full_mailbox_is_unavailable_with_pushback)
{
    route_full = true;
    const int32_t stream = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(stream, 1, 0, true);
    exchange_bytes();
    check_status(stream, GRPC_UNAVAILABLE);
    char pushback_text[16];
    ck_assert(h2_field(h2_client_answer(client, stream)->trailers, "grpc-retry-pushback-ms",
                       pushback_text, sizeof pushback_text));
    const int ms = (int)strtol(pushback_text, NULL, 10);
    ck_assert_int_ge(ms, LIMIT_PUSHBACK_MS / 2);
    ck_assert_int_le(ms, LIMIT_PUSHBACK_MS * 2);
}
END_TEST

/* Without memory to be had, a stream ends behind the answers that it is owed. */
START_TEST(too_much_memory_under_way)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    send_append(stream, 1, 0, false);
    exchange_bytes();
    s.ledger = (ledger){.used = 1, .limit = 1};
    s.jobs.ledger = &s.ledger;
    send_append(stream, 2, 0, false);
    exchange_bytes();
    ck_assert(!h2_client_answer(client, stream)->ended);
    answer(0, 9);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(stream, 0), 9);
    check_status(stream, GRPC_UNAVAILABLE);
}
END_TEST

/* Unary appends, one for each of `users`; the streams. */
static void call_appends(int32_t *streams, size_t count, uint64_t first_user)
{
    for (size_t i = 0; i < count; i++) {
        streams[i] = h2_client_call(client, "/vql.v1.History/Append", NULL);
        send_append(streams[i], first_user + i, 0, true);
    }
    exchange_bytes();
}

/* Leaves a connection room for `share` requests, all of which other connections could have. */
static void leave_room(uint32_t share)
{
    s.jobs.taken = LIMIT_JOBS - (share + 1) * LIMIT_SHARE;
}

/* What the thread has room for is shared: the calls beyond it are held, and served later. */
START_TEST(a_connection_waits_when_it_has_its_share)
{
    enum { CALLS = 20 };
    int32_t streams[CALLS];
    leave_room(5);
    call_appends(streams, CALLS, 1);
    ck_assert_uint_ge(routed_count, 4);
    ck_assert_uint_le(routed_count, 6);
    ck_assert_uint_eq(p.waiting_count, CALLS - routed_count);
    s.now_ns = 77;
    for (size_t i = 0; i < CALLS; i++) {
        ck_assert_uint_gt(routed_count, i);
        answer(i, i + 1);
        exchange_bytes();
        ck_assert_uint_eq(answered_sequence(streams[i], 0), i + 1);
        check_status(streams[i], GRPC_OK);
    }
    ck_assert_uint_eq(p.waiting_count + p.jobs + s.waiting_count, 0);
    s.jobs.taken = 0;
}
END_TEST

/*
 * One connection has filled the thread and waits with many calls more; another that waits with one
 * is let in before them.
 */
START_TEST(connections_that_wait_take_turns)
{
    enum { CALLS = 20 };
    int32_t streams[CALLS];
    leave_room(3);
    call_appends(streams, CALLS, 1);
    const size_t greedy = routed_count;

    session *first_server = server;
    h2_client *first_client = client;
    peer other = {.router = &services, .wake = count_wake};
    open_connection(&other);
    s.jobs.taken = LIMIT_JOBS - 2;
    int32_t mine[2];
    call_appends(mine, 2, 100);
    ck_assert_uint_eq(routed_count, greedy + 1); /* what has nothing under way is let in */
    ck_assert_uint_eq(other.waiting_count, 1);
    const uint32_t taken = s.jobs.taken;
    s.jobs.taken = LIMIT_JOBS / 2;
    answer(greedy, 1);
    ck_assert_uint_eq(other.waiting_count, 0);
    s.jobs.taken += taken - LIMIT_JOBS / 2;
    session_free(server);
    h2_client_free(client);
    server = first_server;
    client = first_client;
    s.jobs.taken = (uint32_t)(routed_count - 1);
}
END_TEST

START_TEST(a_call_that_waits_may_be_cancelled)
{
    enum { CALLS = 8 };
    int32_t streams[CALLS];
    leave_room(2);
    call_appends(streams, CALLS, 1);
    const size_t started = routed_count;
    ck_assert_uint_lt(started, CALLS);
    for (size_t i = started; i < CALLS; i++)
        h2_client_cancel(client, streams[i]);
    exchange_bytes();
    ck_assert_uint_eq(p.waiting_count, 0);
    ck_assert_uint_eq(s.waiting_count, 0);
    for (size_t i = 0; i < started; i++)
        answer(i, 1);
    ck_assert_uint_eq(routed_count, started);
    s.jobs.taken = 0;
}
END_TEST

START_TEST(a_cancelled_call_cancels_its_jobs)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    for (uint64_t user = 0; user < 3; user++)
        send_append(stream, user, 0, false);
    exchange_bytes();
    answer(1, 2);
    h2_client_cancel(client, stream);
    exchange_bytes();
    ck_assert(atomic_load(&routed[0]->cancelled));
    ck_assert(atomic_load(&routed[2]->cancelled));
    ck_assert_uint_eq(s.jobs.taken, 2);
}
END_TEST

START_TEST(unary_methods_take_one_request)
{
    const int32_t none = h2_client_call(client, "/vql.v1.History/Append", NULL);
    h2_client_send(client, none, "", 0, true);
    const int32_t two = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(two, 1, 0, false);
    send_append(two, 1, 0, true);
    exchange_bytes();
    check_status(none, GRPC_UNIMPLEMENTED);
    check_status(two, GRPC_UNIMPLEMENTED);
}
END_TEST

START_TEST(an_empty_stream_is_fine)
{
    const int32_t stream = h2_client_call(client, "/vql.v1.Scoring/ScoreStream", NULL);
    h2_client_send(client, stream, "", 0, true);
    exchange_bytes();
    check_status(stream, GRPC_OK);
}
END_TEST

START_TEST(unknown_methods)
{
    static const char *const paths[] = {"/vql.v1.Scoring/Nothing", "/vql.v1.Scoring",
                                        "/vql.v1.Scoring/Score/", "/", "/other/Score"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const int32_t stream = h2_client_call(client, paths[i], NULL);
        h2_client_send(client, stream, "", 0, true);
        exchange_bytes();
        check_status(stream, GRPC_UNIMPLEMENTED);
    }
}
END_TEST

/* A unary call that comes between the two GOAWAYs is served. */
START_TEST(draining_serves_unary_calls)
{
    const int32_t open = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(open, 1, 0, true);
    exchange_bytes();
    service_drain(&s);
    const int32_t late = h2_client_call(client, "/vql.v1.History/Append", NULL);
    send_append(late, 2, 0, true);
    const int32_t stream = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    send_append(stream, 3, 0, true);
    exchange_bytes();
    check_status(stream, GRPC_UNAVAILABLE);
    ck_assert_uint_eq(routed_count, 2);
    answer(0, 1);
    answer(1, 2);
    exchange_bytes();
    check_status(open, GRPC_OK);
    check_status(late, GRPC_OK);
}
END_TEST

/* An idle stream ends at once, a busy one behind its answers; what it asks then is refused. */
START_TEST(draining_ends_streams)
{
    const int32_t idle = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    const int32_t busy = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    const int32_t asking = h2_client_call(client, "/vql.v1.History/AppendStream", NULL);
    send_append(busy, 1, 0, false);
    send_append(asking, 2, 0, false);
    exchange_bytes();
    service_drain(&s);
    exchange_bytes();
    check_status(idle, GRPC_UNAVAILABLE);
    send_append(asking, 3, 0, false);
    exchange_bytes();
    ck_assert_uint_eq(routed_count, 2);
    answer(0, 7);
    answer(1, 8);
    exchange_bytes();
    ck_assert_uint_eq(answered_sequence(busy, 0), 7);
    check_status(busy, GRPC_UNAVAILABLE);
    ck_assert_uint_eq(answered_sequence(asking, 0), 8);
    check_status(asking, GRPC_UNAVAILABLE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    TCase *test = tcase_create("service");
    tcase_add_unchecked_fixture(test, load_retail, unload_model);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_unary_call);
    tcase_add_test(test, a_stream_keeps_its_order);
    tcase_add_test(test, a_stream_is_held);
    tcase_add_test(test, a_refused_request_ends_the_stream);
    tcase_add_test(test, a_message_too_long_ends_the_stream);
    tcase_add_test(test, a_stray_reset_harms_nobody);
    tcase_add_test(test, a_full_mailbox_is_unavailable_with_pushback);
    tcase_add_test(test, too_much_memory_under_way);
    tcase_add_test(test, a_connection_waits_when_it_has_its_share);
    tcase_add_test(test, connections_that_wait_take_turns);
    tcase_add_test(test, a_call_that_waits_may_be_cancelled);
    tcase_add_test(test, a_cancelled_call_cancels_its_jobs);
    tcase_add_test(test, unary_methods_take_one_request);
    tcase_add_test(test, an_empty_stream_is_fine);
    tcase_add_test(test, unknown_methods);
    tcase_add_test(test, draining_serves_unary_calls);
    tcase_add_test(test, draining_ends_streams);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
