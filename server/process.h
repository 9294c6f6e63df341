/*
 * What the system says of this process (proc(5)), and the allocator of itself.
 */
#ifndef VQL_SERVER_PROCESS_H
#define VQL_SERVER_PROCESS_H

#include <stdint.h>

/* Zeros where the system does not say. */
typedef struct process_stats {
    double cpu_seconds; /* of all threads, in user and system mode */
    double start_time;  /* seconds since the Unix epoch */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds; /* max_fds: UINT64_MAX for no limit */
    uint64_t threads;
} process_stats;

void process_look(process_stats *out);

/* Of jemalloc, in bytes; zeros without it. */
typedef struct allocator_stats {
    uint64_t allocated, active, resident, mapped, metadata, retained;
} allocator_stats;

void process_look_at_allocator(allocator_stats *out);

#endif
