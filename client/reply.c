#include "reply.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "protocol.h"

void outcome_set_list(outcome *o, vqlc_status status, const char *format, va_list arguments)
{
    o->status = status;
    o->from_server = false;
    o->pushback_ms = -1;
    (void)vsnprintf(o->message, sizeof o->message, format, arguments);
}

void outcome_set(outcome *o, vqlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    outcome_set_list(o, status, format, arguments);
    va_end(arguments);
}

void reply_init(reply *r)
{
    r->http_status = 0;
    r->is_grpc = false;
    r->content_type[0] = '\0';
    reply_begin_headers(r);
}

void reply_begin_headers(reply *r)
{
    r->has_status = false;
    outcome_set(&r->trailers, VQLC_UNKNOWN, "%s", "");
}

static bool equals(const uint8_t *text, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

/* ":status" is three digits: nghttp2 has seen to that. */
static int three_digits(const uint8_t *text, size_t length)
{
    return length == 3 ? (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0') : 0;
}

static void set_content_type(reply *r, const uint8_t *value, size_t length)
{
    static const char grpc[] = "application/grpc";
    const size_t kept = length < sizeof r->content_type ? length : sizeof r->content_type - 1;
    memcpy(r->content_type, value, kept);
    r->content_type[kept] = '\0';
    r->is_grpc = strncmp(r->content_type, grpc, sizeof grpc - 1) == 0;
}

void reply_header(reply *r, const uint8_t *name, size_t name_length, const uint8_t *value,
                  size_t value_length)
{
    if (equals(name, name_length, ":status")) {
        r->http_status = three_digits(value, value_length);
    } else if (equals(name, name_length, "content-type")) {
        set_content_type(r, value, value_length);
    } else if (equals(name, name_length, "grpc-status")) {
        r->has_status = true;
        r->trailers.from_server = true;
        r->trailers.status = protocol_status_parse(value, value_length);
    } else if (equals(name, name_length, "grpc-message")) {
        protocol_message_decode(value, value_length, r->trailers.message,
                                sizeof r->trailers.message);
    } else if (equals(name, name_length, "grpc-retry-pushback-ms")) {
        r->trailers.pushback_ms = protocol_pushback_parse(value, value_length);
    }
}

bool reply_has_messages(const reply *r)
{
    return r->http_status == 200 && r->is_grpc;
}

void reply_conclude(const reply *r, uint32_t error_code, bool partial_message, outcome *out)
{
    const bool complete = error_code == NGHTTP2_NO_ERROR;
    if (r->has_status && (complete || r->trailers.status != VQLC_OK)) {
        *out = r->trailers;
        if (out->status == VQLC_OK && partial_message)
            outcome_set(out, VQLC_INTERNAL, "the last message of the answer is cut short");
    } else if (r->http_status != 0 && r->http_status != 200) {
        outcome_set(out, protocol_status_of_http(r->http_status), "HTTP status %d, no grpc-status",
                    r->http_status);
    } else if (r->http_status == 200 && !r->is_grpc) {
        outcome_set(out, VQLC_UNKNOWN, "content-type '%s' is not application/grpc",
                    r->content_type);
    } else if (!complete) {
        outcome_set(out, protocol_status_of_reset(error_code), "stream reset by HTTP/2 error %s",
                    nghttp2_http2_strerror(error_code));
    } else {
        outcome_set(out, VQLC_UNKNOWN, "the answer ended without a grpc-status");
    }
}
