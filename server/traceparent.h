/*
 * The traceparent field of W3C Trace Context (https://www.w3.org/TR/trace-context/ §3.2): whose
 * trace a call belongs to.
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 */
#ifndef VQL_SERVER_TRACEPARENT_H
#define VQL_SERVER_TRACEPARENT_H

#include <stdbool.h>

enum { TRACE_ID_BYTES = 32, TRACE_PARENT_BYTES = 16 };

/* In lower-case hexadecimal digits, terminated. Zeros: there is no trace. */
typedef struct traceparent {
    char trace_id[TRACE_ID_BYTES + 1];
    char parent_id[TRACE_PARENT_BYTES + 1];
    bool sampled; /* the caller may have recorded its part of the trace */
} traceparent;

/*
 * Reads the field's value. A version higher than 00 may have more behind the flags. False, with
 * *out untouched: it is to be ignored.
 */
bool traceparent_parse(const char *text, traceparent *out);

#endif
