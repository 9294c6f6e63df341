/*
 * gRPC's small change: status codes, timeouts and the encoding of status messages.
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and doc/statuscodes.md.
 */
#ifndef VQL_SERVER_GRPC_H
#define VQL_SERVER_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define GRPC_STATUSES(X)                                                                           \
    X(0, OK) X(1, CANCELLED) X(2, UNKNOWN) X(3, INVALID_ARGUMENT) X(4, DEADLINE_EXCEEDED)          \
    X(5, NOT_FOUND) X(6, ALREADY_EXISTS) X(7, PERMISSION_DENIED) X(8, RESOURCE_EXHAUSTED)          \
    X(9, FAILED_PRECONDITION) X(10, ABORTED) X(11, OUT_OF_RANGE) X(12, UNIMPLEMENTED)              \
    X(13, INTERNAL) X(14, UNAVAILABLE) X(15, DATA_LOSS) X(16, UNAUTHENTICATED)
/* clang-format on */

typedef enum grpc_status {
#define GRPC_STATUS_ENUM(number, name) GRPC_##name = number,
    GRPC_STATUSES(GRPC_STATUS_ENUM)
#undef GRPC_STATUS_ENUM
} grpc_status;

/* "INVALID_ARGUMENT"; a static string. "UNKNOWN" for a number that is no status. */
const char *grpc_status_name(grpc_status status);

/*
 * A call's outcome: OK, or a status with a text that names the field, the value and the limit, and
 * what programs are told of the cause (google.rpc.ErrorInfo and BadRequest).
 */
typedef struct grpc_error {
    grpc_status status;
    int64_t pushback_ms;    /* grpc-retry-pushback-ms; -1: none */
    const char *reason;     /* static, "TOO_MANY_CANDIDATES"; NULL: the status's name */
    const char *limit_name; /* static: the option that sets the limit; NULL: there is none */
    uint64_t limit;
    bool field; /* the message begins with the path of the field at fault and a colon */
    char message[256];
} grpc_error;

/*
 * Fills *error and returns status. pushback_ms is set to -1, the cause to none. A longer message is
 * cut off.
 */
grpc_status grpc_fail(grpc_error *error, grpc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a field, with whose path and a colon the message begins. */
grpc_status grpc_fail_field(grpc_error *error, grpc_status status, const char *reason,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds a limit that was reached. name and reason are static. */
void grpc_error_limit(grpc_error *error, const char *reason, const char *name, uint64_t limit);

/*
 * Parses a grpc-timeout value (1 to 8 digits and one of H M S m u n) into nanoseconds, saturating
 * at UINT64_MAX. False when it is malformed; *timeout_ns is then left as it was.
 */
bool grpc_timeout_parse(const char *text, size_t length, uint64_t *timeout_ns);

/*
 * Percent-encodes a status message (bytes outside 0x20 … 0x7E, and '%'). Writes at most capacity
 * bytes to out, never half an escape, unterminated, and returns how many.
 */
size_t grpc_message_encode(const char *text, char *out, size_t capacity);

#endif
