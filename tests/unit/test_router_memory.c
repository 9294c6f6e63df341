/*
 * Health and reflection with the i-th allocation failing, for every i: a call or the connection
 * ends, nothing leaks, and every call that has begun has ended.
 *
 * The program is linked with --wrap for malloc, calloc and realloc.
 */
#include "check_main.h"
#include "failing_malloc.h"
#include "health.h"
#include "reflection.h"
#include "router_rig.h"
#include "vql_descriptors.h"

#define INFO "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

static const session_options options = {
    .max_streams = 100,
    .max_header_bytes = 16384,
    .stream_window = 65535,
    .connection_window = 65535,
    .max_message_bytes = 1 << 16,
    .max_unsent_bytes = 1 << 16,
};

static router_rig rig;
static health state;
static reflection mirror;

/* Carries bytes both ways until there are none. False: the connection has ended. */
static bool carry(void)
{
    size_t said, answered;
    do {
        uint8_t bytes[700];
        said = h2_client_drain(rig.client, bytes, sizeof bytes);
        armed = true;
        const bool alive = session_feed(rig.session, 0, bytes, said);
        answered = session_drain(rig.session, bytes, sizeof bytes);
        armed = false;
        ck_assert(h2_client_feed(rig.client, bytes, answered));
        if (!alive)
            return false;
    } while (said > 0 || answered > 0);
    return !session_done(rig.session);
}

static void call_with(const char *path, const void *message, size_t bytes, bool end)
{
    const int32_t id = h2_client_call(rig.client, path, NULL);
    h2_client_message(rig.client, id, message, bytes, end);
}

static void live(void)
{
    call_with("/grpc.health.v1.Health/Check", "", 0, true);
    call_with("/grpc.health.v1.Health/List", "", 0, true);
    call_with("/grpc.health.v1.Health/Watch", "", 0, false);
    call_with("/grpc.health.v1.Health/Watch", "\x0a\x01x", 3, true);
    call_with(INFO, "\x3a\0", 2, true);
    call_with(INFO, "\x22\x0evql.v1.Scoring", 16, false);
    call_with("/no.Such/Method", "", 0, true);
    if (!carry())
        return;
    armed = true;
    health_set(&state, "test.One", false);
    armed = false;
    if (!carry())
        return;
    armed = true;
    health_drain(&state);
    reflection_drain(&mirror);
    armed = false;
    (void)carry();
}

START_TEST(test_every_allocation_failing)
{
    for (fail_at = 0;; fail_at++) {
        rig = (router_rig){0};
        state = (health){0};
        mirror = (reflection){.descriptors = {{vql_descriptors, sizeof vql_descriptors}}};
        router_add(&rig.router, "test.One", NULL, 0, NULL);
        health_add(&state, &rig.router);
        reflection_add(&mirror, &rig.router);
        router_rig_start(&rig, &options);
        allocations = 0;
        live();
        router_rig_stop(&rig);
        ck_assert(LIST_EMPTY(&state.watches));
        ck_assert(LIST_EMPTY(&mirror.inquiries));
        health_clear(&state);
        reflection_clear(&mirror);
        if (allocations <= fail_at)
            break;
    }
    ck_assert_uint_gt(fail_at, 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("router_memory");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, test_every_allocation_failing);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
