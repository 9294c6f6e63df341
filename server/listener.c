#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

_Static_assert(ADDRESS_PATH_BYTES <= sizeof((struct sockaddr_un *)0)->sun_path,
               "a path of an address fits a socket's");

static const char unix_format[] = "unix:%s";

/* Logs why an address cannot be listened on, and returns false. */
static bool fail(const listener *l, const char *why)
{
    char text[LISTENER_TEXT_BYTES];
    if (l->where.path[0] != '\0')
        (void)snprintf(text, sizeof text, unix_format, l->where.path);
    else
        (void)snprintf(text, sizeof text, "%s:%u", l->where.host, l->where.port);
    log_error("cannot listen", log_str("listen", text), log_str("error", why));
    return false;
}

/* A bound TCP socket; -1 with errno. */
static int bind_tcp(const struct addrinfo *info, bool shared)
{
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    const int on = 1;
    const int share = shared;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0)
        return fd;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/*
 * Looks the host up, and whether the address is free. Workers share it, so that the kernel spreads
 * connections over them; with another server, which shares its own likewise, it would spread users
 * over two stores.
 */
static bool open_tcp(listener *l)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", l->where.port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const int result = getaddrinfo(l->where.host, port, &hints, &l->info);
    if (result != 0) {
        l->info = NULL;
        return fail(l, gai_strerror(result));
    }
    const int fd = bind_tcp(l->info, false);
    if (fd < 0)
        return fail(l, strerror(errno));
    (void)close(fd);
    return true;
}

/* Locks PATH.lock for as long as the process lives or the listener is open. */
static bool take_lock(listener *l)
{
    char path[ADDRESS_PATH_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s.lock", l->where.path);
    l->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->lock < 0)
        return fail(l, strerror(errno));
    if (flock(l->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    return fail(l, errno == EWOULDBLOCK ? "another server listens there" : strerror(errno));
}

static struct sockaddr_un unix_address(const listener *l)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    memcpy(where.sun_path, l->where.path, strlen(l->where.path));
    return where;
}

/* Whether somebody accepts connections on a socket that is there already. */
static bool is_served(const struct sockaddr_un *where)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    const bool refused =
        connect(fd, (const struct sockaddr *)where, sizeof *where) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

/* Takes away the socket that a server left that did not end in order; nothing else. */
static bool remove_stale(listener *l, const struct sockaddr_un *where)
{
    struct stat info;
    if (lstat(where->sun_path, &info) != 0)
        return errno == ENOENT || fail(l, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return fail(l, "the path exists and is no socket");
    if (is_served(where))
        return fail(l, "another server listens there");
    if (unlink(where->sun_path) != 0)
        return fail(l, strerror(errno));
    log_info("stale socket removed", log_str("path", where->sun_path));
    return true;
}

/* Binds the socket, whose file has its mode from the start. */
static bool bind_unix(listener *l, const struct sockaddr_un *where, uint32_t mode)
{
    struct stat info;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return fail(l, strerror(errno));
    const mode_t old = umask(~(mode_t)mode & 0777);
    const int result = bind(l->fd, (const struct sockaddr *)where, sizeof *where);
    const int error = errno;
    (void)umask(old);
    if (result != 0)
        return fail(l, strerror(error));
    if (lstat(where->sun_path, &info) == 0) {
        l->device = info.st_dev;
        l->file = info.st_ino;
    }
    return true;
}

static bool open_unix(listener *l, uint32_t mode)
{
    const struct sockaddr_un where = unix_address(l);
    return take_lock(l) && remove_stale(l, &where) && bind_unix(l, &where, mode);
}

bool listener_open(listener *l, const address *where, uint32_t mode)
{
    *l = (listener){.where = *where, .fd = -1, .lock = -1};
    const bool ok = where->path[0] != '\0' ? open_unix(l, mode) : open_tcp(l);
    if (!ok)
        listener_close(l);
    return ok;
}

void listener_close(listener *l)
{
    struct stat info;
    if (l->info)
        freeaddrinfo(l->info);
    if (l->fd >= 0) {
        if (lstat(l->where.path, &info) == 0 && info.st_dev == l->device && info.st_ino == l->file)
            (void)unlink(l->where.path);
        (void)close(l->fd);
    }
    if (l->lock >= 0)
        (void)close(l->lock);
    *l = (listener){.fd = -1, .lock = -1};
}

int listener_socket(listener *l)
{
    const int fd = l->info ? bind_tcp(l->info, true) : fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        (void)fail(l, strerror(errno));
        return -1;
    }
    /* The port that the system chose for the first socket is the others', too. */
    if (l->info && getsockname(fd, l->info->ai_addr, &l->info->ai_addrlen) != 0) {
        (void)fail(l, strerror(errno));
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool listener_is_local(const listener *l)
{
    if (!l->info)
        return true;
    if (l->info->ai_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)l->info->ai_addr;
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct sockaddr_in6 *v6 = (const void *)l->info->ai_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void listener_format(const listener *l, char *out)
{
    char host[256];
    char port[16];
    out[0] = '\0';
    if (!l->info) {
        (void)snprintf(out, LISTENER_TEXT_BYTES, unix_format, l->where.path);
        return;
    }
    if (getnameinfo(l->info->ai_addr, l->info->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    const bool brackets = l->info->ai_family == AF_INET6;
    (void)snprintf(out, LISTENER_TEXT_BYTES, "%s%s%s:%s", brackets ? "[" : "", host,
                   brackets ? "]" : "", port);
}
