/*
 * grpc-status-details-bin, read back by protobuf-c.
 */
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "check_main.h"
#include "google/rpc/status.pb-c.h"
#include "status_details.h"

static grpc_error error;
static Google__Rpc__Status *status;

static void read_back(void)
{
    char text[STATUS_DETAILS_BYTES];
    uint8_t bytes[STATUS_DETAILS_BYTES];
    size_t count;
    ck_assert(status_details_write(&error, text));
    ck_assert(base64_decode(text, strlen(text), bytes, &count));
    status = google__rpc__status__unpack(NULL, count, bytes);
    ck_assert_ptr_nonnull(status);
    ck_assert_int_eq(status->code, (int)error.status);
}

static void stop(void)
{
    if (status)
        google__rpc__status__free_unpacked(status, NULL);
}

static const ProtobufCBinaryData *detail(size_t index, const char *name)
{
    char url[100];
    ck_assert_uint_lt(index, status->n_details);
    snprintf(url, sizeof url, "type.googleapis.com/google.rpc.%s", name);
    ck_assert_str_eq(status->details[index]->type_url, url);
    return &status->details[index]->value;
}

static void check_error_info(const char *reason, const char *option, const char *limit)
{
    const ProtobufCBinaryData *bytes = detail(0, "ErrorInfo");
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(NULL, bytes->len, bytes->data);
    ck_assert_ptr_nonnull(info);
    ck_assert_str_eq(info->reason, reason);
    ck_assert_str_eq(info->domain, "vql");
    ck_assert_uint_eq(info->n_metadata, option ? 2 : 0);
    if (option) {
        ck_assert_str_eq(info->metadata[0]->key, "option");
        ck_assert_str_eq(info->metadata[0]->value, option);
        ck_assert_str_eq(info->metadata[1]->key, "limit");
        ck_assert_str_eq(info->metadata[1]->value, limit);
    }
    google__rpc__error_info__free_unpacked(info, NULL);
}

START_TEST(test_ok_has_none)
{
    char text[STATUS_DETAILS_BYTES];
    error = (grpc_error){.status = GRPC_OK, .pushback_ms = -1};
    ck_assert(!status_details_write(&error, text));
}
END_TEST

START_TEST(test_no_cause)
{
    grpc_fail(&error, GRPC_NOT_FOUND, "no such thing");
    read_back();
    ck_assert_str_eq(status->message, "no such thing");
    ck_assert_uint_eq(status->n_details, 1);
    check_error_info("NOT_FOUND", NULL, NULL);
}
END_TEST

START_TEST(test_a_field)
{
    grpc_fail_field(&error, GRPC_INVALID_ARGUMENT, "NEGATIVE", "events[3].time_ms: -1 is: no");
    read_back();
    ck_assert_uint_eq(status->n_details, 2);
    check_error_info("NEGATIVE", NULL, NULL);
    const ProtobufCBinaryData *bytes = detail(1, "BadRequest");
    Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(NULL, bytes->len, bytes->data);
    ck_assert_uint_eq(bad->n_field_violations, 1);
    ck_assert_str_eq(bad->field_violations[0]->field, "events[3].time_ms");
    ck_assert_str_eq(bad->field_violations[0]->description, "-1 is: no");
    google__rpc__bad_request__free_unpacked(bad, NULL);
}
END_TEST

START_TEST(test_a_limit)
{
    grpc_fail(&error, GRPC_RESOURCE_EXHAUSTED, "too many");
    grpc_error_limit(&error, "TOO_MANY_EVENTS", "max-events", UINT64_MAX);
    read_back();
    check_error_info("TOO_MANY_EVENTS", "max-events", "18446744073709551615");
}
END_TEST

START_TEST(test_a_pushback)
{
    grpc_fail(&error, GRPC_UNAVAILABLE, "busy");
    error.pushback_ms = 61250;
    read_back();
    ck_assert_uint_eq(status->n_details, 2);
    const ProtobufCBinaryData *bytes = detail(1, "RetryInfo");
    Google__Rpc__RetryInfo *retry = google__rpc__retry_info__unpack(NULL, bytes->len, bytes->data);
    ck_assert_int_eq(retry->retry_delay->seconds, 61);
    ck_assert_int_eq(retry->retry_delay->nanos, 250000000);
    google__rpc__retry_info__free_unpacked(retry, NULL);
}
END_TEST

/* Everything at its longest fits; a character that the message's end cuts is left out. */
START_TEST(test_the_longest)
{
    char text[300];
    memset(text, 'x', sizeof text);
    memcpy(text, "field: ", 7);
    memcpy(text + sizeof error.message - 2, "\xc3\xa9", 3);
    grpc_fail_field(&error, GRPC_INVALID_ARGUMENT, NULL, "%s", text);
    grpc_error_limit(&error, "A_REASON_OF_SOME_LENGTH", "an-option-of-some-length", UINT64_MAX);
    error.pushback_ms = INT64_MAX;
    read_back();
    ck_assert_uint_eq(status->n_details, 3);
    ck_assert_uint_eq(strlen(status->message), sizeof error.message - 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_details");
    TCase *tests = tcase_create("status_details");
    tcase_add_checked_fixture(tests, NULL, stop);
    tcase_add_test(tests, test_ok_has_none);
    tcase_add_test(tests, test_no_cause);
    tcase_add_test(tests, test_a_field);
    tcase_add_test(tests, test_a_limit);
    tcase_add_test(tests, test_a_pushback);
    tcase_add_test(tests, test_the_longest);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
