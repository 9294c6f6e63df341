/*
 * grpc.reflection.v1 and v1alpha: what each question is answered. That a real client can describe
 * everything is for tests/interop.
 */
#include <string.h>

#include "check_main.h"
#include "reflection.h"
#include "router_rig.h"
#include "vql_descriptors.h"

#define INFO(version) "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo"

/* Fields of ServerReflectionRequest and of the answer. */
enum { FILE_NAME = 3, SYMBOL, EXTENSION, EXTENSION_NUMBERS, SERVICES };
enum { HOST = 1, REQUEST = 2, FILES = 4, NUMBERS, SERVICE_LIST, ERROR };

static router_rig rig;
static reflection state;
static int32_t stream;
static size_t asked;

static void start(void)
{
    rig = (router_rig){0};
    state = (reflection){.descriptors = {{vql_descriptors, sizeof vql_descriptors}}};
    asked = 0;
    router_add(&rig.router, "vql.v1.Scoring", NULL, 0, NULL);
    reflection_add(&state, &rig.router);
    router_rig_start(&rig, NULL);
    stream = h2_client_call(rig.client, INFO("v1"), NULL);
}

static void stop(void)
{
    router_rig_stop(&rig);
    ck_assert(LIST_EMPTY(&state.inquiries));
    reflection_clear(&state);
}

static wire_span span_of(const char *text)
{
    return (wire_span){(const uint8_t *)text, strlen(text)};
}

/* The first field of that number; its bytes are NULL when there is none. */
static wire_field find(wire_span message, uint32_t number)
{
    wire_field f;
    while (wire_next(&message, &f))
        if (f.number == number)
            return f;
    return (wire_field){0};
}

static size_t count_fields(wire_span message, uint32_t number)
{
    size_t count = 0;
    for (wire_field f; wire_next(&message, &f);)
        count += f.number == number;
    return count;
}

/* Sends a request's bytes and returns its answer. */
static wire_span ask_bytes(wire_span request)
{
    wire_span answer;
    h2_client_message(rig.client, stream, request.bytes, request.count, false);
    router_rig_run(&rig);
    answer.bytes = h2_answer_message(h2_client_answer(rig.client, stream), asked++, &answer.count);
    ck_assert_ptr_nonnull(answer.bytes);
    const wire_field original = find(answer, REQUEST);
    ck_assert_uint_eq(original.bytes.count, request.count);
    ck_assert_mem_eq(original.bytes.bytes, request.bytes, request.count);
    return answer;
}

static wire_span ask(uint32_t number, const char *text)
{
    message_buffer request = {0};
    ck_assert(wire_put_bytes(&request, HOST, span_of("host")));
    ck_assert(wire_put_bytes(&request, number, span_of(text)));
    const wire_span answer = ask_bytes((wire_span){request.bytes, request.count});
    message_buffer_clear(&request);
    ck_assert(wire_equals(find(answer, HOST).bytes, "host"));
    return answer;
}

static void check_error(wire_span answer, grpc_status status, const char *message)
{
    const wire_span error = find(answer, ERROR).bytes;
    ck_assert_ptr_nonnull(error.bytes);
    ck_assert_uint_eq(find(error, 1).value, status);
    ck_assert(wire_equals(find(error, 2).bytes, message));
}

START_TEST(test_services)
{
    static const char *const names[] = {"vql.v1.Scoring", "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    wire_span list = find(ask(SERVICES, ""), SERVICE_LIST).bytes;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wire_field service;
        ck_assert(wire_next(&list, &service));
        ck_assert(wire_equals(find(service.bytes, 1).bytes, names[i]));
    }
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(test_files)
{
    const wire_span by_name = find(ask(FILE_NAME, "vql/v1/scoring.proto"), FILES).bytes;
    ck_assert_uint_eq(count_fields(by_name, 1), 2);
    const wire_span by_symbol = find(ask(SYMBOL, "vql.v1.Scoring.Score"), FILES).bytes;
    ck_assert_uint_eq(by_symbol.count, by_name.count);
    check_error(ask(FILE_NAME, "no.proto"), GRPC_NOT_FOUND,
                "file_by_filename: no file \"no.proto\"");
    check_error(ask(SYMBOL, "vql.v1.None"), GRPC_NOT_FOUND,
                "file_containing_symbol: no symbol \"vql.v1.None\"");
    check_error(ask(SYMBOL, ""), GRPC_NOT_FOUND, "file_containing_symbol: no symbol \"\"");
}
END_TEST

START_TEST(test_extensions)
{
    const wire_span numbers = find(ask(EXTENSION_NUMBERS, "vql.v1.Event"), NUMBERS).bytes;
    ck_assert(wire_equals(find(numbers, 1).bytes, "vql.v1.Event"));
    ck_assert_uint_eq(count_fields(numbers, 2), 0);
    check_error(ask(EXTENSION_NUMBERS, "vql.v1.Scoring"), GRPC_NOT_FOUND,
                "all_extension_numbers_of_type: no message \"vql.v1.Scoring\"");
    check_error(ask(EXTENSION, "\x0a\x01M\x10\x07"), GRPC_NOT_FOUND,
                "file_containing_extension: no extension 7 of \"M\"");
}
END_TEST

START_TEST(test_no_question)
{
    check_error(ask(99, "x"), GRPC_INVALID_ARGUMENT, "message_request: none is set");
}
END_TEST

START_TEST(test_the_older_name)
{
    const int32_t older = router_rig_ask(&rig, INFO("v1alpha"), "\x3a\0", 2);
    size_t bytes;
    ck_assert_ptr_nonnull(h2_answer_message(h2_client_answer(rig.client, older), 0, &bytes));
    ck_assert_int_eq(router_rig_status(&rig, older), GRPC_OK);
}
END_TEST

START_TEST(test_malformed)
{
    h2_client_message(rig.client, stream, "\x3a\x05x", 3, false);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, stream), GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_too_long)
{
    static const uint8_t large[4097];
    h2_client_message(rig.client, stream, large, sizeof large, false);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, stream), GRPC_RESOURCE_EXHAUSTED);
}
END_TEST

START_TEST(test_drain)
{
    (void)ask(SERVICES, "");
    const int32_t cancelled = h2_client_call(rig.client, INFO("v1"), NULL);
    router_rig_run(&rig);
    h2_client_cancel(rig.client, cancelled);
    router_rig_run(&rig);
    reflection_drain(&state);
    ck_assert_uint_eq(rig.wakes, 1);
    router_rig_run(&rig);
    ck_assert_int_eq(router_rig_status(&rig, stream), GRPC_UNAVAILABLE);
    const int32_t late = router_rig_ask(&rig, INFO("v1"), "", 0);
    ck_assert_int_eq(router_rig_status(&rig, late), GRPC_UNAVAILABLE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reflection");
    TCase *tests = tcase_create("reflection");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_test(tests, test_services);
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_extensions);
    tcase_add_test(tests, test_no_question);
    tcase_add_test(tests, test_the_older_name);
    tcase_add_test(tests, test_malformed);
    tcase_add_test(tests, test_too_long);
    tcase_add_test(tests, test_drain);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
