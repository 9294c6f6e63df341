#include "supervisor.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

/* Fills in *address and returns its length; 0: the name is none. */
static socklen_t parse_name(const char *name, struct sockaddr_un *address)
{
    const size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length >= sizeof address->sun_path)
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, length);
    if (name[0] == '@')
        address->sun_path[0] = '\0'; /* an abstract name ends where the address does */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* 0 or errno's value. */
static int send_to(const char *name, const char *state)
{
    struct sockaddr_un address;
    const socklen_t length = parse_name(name, &address);
    if (length == 0)
        return EINVAL;
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    const ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    const int error = sent < 0 ? errno : 0;
    (void)close(fd);
    return error;
}

bool supervisor_tell(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name || name[0] == '\0')
        return true;
    const int error = send_to(name, state);
    if (error != 0)
        log_warn("cannot tell the supervisor", log_str("notify_socket", name),
                 log_str("state", state), log_str("error", strerror(error)));
    return error == 0;
}
