#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifdef VQL_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

/* Reads a small file of proc. False: it cannot be read. */
static bool read_text(const char *path, char *out, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const size_t count = fread(out, 1, capacity - 1, file);
    out[count] = '\0';
    (void)fclose(file);
    return count > 0;
}

/* Behind the name, which may hold anything, the fields from the third on: proc(5). */
static void look_at_stat(process_stats *out)
{
    char text[1024];
    uint64_t user, system, start, bytes;
    int64_t threads, pages;
    const char *rest = read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    if (!rest || sscanf(rest,
                        ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                        " %*d %*d %*d %*d %" SCNd64 " %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
                        &user, &system, &threads, &start, &bytes, &pages) != 6)
        return;
    const double hertz = (double)sysconf(_SC_CLK_TCK);
    struct timespec wall, boot;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    const double booted =
        (double)(wall.tv_sec - boot.tv_sec) + 1e-9 * (double)(wall.tv_nsec - boot.tv_nsec);
    out->cpu_seconds = (double)(user + system) / hertz;
    out->start_time = booted + (double)start / hertz;
    out->threads = (uint64_t)threads;
    out->virtual_bytes = bytes;
    out->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_fds(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *e = readdir(folder); e; e = readdir(folder))
        count += e->d_name[0] != '.';
    (void)closedir(folder);
    return count - 1; /* without the folder's own */
}

void process_look(process_stats *out)
{
    struct rlimit limit;
    *out = (process_stats){.open_fds = count_fds()};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->max_fds = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    look_at_stat(out);
}

#ifdef VQL_JEMALLOC
static uint64_t read_stat(const char *name)
{
    size_t value = 0, bytes = sizeof value;
    return mallctl(name, &value, &bytes, NULL, 0) == 0 ? value : 0;
}

void process_look_at_allocator(allocator_stats *out)
{
    uint64_t epoch = 1;
    size_t bytes = sizeof epoch;
    (void)mallctl("epoch", &epoch, &bytes, &epoch, bytes);
    *out = (allocator_stats){
        .allocated = read_stat("stats.allocated"),
        .active = read_stat("stats.active"),
        .resident = read_stat("stats.resident"),
        .mapped = read_stat("stats.mapped"),
        .metadata = read_stat("stats.metadata"),
        .retained = read_stat("stats.retained"),
    };
}
#else
void process_look_at_allocator(allocator_stats *out)
{
    *out = (allocator_stats){0};
}
#endif
