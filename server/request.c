#include "request.h"

#include <string.h>

/* What a field counts beyond its name and value: RFC 9113 §6.5.2. */
enum { FIELD_OVERHEAD_BYTES = 32 };

static inline bool equals(const uint8_t *bytes, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

static void keep(char *out, size_t capacity, const uint8_t *value, size_t length)
{
    const size_t kept = length < capacity ? length : capacity - 1;
    memcpy(out, value, kept);
    out[kept] = '\0';
}

/* "application/grpc", alone or with a message format or parameters behind it. */
static void take_type(request *r, const uint8_t *value, size_t length)
{
    static const char type[] = "application/grpc";
    const size_t type_length = sizeof type - 1;
    r->grpc = length >= type_length && memcmp(value, type, type_length) == 0 &&
              (length == type_length || value[type_length] == '+' || value[type_length] == ';');
    if (r->grpc)
        keep(r->format, sizeof r->format, value + type_length, length - type_length);
}

/* Whether the format is that of the messages here, protobuf, which it is when it is not named. */
static bool is_proto(const char *format)
{
    static const char proto[] = "+proto";
    if (format[0] != '+')
        return true;
    const char after = format[sizeof proto - 1];
    return strncmp(format, proto, sizeof proto - 1) == 0 && (after == '\0' || after == ';');
}

/* Looks for gzip in a list "identity, gzip". */
static bool has_gzip(const uint8_t *value, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && value[i] != ',')
            continue;
        size_t end = i;
        while (start < end && value[start] == ' ')
            start++;
        while (end > start && value[end - 1] == ' ')
            end--;
        if (equals(value + start, end - start, "gzip"))
            return true;
        start = i + 1;
    }
    return false;
}

/* Keeps a field that is wanted, if there is room for it. */
static void keep_metadata(request *r, const uint8_t *name, size_t name_length, const uint8_t *value,
                          size_t value_length)
{
    const char *const *wanted = r->wanted;
    while (*wanted && !equals(name, name_length, *wanted))
        wanted++;
    const size_t room = sizeof r->metadata - r->metadata_bytes;
    if (!*wanted || name_length + 1 + value_length + 1 > room)
        return;
    char *out = r->metadata + r->metadata_bytes;
    memcpy(out, name, name_length);
    out[name_length] = '\0';
    memcpy(out + name_length + 1, value, value_length);
    out[name_length + 1 + value_length] = '\0';
    r->metadata_bytes += name_length + 1 + value_length + 1;
}

const char *request_metadata(const request *r, const char *name)
{
    const char *at = r->metadata;
    while (at < r->metadata + r->metadata_bytes) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

void request_begin(request *r)
{
    r->post = r->grpc = r->accepts_gzip = r->timed = false;
    r->header_bytes = r->path_length = r->timeout_length = r->metadata_bytes = 0;
    r->path[0] = r->timeout[0] = r->encoding[0] = r->format[0] = '\0';
}

void request_field(request *r, const uint8_t *name, size_t name_length, const uint8_t *value,
                   size_t value_length)
{
    r->header_bytes += name_length + value_length + FIELD_OVERHEAD_BYTES;
    if (equals(name, name_length, ":method")) {
        r->post = equals(value, value_length, "POST");
    } else if (equals(name, name_length, ":path")) {
        keep(r->path, sizeof r->path, value, value_length);
        r->path_length = value_length;
    } else if (equals(name, name_length, "content-type")) {
        take_type(r, value, value_length);
    } else if (equals(name, name_length, "grpc-timeout")) {
        r->timed = true;
        keep(r->timeout, sizeof r->timeout, value, value_length);
        r->timeout_length = value_length;
    } else if (equals(name, name_length, "grpc-encoding")) {
        keep(r->encoding, sizeof r->encoding, value, value_length);
    } else if (equals(name, name_length, "grpc-accept-encoding")) {
        r->accepts_gzip = r->accepts_gzip || has_gzip(value, value_length);
    }
    if (r->wanted)
        keep_metadata(r, name, name_length, value, value_length);
}

const char *request_http_error(const request *r)
{
    if (!r->post)
        return "405";
    if (!r->grpc)
        return "415";
    return NULL;
}

grpc_status request_check(const request *r, uint32_t max_header_bytes, uint64_t *timeout_ns,
                          grpc_error *error)
{
    if (r->header_bytes > max_header_bytes) {
        grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                  "headers of %zu bytes are longer than the limit of %u bytes", r->header_bytes,
                  max_header_bytes);
        grpc_error_limit(error, "HEADERS_TOO_LONG", "SETTINGS_MAX_HEADER_LIST_SIZE",
                         max_header_bytes);
        return error->status;
    }
    if (!is_proto(r->format))
        return grpc_fail(error, GRPC_UNIMPLEMENTED,
                         "content-type 'application/grpc%s' is not supported, only "
                         "application/grpc and application/grpc+proto",
                         r->format);
    if (r->path_length == 0)
        return grpc_fail(error, GRPC_UNIMPLEMENTED, ":path is missing");
    if (r->path_length >= sizeof r->path)
        return grpc_fail(error, GRPC_UNIMPLEMENTED,
                         ":path of %zu bytes is longer than any method's, at most %zu bytes",
                         r->path_length, sizeof r->path - 1);
    *timeout_ns = UINT64_MAX;
    if (r->timed && !grpc_timeout_parse(r->timeout, r->timeout_length, timeout_ns))
        return grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "MALFORMED_TIMEOUT",
                               "grpc-timeout: '%s' is not 1 to 8 digits and one of H M S m u n",
                               r->timeout);
    return GRPC_OK;
}
