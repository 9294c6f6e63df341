#include "grpc.h"

#include <stdarg.h>
#include <stdio.h>

enum { TIMEOUT_MAX_DIGITS = 8 };

const char *grpc_status_name(grpc_status status)
{
    switch (status) {
#define GRPC_STATUS_NAME(number, name)                                                             \
    case GRPC_##name:                                                                              \
        return #name;
        GRPC_STATUSES(GRPC_STATUS_NAME)
#undef GRPC_STATUS_NAME
    }
    return "UNKNOWN";
}

/* Writes the message over whatever the error was. */
static void fill(grpc_error *error, grpc_status status, const char *format, va_list arguments)
{
    error->status = status;
    error->pushback_ms = -1;
    error->reason = NULL;
    error->limit_name = NULL;
    error->limit = 0;
    error->field = false;
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

grpc_status grpc_fail(grpc_error *error, grpc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, format, arguments);
    va_end(arguments);
    return status;
}

grpc_status grpc_fail_field(grpc_error *error, grpc_status status, const char *reason,
                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, format, arguments);
    va_end(arguments);
    error->reason = reason;
    error->field = true;
    return status;
}

void grpc_error_limit(grpc_error *error, const char *reason, const char *name, uint64_t limit)
{
    error->reason = reason;
    error->limit_name = name;
    error->limit = limit;
}

/* The nanoseconds of one unit; 0: no such unit. */
static uint64_t timeout_unit_ns(char unit)
{
    switch (unit) {
    case 'n':
        return 1;
    case 'u':
        return 1000;
    case 'm':
        return 1000 * UINT64_C(1000);
    case 'S':
        return 1000 * UINT64_C(1000000);
    case 'M':
        return 60 * UINT64_C(1000000000);
    case 'H':
        return 3600 * UINT64_C(1000000000);
    default:
        return 0;
    }
}

bool grpc_timeout_parse(const char *text, size_t length, uint64_t *timeout_ns)
{
    if (length < 2 || length > TIMEOUT_MAX_DIGITS + 1)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < length - 1; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(text[i] - '0');
    }
    const uint64_t unit_ns = timeout_unit_ns(text[length - 1]);
    if (unit_ns == 0)
        return false;
    *timeout_ns = value > UINT64_MAX / unit_ns ? UINT64_MAX : value * unit_ns;
    return true;
}

size_t grpc_message_encode(const char *text, char *out, size_t capacity)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t count = 0;
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        const bool plain = byte >= 0x20 && byte <= 0x7E && byte != '%';
        const size_t width = plain ? 1 : 3;
        if (width > capacity - count)
            break;
        if (plain) {
            out[count] = *text;
        } else {
            out[count] = '%';
            out[count + 1] = hex[byte >> 4];
            out[count + 2] = hex[byte & 0xF];
        }
        count += width;
    }
    return count;
}
