#include <string.h>

#include "check_main.h"
#include "request.h"

static request r;
static grpc_error error;
static uint64_t timeout_ns;

static void add(const char *name, const char *value)
{
    request_field(&r, (const uint8_t *)name, strlen(name), (const uint8_t *)value, strlen(value));
}

static void start(void)
{
    request_begin(&r);
    add(":method", "POST");
    add("content-type", "application/grpc");
    timeout_ns = 7;
}

START_TEST(test_good_request)
{
    add(":path", "/a/B");
    ck_assert_ptr_null(request_http_error(&r));
    ck_assert_int_eq(request_check(&r, 1000, &timeout_ns, &error), GRPC_OK);
    ck_assert_uint_eq(timeout_ns, UINT64_MAX);
    ck_assert_str_eq(r.path, "/a/B");
    ck_assert_str_eq(r.encoding, "");
}
END_TEST

START_TEST(test_timeout_and_encoding)
{
    add(":path", "/a/B");
    add("grpc-timeout", "20m");
    add("grpc-encoding", "snappy");
    ck_assert_int_eq(request_check(&r, 1000, &timeout_ns, &error), GRPC_OK);
    ck_assert_uint_eq(timeout_ns, 20000000);
    ck_assert_str_eq(r.encoding, "snappy");
}
END_TEST

START_TEST(test_a_new_request_knows_nothing_of_the_last)
{
    add("grpc-timeout", "bad");
    request_begin(&r);
    ck_assert_str_eq(request_http_error(&r), "405");
    add(":method", "POST");
    ck_assert_str_eq(request_http_error(&r), "415");
    add("content-type", "application/grpc+proto");
    add(":path", "/a/B");
    ck_assert_ptr_null(request_http_error(&r));
    ck_assert_int_eq(request_check(&r, 1000, &timeout_ns, &error), GRPC_OK);
}
END_TEST

START_TEST(test_missing_path)
{
    ck_assert_int_eq(request_check(&r, 1000, &timeout_ns, &error), GRPC_UNIMPLEMENTED);
    ck_assert_str_eq(error.message, ":path is missing");
}
END_TEST

START_TEST(test_size_counts_every_field)
{
    add(":path", "/a/B");
    add("x", "");
    /* Names and values of the four fields, and 32 bytes for each. */
    const uint32_t bytes = 7 + 4 + 12 + 16 + 5 + 4 + 1 + 4 * 32;
    ck_assert_int_eq(request_check(&r, bytes, &timeout_ns, &error), GRPC_OK);
    ck_assert_int_eq(request_check(&r, bytes - 1, &timeout_ns, &error), GRPC_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(error.message, "headers of 177 bytes are longer than the limit of 176 bytes");
}
END_TEST

/* Values longer than what is kept of them are cut off, and their length is remembered. */
START_TEST(test_long_values)
{
    char text[1000];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    add("grpc-encoding", text);
    ck_assert_uint_eq(strlen(r.encoding), REQUEST_ENCODING_BYTES - 1);
    add(":path", text);
    ck_assert_int_eq(request_check(&r, 10000, &timeout_ns, &error), GRPC_UNIMPLEMENTED);
    text[REQUEST_PATH_BYTES - 1] = '\0';
    add(":path", text);
    ck_assert_int_eq(request_check(&r, 10000, &timeout_ns, &error), GRPC_OK);
    ck_assert_str_eq(r.path, text);
    add("grpc-timeout", text);
    ck_assert_int_eq(request_check(&r, 10000, &timeout_ns, &error), GRPC_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "grpc-timeout: '1111111111111111111111111111111' is not 1 to 8 "
                                    "digits and one of H M S m u n");
}
END_TEST

START_TEST(test_metadata)
{
    static const char *const wanted[] = {"x-a", "x-b", NULL};
    static char value[REQUEST_METADATA_BYTES];
    r.wanted = wanted;
    request_begin(&r);
    add("x-a", "1");
    add("x-c", "2");
    add("x-a", "3");
    add("x-b", "");
    ck_assert_str_eq(request_metadata(&r, "x-a"), "1");
    ck_assert_str_eq(request_metadata(&r, "x-b"), "");
    ck_assert_ptr_null(request_metadata(&r, "x-c"));
    request_begin(&r);
    ck_assert_ptr_null(request_metadata(&r, "x-a"));

    /* What has no room is not there, and leaves the room to what has. */
    memset(value, 'v', sizeof value - 1);
    add("x-a", value);
    ck_assert_ptr_null(request_metadata(&r, "x-a"));
    value[sizeof value - 5] = '\0';
    add("x-a", value);
    add("x-b", "");
    ck_assert_str_eq(request_metadata(&r, "x-a"), value);
    ck_assert_ptr_null(request_metadata(&r, "x-b"));
}
END_TEST

static const struct {
    const char *text;
    bool gzip;
} lists[] = {{"gzip", true}, {"identity , gzip", true}, {"gzip,", true}, {"GZIP", false}};

START_TEST(test_accepted_encodings)
{
    add("grpc-accept-encoding", lists[_i].text);
    ck_assert_int_eq(r.accepts_gzip, lists[_i].gzip);
    add("grpc-accept-encoding", "identity");
    ck_assert_int_eq(r.accepts_gzip, lists[_i].gzip);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request");
    TCase *tests = tcase_create("request");
    tcase_add_checked_fixture(tests, start, NULL);
    tcase_add_test(tests, test_good_request);
    tcase_add_test(tests, test_timeout_and_encoding);
    tcase_add_test(tests, test_a_new_request_knows_nothing_of_the_last);
    tcase_add_test(tests, test_missing_path);
    tcase_add_test(tests, test_size_counts_every_field);
    tcase_add_test(tests, test_long_values);
    tcase_add_test(tests, test_metadata);
    tcase_add_loop_test(tests, test_accepted_encodings, 0, sizeof lists / sizeof *lists);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
