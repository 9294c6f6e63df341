/*
 * Which calls get a line in the log: those that failed, took long, or whose caller samples their
 * trace; and not more than so many a second, so that neither an overload nor a client floods it.
 * What was left out is counted in the next line. One for each thread.
 */
#ifndef VQL_SERVER_CALL_LOG_H
#define VQL_SERVER_CALL_LOG_H

#include <stdint.h>

#include "grpc.h"
#include "traceparent.h"

typedef struct call_log {
    /* Set by the owner, and constant. */
    uint64_t slow_ns;    /* what takes as long is slow; 0: nothing is */
    uint32_t per_second; /* lines; 0: none */

    /* Zeros at first. */
    uint64_t second; /* the one that is counted */
    uint32_t lines;  /* in it */
    uint64_t left_out;
} call_log;

/* A call that has ended. */
typedef struct call_end {
    const char *path; /* NULL: of no service */
    grpc_status status;
    const char *message; /* NULL: none */
    uint64_t duration_ns;
    const traceparent *trace; /* trace_id empty: none */
} call_end;

/* l: NULL for no log. */
void call_log_end(call_log *l, const call_end *end, uint64_t now_ns);

#endif
