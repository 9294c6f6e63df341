#include "process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Fields of /proc/self/stat, counted from 1: proc(5). */
enum { STAT_STATE = 3, STAT_USER = 14, STAT_SYSTEM = 15, STAT_THREADS = 20, STAT_START = 22 };
enum { STAT_BYTES = 23, STAT_PAGES = 24 };

/* A field of the text that begins with STAT_STATE; 0: there is none. */
static uint64_t stat_field(const char *text, int field)
{
    for (int i = STAT_STATE; i < field && text; i++) {
        text = strchr(text, ' ');
        text += text != NULL;
    }
    return text ? strtoull(text, NULL, 10) : 0;
}

/* The second field is a name that may hold anything, in parentheses. */
static void look_at_stat(process_stats *out)
{
    char text[1024];
    struct timespec wall, boot;
    static double started; /* found once: two readings of the clocks differ a little */
    const char *name_end =
        read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : "";
    if (!name_end || strlen(name_end) < sizeof ") S")
        return;
    const char *rest = name_end + sizeof ") " - 1;
    const double hertz = (double)sysconf(_SC_CLK_TCK);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    const double booted =
        (double)(wall.tv_sec - boot.tv_sec) + 1e-9 * (double)(wall.tv_nsec - boot.tv_nsec);
    out->cpu_seconds =
        (double)(stat_field(rest, STAT_USER) + stat_field(rest, STAT_SYSTEM)) / hertz;
    if (started <= 0)
        started = booted + (double)stat_field(rest, STAT_START) / hertz;
    out->start_time = started;
    out->threads = stat_field(rest, STAT_THREADS);
    out->virtual_bytes = stat_field(rest, STAT_BYTES);
    out->resident_bytes = stat_field(rest, STAT_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
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
