/* Unix sockets: whose file is replaced, and whose is not. */
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "certificates.h"
#include "check_main.h"
#include "log.h"

static char folder[CERTIFICATE_PATH_BYTES];
static address where;
static char lock[ADDRESS_PATH_BYTES + 8];
static listener l;

static void setup(void)
{
    folder_make(folder);
    char text[CERTIFICATE_PATH_BYTES + 16];
    (void)snprintf(text, sizeof text, "unix:%s/socket", folder);
    ck_assert(address_parse(text, &where));
    (void)snprintf(lock, sizeof lock, "%s.lock", where.path);
}

static void teardown(void)
{
    folder_remove(folder);
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A connection to the socket; -1 with errno. */
static int reach(void)
{
    struct sockaddr_un address_of = {.sun_family = AF_UNIX};
    memcpy(address_of.sun_path, where.path, strlen(where.path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (const struct sockaddr *)&address_of, sizeof address_of) == 0)
        return fd;
    const int error = errno;
    ck_assert_int_eq(close(fd), 0);
    errno = error;
    return -1;
}

START_TEST(mode_and_end)
{
    struct stat info;
    ck_assert(listener_open(&l, &where, 0620));
    ck_assert_int_eq(lstat(where.path, &info), 0);
    ck_assert(S_ISSOCK(info.st_mode));
    ck_assert_uint_eq(info.st_mode & 0777U, 0620);
    const int first = listener_socket(&l);
    const int second = listener_socket(&l);
    ck_assert_int_eq(listen(first, 5), 0);
    const int client = reach();
    ck_assert_int_ge(client, 0);
    const int accepted = accept(second, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(close(client) + close(accepted) + close(first) + close(second), 0);
    char text[LISTENER_TEXT_BYTES];
    listener_format(&l, text);
    ck_assert_ptr_nonnull(strstr(text, "unix:/"));
    listener_close(&l);
    ck_assert(!exists(where.path));
}
END_TEST

START_TEST(a_second_server)
{
    listener other;
    ck_assert(listener_open(&l, &where, 0600));
    ck_assert(!listener_open(&other, &where, 0600));
    ck_assert(exists(where.path));
    listener_close(&l);
    ck_assert(listener_open(&other, &where, 0600));
    listener_close(&other);
}
END_TEST

/* A socket bound and not served, as a server that was killed leaves it. */
static int leave_socket(void)
{
    struct sockaddr_un address_of = {.sun_family = AF_UNIX};
    memcpy(address_of.sun_path, where.path, strlen(where.path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address_of, sizeof address_of), 0);
    return fd;
}

START_TEST(a_stale_socket_is_replaced)
{
    ck_assert_int_eq(close(leave_socket()), 0);
    ck_assert_int_eq(reach(), -1);
    ck_assert(listener_open(&l, &where, 0600));
    listener_close(&l);
}
END_TEST

/* Somebody listens there without the lock: another program. */
START_TEST(a_served_socket_is_not)
{
    const int fd = leave_socket();
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert(!listener_open(&l, &where, 0600));
    const int client = reach();
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(close(client) + close(fd), 0);
}
END_TEST

START_TEST(a_file_is_not)
{
    FILE *file = fopen(where.path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert(!listener_open(&l, &where, 0600));
    ck_assert(exists(where.path));
    ck_assert_int_eq(unlink(where.path), 0);
    /* Nor what a link leads to. */
    ck_assert_int_eq(symlink(lock, where.path), 0);
    ck_assert(!listener_open(&l, &where, 0600));
    ck_assert(exists(where.path));
}
END_TEST

/* At the end only the listener's own socket goes. */
START_TEST(a_strangers_socket_stays)
{
    ck_assert(listener_open(&l, &where, 0600));
    ck_assert_int_eq(unlink(where.path), 0);
    const int fd = leave_socket();
    listener_close(&l);
    ck_assert(exists(where.path));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(tcp_ports)
{
    listener other;
    char text[LISTENER_TEXT_BYTES];
    ck_assert(address_parse("127.0.0.1:0", &where));
    ck_assert(listener_open(&l, &where, 0));
    const int first = listener_socket(&l);
    const int second = listener_socket(&l); /* the same port */
    ck_assert_int_eq(listen(first, 5) + listen(second, 5), 0);
    listener_format(&l, text);
    ck_assert_int_eq(strncmp(text, "127.0.0.1:", 10), 0);
    ck_assert(address_parse(text, &where));
    ck_assert_uint_gt(where.port, 0);
    ck_assert(!listener_open(&other, &where, 0));
    ck_assert_int_eq(close(first) + close(second), 0);
    listener_close(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *tests = tcase_create("listener");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, mode_and_end);
    tcase_add_test(tests, a_second_server);
    tcase_add_test(tests, a_stale_socket_is_replaced);
    tcase_add_test(tests, a_served_socket_is_not);
    tcase_add_test(tests, a_file_is_not);
    tcase_add_test(tests, a_strangers_socket_stays);
    tcase_add_test(tests, tcp_ports);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
