/* systemd's protocol, with a socket of the test's at the other end. */
#include "supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check_main.h"

/* A bound datagram socket; length is the name's, of which an abstract one begins with NUL. */
static int listen_at(const char *name, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, length);
    const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void check_told(int fd, const char *state)
{
    char text[64];
    ck_assert(supervisor_tell(state));
    const ssize_t length = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    ck_assert_str_eq(text, state);
}

START_TEST(nobody_waits)
{
    unsetenv("NOTIFY_SOCKET");
    ck_assert(supervisor_tell("READY=1"));
    setenv("NOTIFY_SOCKET", "", 1);
    ck_assert(supervisor_tell("READY=1"));
}
END_TEST

START_TEST(a_path)
{
    char folder[] = "/tmp/vql-supervisor-XXXXXX";
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    const int fd = listen_at(path, strlen(path));
    setenv("NOTIFY_SOCKET", path, 1);
    check_told(fd, "READY=1");
    check_told(fd, "STOPPING=1");
    (void)close(fd);
    ck_assert(!supervisor_tell("STOPPING=1"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!supervisor_tell("STOPPING=1"));
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(an_abstract_name)
{
    char name[64];
    (void)snprintf(name, sizeof name, "@vql-supervisor-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    const size_t length = strlen(name);
    name[0] = '\0';
    const int fd = listen_at(name, length);
    check_told(fd, "READY=1");
    (void)close(fd);
}
END_TEST

START_TEST(no_name)
{
    char name[256];
    setenv("NOTIFY_SOCKET", "relative", 1);
    ck_assert(!supervisor_tell("READY=1"));
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    ck_assert(!supervisor_tell("READY=1"));
    memset(name, 'a', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    ck_assert(!supervisor_tell("READY=1"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("supervisor");
    TCase *t = tcase_create("tell");
    tcase_add_test(t, nobody_waits);
    tcase_add_test(t, a_path);
    tcase_add_test(t, an_abstract_name);
    tcase_add_test(t, no_name);
    suite_add_tcase(s, t);
    return check_main(s);
}
