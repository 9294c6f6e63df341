#include "request.h"

#include <string.h>

/* What a field counts beyond its name and value: RFC 9113 §6.5.2. */
enum { FIELD_OVERHEAD_BYTES = 32 };

static bool equals(const uint8_t *bytes, size_t length, const char *text)
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
static bool is_grpc(const uint8_t *value, size_t length)
{
    static const char type[] = "application/grpc";
    const size_t type_length = sizeof type - 1;
    return length >= type_length && memcmp(value, type, type_length) == 0 &&
           (length == type_length || value[type_length] == '+' || value[type_length] == ';');
}

void request_begin(request *r)
{
    *r = (request){0};
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
        r->grpc = is_grpc(value, value_length);
    } else if (equals(name, name_length, "grpc-timeout")) {
        r->timed = true;
        keep(r->timeout, sizeof r->timeout, value, value_length);
        r->timeout_length = value_length;
    } else if (equals(name, name_length, "authorization")) {
        keep(r->authorization, sizeof r->authorization, value, value_length);
        r->authorization_length = value_length;
    } else if (equals(name, name_length, "grpc-encoding")) {
        keep(r->encoding, sizeof r->encoding, value, value_length);
    }
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
    if (r->header_bytes > max_header_bytes)
        return grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                         "headers of %zu bytes are longer than the limit of %u bytes",
                         r->header_bytes, max_header_bytes);
    if (r->path_length == 0)
        return grpc_fail(error, GRPC_UNIMPLEMENTED, ":path is missing");
    if (r->path_length >= sizeof r->path)
        return grpc_fail(error, GRPC_UNIMPLEMENTED,
                         ":path of %zu bytes is longer than any method's, at most %zu bytes",
                         r->path_length, sizeof r->path - 1);
    *timeout_ns = UINT64_MAX;
    if (r->timed && !grpc_timeout_parse(r->timeout, r->timeout_length, timeout_ns))
        return grpc_fail(error, GRPC_INVALID_ARGUMENT,
                         "grpc-timeout '%s' is not 1 to 8 digits and one of H M S m u n",
                         r->timeout);
    return GRPC_OK;
}
