/*
 * A disk that fails when it is told to, and that says what it was asked to keep: loaded before
 * vqld's libraries (LD_PRELOAD), for files below the folder SHIM_STORE.
 *
 * In the folder SHIM_CONTROL: while there is a file "full", writes fail with ENOSPC; "broken", with
 * EIO; "unread", reads of sorted files do; "unsynced", fsync and fdatasync fail with EIO; "slow",
 * they take 5 ms. The file synced-INODE has the bytes of the file of that inode that were synced.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_told(const char *fault)
{
    char path[PATH_MAX];
    const char *control = getenv("SHIM_CONTROL");
    (void)snprintf(path, sizeof path, "%s/%s", control ? control : "", fault);
    return control && access(path, F_OK) == 0;
}

/* Whether the file is one of the store's whose name ends so. */
static bool is_stored_as(int fd, const char *end)
{
    char link[64], path[PATH_MAX];
    const char *folder = getenv("SHIM_STORE");
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = folder ? readlink(link, path, sizeof path - 1) : -1;
    if (length < (ssize_t)strlen(end) || strncmp(path, folder, strlen(folder)) != 0)
        return false;
    path[length] = '\0';
    return strcmp(path + length - strlen(end), end) == 0;
}

static bool is_stored(int fd)
{
    return is_stored_as(fd, "");
}

/* True when a write has to fail; errno is set. */
static bool refuses(int fd)
{
    if (!is_stored(fd) || !(is_told("full") || is_told("broken")))
        return false;
    errno = is_told("full") ? ENOSPC : EIO;
    return true;
}

static void note_synced(const struct stat *file)
{
    char path[PATH_MAX], size[32];
    (void)snprintf(path, sizeof path, "%s/synced-%llu", getenv("SHIM_CONTROL"),
                   (unsigned long long)file->st_ino);
    const int length = snprintf(size, sizeof size, "%lld\n", (long long)file->st_size);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_write, fd, size, (size_t)length) != length)
        abort();
    (void)close(fd);
}

static int sync_with(long number, int fd)
{
    struct stat file;
    const bool stored = is_stored(fd) && fstat(fd, &file) == 0;
    if (stored && is_told("unsynced")) {
        errno = EIO;
        return -1;
    }
    if (stored && is_told("slow"))
        (void)usleep(5000);
    const int result = (int)syscall(number, fd);
    if (stored && result == 0 && S_ISREG(file.st_mode))
        note_synced(&file);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    return refuses(fd) ? -1 : (ssize_t)syscall(SYS_write, fd, bytes, count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset)
{
    if (is_told("unread") && is_stored_as(fd, ".sst")) {
        errno = EIO;
        return -1;
    }
    return (ssize_t)syscall(SYS_pread64, fd, bytes, count, offset);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    return pread64(fd, bytes, count, offset);
}

int fsync(int fd)
{
    return sync_with(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_with(SYS_fdatasync, fd);
}
