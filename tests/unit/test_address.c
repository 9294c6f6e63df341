/* HOST:PORT texts. */
#include "address.h"

#include <string.h>

#include "../support/check_main.h"

static const struct {
    const char *text, *host;
    uint16_t port;
} good[] = {
    {"127.0.0.1:7070", "127.0.0.1", 7070},
    {"localhost:0", "localhost", 0},
    {"[::1]:65535", "::1", 65535},
    {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
    {"a:00080", "a", 80},
    {"unix:80", "unix", 80},
};

START_TEST(address_is_taken_apart)
{
    address a;
    ck_assert(address_parse(good[_i].text, &a));
    ck_assert_str_eq(a.host, good[_i].host);
    ck_assert_uint_eq(a.port, good[_i].port);
}
END_TEST

static const char *const bad[] = {
    "",
    ":",
    ":80",
    "host",
    "host:",
    "host:x",
    "host:80x",
    "host: 80",
    "host:-1",
    "h:65536",
    "h:4294967296",
    "::1:80",
    "[]:80",
    "[::1]",
    "h:99999999999999999999",
};

START_TEST(anything_else_is_refused)
{
    address a = {.host = "kept", .port = 1};
    ck_assert(!address_parse(bad[_i], &a));
    ck_assert_str_eq(a.host, "kept");
    ck_assert_uint_eq(a.port, 1);
}
END_TEST

START_TEST(host_is_bounded)
{
    char text[ADDRESS_HOST_BYTES + sizeof ":1"];
    address a;
    memset(text, 'h', ADDRESS_HOST_BYTES);
    memcpy(text + ADDRESS_HOST_BYTES, ":1", sizeof ":1");
    ck_assert(!address_parse(text, &a));
    ck_assert(address_parse(text + 1, &a));
    ck_assert_uint_eq(strlen(a.host), ADDRESS_HOST_BYTES - 1);
}
END_TEST

START_TEST(paths)
{
    address a = {.host = "kept"};
    ck_assert(address_parse("unix:/run/vql/socket", &a));
    ck_assert_str_eq(a.path, "/run/vql/socket");
    ck_assert_str_eq(a.host, "");
    ck_assert(address_parse("h:1", &a));
    ck_assert_str_eq(a.path, "");
    ck_assert(!address_parse("unix:relative", &a));
    ck_assert(!address_parse("unix:", &a));
    char text[ADDRESS_PATH_BYTES + sizeof "unix:"];
    memset(text, 'p', sizeof text);
    memcpy(text, "unix:/", 6);
    text[sizeof text - 1] = '\0';
    ck_assert(!address_parse(text, &a));
    text[sizeof text - 2] = '\0';
    ck_assert(address_parse(text, &a));
    ck_assert_uint_eq(strlen(a.path), ADDRESS_PATH_BYTES - 1);
}
END_TEST

START_TEST(lists)
{
    address a[3];
    ck_assert_uint_eq(address_list_parse("h:1", a, 3), 1);
    ck_assert_uint_eq(address_list_parse("h:1,unix:/s,[::1]:2", a, 3), 3);
    ck_assert_uint_eq(a[0].port, 1);
    ck_assert_str_eq(a[1].path, "/s");
    ck_assert_str_eq(a[2].host, "::1");
    ck_assert_uint_eq(address_list_parse("h:1,h:2,h:3,h:4", a, 3), 0);
    ck_assert_uint_eq(address_list_parse("", a, 3), 0);
    ck_assert_uint_eq(address_list_parse("h:1,", a, 3), 0);
    ck_assert_uint_eq(address_list_parse(",h:1", a, 3), 0);
    ck_assert_uint_eq(address_list_parse("h:1, h:2", a, 3), 2); /* a host " h" is not found */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *parse = tcase_create("parse");
    tcase_add_loop_test(parse, address_is_taken_apart, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(parse, anything_else_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(parse, host_is_bounded);
    tcase_add_test(parse, paths);
    tcase_add_test(parse, lists);
    suite_add_tcase(suite, parse);
    return check_main(suite);
}
