#include "protocol.h"

#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "decimal.h"

const char *vqlc_status_name(vqlc_status status)
{
    static const char *const names[] = {
#define STATUS_NAME(number, name) [number] = #name,
        VQLC_STATUSES(STATUS_NAME)
#undef STATUS_NAME
    };
    const size_t count = sizeof names / sizeof names[0];
    return (size_t)status < count ? names[status] : "UNKNOWN";
}

vqlc_status protocol_status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return VQLC_INTERNAL;
    case 401:
        return VQLC_UNAUTHENTICATED;
    case 403:
        return VQLC_PERMISSION_DENIED;
    case 404:
        return VQLC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return VQLC_UNAVAILABLE;
    default:
        return VQLC_UNKNOWN;
    }
}

vqlc_status protocol_status_of_reset(uint32_t error_code)
{
    switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
        return VQLC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return VQLC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return VQLC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return VQLC_PERMISSION_DENIED;
    case NGHTTP2_STREAM_CLOSED:
    case NGHTTP2_HTTP_1_1_REQUIRED:
        return VQLC_UNKNOWN;
    default:
        return VQLC_INTERNAL;
    }
}

vqlc_status protocol_status_parse(const uint8_t *text, size_t length)
{
    uint64_t number;
    if (!decimal_parse((const char *)text, length, VQLC_UNAUTHENTICATED, &number))
        return VQLC_UNKNOWN;
    return (vqlc_status)number;
}

int64_t protocol_pushback_parse(const uint8_t *text, size_t length)
{
    uint64_t number;
    if (!decimal_parse((const char *)text, length, INT64_MAX, &number))
        return -1;
    return (int64_t)number;
}

void protocol_timeout_format(uint64_t timeout_ns, char out[PROTOCOL_TIMEOUT_BYTES])
{
    static const struct {
        char unit;
        uint64_t nanoseconds;
    } units[] = {
        {'n', 1},
        {'u', 1000},
        {'m', 1000000},
        {'S', 1000000000},
        {'M', UINT64_C(60) * 1000000000},
        {'H', UINT64_C(3600) * 1000000000},
    };
    const uint64_t max_count = 99999999;

    /* UINT64_MAX nanoseconds are five million hours: the last unit always fits. */
    size_t i = 0;
    while (timeout_ns / units[i].nanoseconds >= max_count && units[i].unit != 'H')
        i++;
    const uint64_t whole = timeout_ns / units[i].nanoseconds;
    const uint64_t count = whole + (timeout_ns % units[i].nanoseconds != 0);
    (void)snprintf(out, PROTOCOL_TIMEOUT_BYTES, "%" PRIu32 "%c", (uint32_t)count, units[i].unit);
}

/* The value of a hexadecimal digit; -1 when it is none. */
static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Whether text begins with an escape that stands for a byte other than 0, and which. */
static bool escaped_byte(const uint8_t *text, size_t length, uint8_t *byte)
{
    if (length < 3 || text[0] != '%')
        return false;
    const int high = hex_value(text[1]);
    const int low = hex_value(text[2]);
    if (high < 0 || low < 0 || high + low == 0)
        return false;
    *byte = (uint8_t)(high * 16 + low);
    return true;
}

/* The length of text without a UTF-8 sequence that its end cuts. */
static size_t whole_characters(const char *text, size_t length)
{
    size_t begin = length;
    while (begin > 0 && length - begin < 3 && ((uint8_t)text[begin - 1] & 0xC0) == 0x80)
        begin--;
    if (begin == 0)
        return length;
    const uint8_t lead = (uint8_t)text[begin - 1];
    const size_t needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return length - (begin - 1) < needed ? begin - 1 : length;
}

void protocol_message_decode(const uint8_t *text, size_t length, char *out, size_t capacity)
{
    size_t read = 0;
    size_t written = 0;
    while (read < length && written + 1 < capacity) {
        uint8_t byte = text[read];
        const bool escaped = escaped_byte(text + read, length - read, &byte);
        read += escaped ? 3 : 1;
        out[written++] = (char)byte;
    }
    if (read < length)
        written = whole_characters(out, written);
    out[written] = '\0';
}
