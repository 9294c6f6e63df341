#include "file_stamp.h"

#include <stddef.h>
#include <sys/stat.h>

file_stamp file_stamp_of(const char *path)
{
    struct stat info;
    if (!path || stat(path, &info) != 0)
        return (file_stamp){0};
    return (file_stamp){
        .device = info.st_dev,
        .file = info.st_ino,
        .bytes = (uint64_t)info.st_size,
        .seconds = info.st_mtim.tv_sec,
        .nanoseconds = info.st_mtim.tv_nsec,
    };
}

bool file_stamp_equal(const file_stamp *a, const file_stamp *b)
{
    return a->device == b->device && a->file == b->file && a->bytes == b->bytes &&
           a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}
