/*
 * grpc.health.v1 in front of services that do nothing.
 */
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "grpc/health/v1/health.pb-c.h"
#include "health.h"
#include "router_rig.h"

#define CHECK        "/grpc.health.v1.Health/Check"
#define LIST         "/grpc.health.v1.Health/List"
#define WATCH        "/grpc.health.v1.Health/Watch"
#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

static router_rig rig;
static health state;

static void start(void)
{
    rig = (router_rig){0};
    state = (health){0};
    router_add(&rig.router, "test.One", NULL, 0, NULL);
    router_add(&rig.router, "test.Two", NULL, 0, NULL);
    health_add(&state, &rig.router);
    router_rig_start(&rig, NULL);
}

static void stop(void)
{
    router_rig_stop(&rig);
    ck_assert(LIST_EMPTY(&state.watches));
    health_clear(&state);
}

static int32_t ask(const char *method, const char *name)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    char copy[64];
    (void)snprintf(copy, sizeof copy, "%s", name);
    request.service = copy;
    uint8_t bytes[128];
    return router_rig_ask(&rig, method, bytes,
                          grpc__health__v1__health_check_request__pack(&request, bytes));
}

/* The status that answer number index tells; -1: there is none. */
static int told(int32_t stream, size_t index)
{
    size_t bytes;
    const uint8_t *message = h2_answer_message(h2_client_answer(rig.client, stream), index, &bytes);
    if (!message)
        return -1;
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, bytes, message);
    ck_assert_ptr_nonnull(response);
    const int status = (int)response->status;
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    return status;
}

static int check(const char *name)
{
    const int32_t stream = ask(CHECK, name);
    ck_assert_int_eq(router_rig_status(&rig, stream), GRPC_OK);
    return told(stream, 0);
}

START_TEST(test_check)
{
    ck_assert_int_eq(check(""), STATUS(SERVING));
    ck_assert_int_eq(check("test.One"), STATUS(SERVING));
    ck_assert_int_eq(check("grpc.health.v1.Health"), STATUS(SERVING));
    ck_assert_int_eq(router_rig_status(&rig, ask(CHECK, "test")), GRPC_NOT_FOUND);
    ck_assert_int_eq(router_rig_status(&rig, ask(CHECK, "test.On")), GRPC_NOT_FOUND);
    ck_assert_int_eq(router_rig_status(&rig, ask(CHECK, "test.One.")), GRPC_NOT_FOUND);
}
END_TEST

/* A service that does not serve is no business of another's, but of the server as a whole. */
START_TEST(test_one_service)
{
    health_set(&state, "test.One", false);
    ck_assert_int_eq(check("test.One"), STATUS(NOT_SERVING));
    ck_assert_int_eq(check("test.Two"), STATUS(SERVING));
    ck_assert_int_eq(check(""), STATUS(NOT_SERVING));
    health_set(&state, "test.One", true);
    ck_assert_int_eq(check("test.One"), STATUS(SERVING));
    ck_assert_int_eq(check(""), STATUS(SERVING));
}
END_TEST

static int listed(const Grpc__Health__V1__HealthListResponse *list, const char *name)
{
    for (size_t i = 0; i < list->n_statuses; i++)
        if (strcmp(list->statuses[i]->key, name) == 0)
            return (int)list->statuses[i]->value->status;
    return -1;
}

START_TEST(test_list)
{
    health_set(&state, "test.Two", false);
    const int32_t stream = router_rig_ask(&rig, LIST, "", 0);
    ck_assert_int_eq(router_rig_status(&rig, stream), GRPC_OK);
    size_t bytes;
    const uint8_t *message = h2_answer_message(h2_client_answer(rig.client, stream), 0, &bytes);
    ck_assert_ptr_nonnull(message);
    Grpc__Health__V1__HealthListResponse *list =
        grpc__health__v1__health_list_response__unpack(NULL, bytes, message);
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(list->n_statuses, 4);
    ck_assert_int_eq(listed(list, ""), STATUS(NOT_SERVING));
    ck_assert_int_eq(listed(list, "test.One"), STATUS(SERVING));
    ck_assert_int_eq(listed(list, "test.Two"), STATUS(NOT_SERVING));
    ck_assert_int_eq(listed(list, "grpc.health.v1.Health"), STATUS(SERVING));
    grpc__health__v1__health_list_response__free_unpacked(list, NULL);
}
END_TEST

START_TEST(test_watch)
{
    const int32_t whole = ask(WATCH, "");
    const int32_t one = ask(WATCH, "test.One");
    const int32_t two = ask(WATCH, "test.Two");
    const int32_t stranger = ask(WATCH, "test.Three");
    ck_assert_int_eq(told(whole, 0), STATUS(SERVING));
    ck_assert_int_eq(told(one, 0), STATUS(SERVING));
    ck_assert_int_eq(told(stranger, 0), STATUS(SERVICE_UNKNOWN));
    health_set(&state, "test.One", false);
    health_set(&state, "test.One", false);
    ck_assert_uint_gt(rig.wakes, 0);
    router_rig_run(&rig);
    ck_assert_int_eq(told(whole, 1), STATUS(NOT_SERVING));
    ck_assert_int_eq(told(one, 1), STATUS(NOT_SERVING));
    health_set(&state, "test.One", true);
    router_rig_run(&rig);
    ck_assert_int_eq(told(whole, 2), STATUS(SERVING));
    ck_assert_int_eq(told(one, 2), STATUS(SERVING));
    ck_assert_int_eq(told(one, 3), -1);
    ck_assert_int_eq(told(two, 1), -1);
    ck_assert_int_eq(told(stranger, 1), -1);
    ck_assert_uint_eq(session_calls(rig.session), 4);
}
END_TEST

START_TEST(test_drain)
{
    const int32_t watch = ask(WATCH, "test.One");
    const int32_t stranger = ask(WATCH, "test.Three");
    health_drain(&state);
    router_rig_run(&rig);
    ck_assert_int_eq(told(watch, 1), STATUS(NOT_SERVING));
    ck_assert_int_eq(router_rig_status(&rig, watch), GRPC_UNAVAILABLE);
    ck_assert_int_eq(told(stranger, 1), -1);
    ck_assert_int_eq(router_rig_status(&rig, stranger), GRPC_UNAVAILABLE);
    ck_assert_int_eq(check(""), STATUS(NOT_SERVING));
    ck_assert_int_eq(check("test.Two"), STATUS(NOT_SERVING));
    const int32_t late = ask(WATCH, "test.One");
    ck_assert_int_eq(told(late, 0), STATUS(NOT_SERVING));
    ck_assert_int_eq(router_rig_status(&rig, late), GRPC_UNAVAILABLE);
}
END_TEST

START_TEST(test_a_watcher_that_leaves)
{
    const int32_t first = ask(WATCH, "");
    const int32_t second = ask(WATCH, "");
    h2_client_cancel(rig.client, second);
    router_rig_run(&rig);
    health_set(&state, "test.One", false);
    router_rig_run(&rig);
    ck_assert_int_eq(told(first, 1), STATUS(NOT_SERVING));
    ck_assert_uint_eq(session_calls(rig.session), 1);
}
END_TEST

START_TEST(test_bad_requests)
{
    static const char *const methods[] = {CHECK, WATCH};
    for (size_t i = 0; i < 2; i++) {
        const int32_t malformed = router_rig_ask(&rig, methods[i], "\x0a\x05no", 4);
        ck_assert_int_eq(router_rig_status(&rig, malformed), GRPC_INVALID_ARGUMENT);
        const int32_t none = h2_client_call(rig.client, methods[i], NULL);
        h2_client_send(rig.client, none, "", 0, true);
        router_rig_run(&rig);
        ck_assert_int_eq(router_rig_status(&rig, none), GRPC_UNIMPLEMENTED);
    }
    const int32_t two = h2_client_call(rig.client, WATCH, NULL);
    h2_client_message(rig.client, two, "", 0, false);
    h2_client_message(rig.client, two, "", 0, false);
    router_rig_run(&rig);
    ck_assert_int_eq(told(two, 0), STATUS(SERVING));
    ck_assert_int_eq(router_rig_status(&rig, two), GRPC_UNIMPLEMENTED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health");
    TCase *tests = tcase_create("health");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_test(tests, test_check);
    tcase_add_test(tests, test_one_service);
    tcase_add_test(tests, test_list);
    tcase_add_test(tests, test_watch);
    tcase_add_test(tests, test_drain);
    tcase_add_test(tests, test_a_watcher_that_leaves);
    tcase_add_test(tests, test_bad_requests);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
