#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int new_file_open(new_file *file, const char *path)
{
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof file->path)
        return length == 0 ? ENOENT : ENAMETOOLONG;
    memcpy(file->path, path, length + 1);
    (void)snprintf(file->temporary, sizeof file->temporary, "%s.XXXXXX", path);
    const int descriptor = mkstemp(file->temporary);
    if (descriptor < 0)
        return errno;
    const mode_t mask = umask(0);
    (void)umask(mask);
    file->stream = fchmod(descriptor, 0666 & ~mask) == 0 ? fdopen(descriptor, "wb") : NULL;
    if (file->stream != NULL)
        return 0;
    const int error = errno;
    (void)close(descriptor);
    (void)unlink(file->temporary);
    return error;
}

/* Makes the name in its folder last; a file system that cannot is left alone. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        slash[slash == path] = '\0';
    const int folder = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    (void)fsync(folder);
    (void)close(folder);
}

int new_file_close(new_file *file, bool keep)
{
    int error = 0;
    if (keep && (fflush(file->stream) != 0 || ferror(file->stream) != 0 ||
                 fsync(fileno(file->stream)) != 0))
        error = errno != 0 ? errno : EIO;
    if (fclose(file->stream) != 0 && keep && error == 0)
        error = errno;
    if (keep && error == 0 && rename(file->temporary, file->path) != 0)
        error = errno;
    if (!keep || error != 0)
        (void)unlink(file->temporary);
    else
        sync_folder(file->path);
    return error;
}
