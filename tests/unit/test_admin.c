/* The admin port over real sockets: which requests get a page, and what others are told. */
#include "admin.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check_main.h"
#include "limit.h"

enum { ANSWER_BYTES = 4096 };

static admin *server;
static struct sockaddr_in where;
static char answer[ANSWER_BYTES];
static int shown;

static void show_argument(void *context, const admin_request *asked, admin_answer *out)
{
    const char *user = admin_argument(asked, "user");
    shown++;
    out->type = admin_json;
    (void)fprintf(out->body, "%s %s", (const char *)context, user ? user : "nobody");
}

static void show_trouble(void *context, const admin_request *asked, admin_answer *out)
{
    (void)context, (void)asked;
    out->status = 503;
    (void)fputs("trouble\n", out->body);
}

static void start(bool local)
{
    static char text[] = "user";
    socklen_t bytes = sizeof where;
    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&where, &bytes), 0);
    const admin_page pages[] = {{"/user", show_argument, text}, {"/trouble", show_trouble, NULL}};
    shown = 0;
    server = admin_start(fd, local, pages, 2);
    ck_assert_ptr_nonnull(server);
}

static void setup(void)
{
    start(true);
}

static void teardown(void)
{
    admin_stop(server);
}

static int reach(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

/* Sends a request and reads the answer until the server closes. */
static void ask(const char *request)
{
    const int fd = reach();
    size_t count = 0;
    ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    for (;;) {
        const ssize_t got = recv(fd, answer + count, sizeof answer - 1 - count, 0);
        if (got <= 0)
            break;
        count += (size_t)got;
    }
    answer[count] = '\0';
    ck_assert_int_eq(close(fd), 0);
}

static void check(const char *status, const char *part)
{
    ck_assert_msg(strncmp(answer, status, strlen(status)) == 0, "%s", answer);
    ck_assert_msg(strstr(answer, part) != NULL, "%s", answer);
}

#define END "Connection: close\r\n\r\n"

START_TEST(a_page_is_shown)
{
    ask("GET /user?user=%31%32 HTTP/1.1\r\nHost: localhost:80\r\n" END);
    check("HTTP/1.1 200", "\r\n\r\nuser 12");
    check("HTTP/1.1 200", "Content-Type: application/json\r\n");
    check("HTTP/1.1 200", "X-Content-Type-Options: nosniff\r\n");
    ask("GET /user HTTP/1.1\r\nHost: 127.0.0.1\r\n" END);
    check("HTTP/1.1 200", "\r\n\r\nuser nobody");
    ask("GET /trouble HTTP/1.1\r\nHost: [::1]:80\r\n" END);
    check("HTTP/1.1 503", "trouble\n");
    ck_assert_int_eq(shown, 2);
}
END_TEST

START_TEST(head_has_no_body)
{
    ask("HEAD /user HTTP/1.1\r\nHost: localhost\r\n" END);
    check("HTTP/1.1 200", "Content-Length: 11\r\n");
    ck_assert_ptr_null(strstr(answer, "nobody"));
}
END_TEST

START_TEST(others_are_refused)
{
    ask("GET /users HTTP/1.1\r\nHost: localhost\r\n" END);
    check("HTTP/1.1 404", "no page /users; there are:\n/user\n/trouble\n");
    ask("POST /user HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n" END "abc");
    check("HTTP/1.1 405", "Allow: GET, HEAD\r\n");
    ask("GET /user HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n" END "abc");
    check("HTTP/1.1 400", "no body");
    ask("GET /user HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\n");
    check("HTTP/1.1 400", "no body");
    ask("nonsense\r\n\r\n");
    ck_assert_int_eq(shown, 0);
}
END_TEST

START_TEST(names_that_may_have_been_rebound_are_refused)
{
    ask("GET /user HTTP/1.1\r\nHost: rebound.example\r\n" END);
    check("HTTP/1.1 421", "localhost or a number");
    ask("GET /user HTTP/1.1\r\nHost: localhost.rebound.example\r\n" END);
    check("HTTP/1.1 421", "localhost or a number");
    ask("GET /user HTTP/1.1\r\nHost: 127.0.0.1.rebound.example\r\n" END);
    check("HTTP/1.1 421", "localhost or a number");
    ck_assert_int_eq(shown, 0);
    admin_stop(server);
    start(false);
    ask("GET /user HTTP/1.1\r\nHost: vqld.example\r\n" END);
    check("HTTP/1.1 200", "user nobody");
}
END_TEST

START_TEST(headers_have_a_bound)
{
    static char request[2 * LIMIT_ADMIN_CONNECTION_BYTES];
    (void)snprintf(request, sizeof request,
                   "GET /user HTTP/1.1\r\nHost: localhost\r\nX: %0*d\r\n" END,
                   LIMIT_ADMIN_CONNECTION_BYTES, 0);
    ask(request);
    check("HTTP/1.1 4", "");
    ck_assert_int_eq(shown, 0);
}
END_TEST

/* Beyond the bound a connection is closed, or waits; when others have gone there is room again. */
START_TEST(connections_have_a_bound)
{
    int fds[LIMIT_ADMIN_CONNECTIONS];
    for (size_t i = 0; i < LIMIT_ADMIN_CONNECTIONS; i++)
        fds[i] = reach();
    for (size_t i = 0; i < LIMIT_ADMIN_CONNECTIONS; i++)
        ck_assert_int_eq(close(fds[i]), 0);
    ask("GET /user HTTP/1.1\r\nHost: localhost\r\n" END);
    check("HTTP/1.1 200", "user nobody");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin");
    TCase *t = tcase_create("admin");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_page_is_shown);
    tcase_add_test(t, head_has_no_body);
    tcase_add_test(t, others_are_refused);
    tcase_add_test(t, names_that_may_have_been_rebound_are_refused);
    tcase_add_test(t, headers_have_a_bound);
    tcase_add_test(t, connections_have_a_bound);
    suite_add_tcase(s, t);
    return check_main(s);
}
