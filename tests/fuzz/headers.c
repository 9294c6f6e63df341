/*
 * Header fields of a request, a line each, `name:value`, to what reads them; each value also to
 * the parser of timeouts, and to the encoding of status messages, which must come back as it was.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "protocol.h"
#include "request.h"
#include "target.h"
#include "utf8.h"

enum { MAX_HEADER_BYTES = 4096 };

/* RFC 9113 leaves it to gRPC: 1 to 8 digits and a unit; in nanoseconds, at most UINT64_MAX. */
static bool read_timeout(const char *text, size_t length, uint64_t *timeout_ns)
{
    static const char units[] = "numSMH";
    static const double unit_ns[] = {1, 1e3, 1e6, 1e9, 60e9, 3600e9};
    if (length < 2 || length > 9 || text[length - 1] == '\0')
        return false;
    const char *unit = strchr(units, text[length - 1]);
    if (!unit || strspn(text, "0123456789") < length - 1)
        return false;
    const double ns = (double)strtoul(text, NULL, 10) * unit_ns[unit - units];
    *timeout_ns = ns < 0x1p64 ? (uint64_t)ns : UINT64_MAX;
    return true;
}

static void check_timeout(const uint8_t *value, size_t length)
{
    char text[16] = "";
    uint64_t expected = 0;
    uint64_t parsed = 0;
    memcpy(text, value, length < sizeof text - 1 ? length : sizeof text - 1);
    const bool good = read_timeout(text, length, &expected);
    assert(grpc_timeout_parse((const char *)value, length, &parsed) == good);
    /* Numbers above 2^53 are as near as a double is. */
    const uint64_t difference = parsed > expected ? parsed - expected : expected - parsed;
    assert(!good || difference <= expected >> 52);
}

/* A message of any bytes but NUL is encoded in printable ASCII, and decoded to the same bytes. */
static void check_message(const uint8_t *value, size_t length)
{
    char text[256];
    char encoded[768];
    char decoded[256];
    const size_t bytes = strnlen((const char *)value, length < 255 ? length : 255);
    memcpy(text, value, bytes);
    text[bytes] = '\0';
    const size_t count = grpc_message_encode(text, encoded, sizeof encoded);
    for (size_t i = 0; i < count; i++)
        assert(encoded[i] >= 0x20 && encoded[i] <= 0x7e);
    protocol_message_decode((const uint8_t *)encoded, count, decoded, sizeof decoded);
    assert(strcmp(decoded, text) == 0);
    assert(utf8_prefix(value, length) <= length);
    (void)protocol_pushback_parse(value, length);
    (void)protocol_status_parse(value, length);
    protocol_message_decode(value, length, decoded, 1 + length % sizeof decoded);
}

static void check_request(const request *r)
{
    uint64_t timeout_ns = 0;
    grpc_error error = {0};
    const char *http = request_http_error(r);
    assert(!http || strlen(http) == 3);
    const grpc_status status = request_check(r, MAX_HEADER_BYTES, &timeout_ns, &error);
    assert(status == GRPC_OK || error.status == status);
    assert(memchr(error.message, '\0', sizeof error.message));
    const char *kept = request_metadata(r, "authorization");
    assert(!kept || strlen(kept) < MAX_HEADER_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char *const wanted[] = {"authorization", NULL};
    request r = {.wanted = wanted};
    request_begin(&r);
    while (count > 0) {
        const uint8_t *newline = memchr(bytes, '\n', count);
        const size_t line = newline ? (size_t)(newline - bytes) : count;
        const uint8_t *colon = line > 1 ? memchr(bytes + 1, ':', line - 1) : NULL;
        const size_t name = colon ? (size_t)(colon - bytes) : line;
        const uint8_t *value = colon ? colon + 1 : bytes + line;
        const size_t length = (size_t)(bytes + line - value);
        request_field(&r, bytes, name, value, length);
        check_timeout(value, length);
        check_message(value, length);
        count -= line + (newline != NULL);
        bytes += line + (newline != NULL);
    }
    check_request(&r);
    return 0;
}
