#include "reflection.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"

/* Field numbers of grpc/reflection/v1/reflection.proto. */
enum {
    REQUEST_HOST = 1,
    REQUEST_FILE = 3,
    REQUEST_SYMBOL = 4,
    REQUEST_EXTENSION = 5,
    REQUEST_EXTENSION_NUMBERS = 6,
    REQUEST_SERVICES = 7,

    EXTENSION_TYPE = 1,
    EXTENSION_NUMBER = 2,

    RESPONSE_HOST = 1,
    RESPONSE_REQUEST = 2,
    RESPONSE_FILES = 4,
    RESPONSE_EXTENSION_NUMBERS = 5,
    RESPONSE_SERVICES = 6,
    RESPONSE_ERROR = 7,

    FILES_FILE = 1,
    NUMBERS_TYPE = 1,
    SERVICES_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,
};

enum { LONGEST_REQUEST_BYTES = 4096 }; /* a name, for all practical purposes */

/* An open call. */
struct inquiry {
    LIST_ENTRY(inquiry) in_list;
    call *call;
};

/* What is asked: the last of the oneof's fields. number 0: nothing is. */
typedef struct question {
    wire_span host;
    wire_field asked;
} question;

static wire_span span_of(const char *text)
{
    return (wire_span){(const uint8_t *)text, strlen(text)};
}

/* How much of a name is said again in an error. */
static int shown(wire_span name)
{
    return name.count < 200 ? (int)name.count : 200;
}

/* Begins the part of the answer that depends on the question; its field is *number. */
__attribute__((format(printf, 4, 5))) static bool put_error(reflection *r, uint32_t *number,
                                                            grpc_status status, const char *format,
                                                            ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *number = RESPONSE_ERROR;
    return wire_put_varint(&r->part, ERROR_CODE, status) &&
           wire_put_bytes(&r->part, ERROR_MESSAGE, span_of(text));
}

static bool put_files(reflection *r, uint32_t *number, wire_span file)
{
    wire_span files[DESCRIPTOR_SET_FILES];
    const size_t count = descriptor_set_closure(&r->descriptors, file, files);
    *number = RESPONSE_FILES;
    for (size_t i = 0; i < count; i++)
        if (!wire_put_bytes(&r->part, FILES_FILE, files[i]))
            return false;
    return true;
}

static bool put_services(reflection *r, uint32_t *number)
{
    *number = RESPONSE_SERVICES;
    for (size_t i = 0; i < r->router->count; i++) {
        message_buffer *service = &r->message;
        service->count = 0;
        if (!wire_put_bytes(service, SERVICE_NAME, span_of(r->router->services[i].name)) ||
            !wire_put_bytes(&r->part, SERVICES_SERVICE,
                            (wire_span){service->bytes, service->count}))
            return false;
    }
    return true;
}

/* The services' files are proto3, in which a message of theirs has no extensions. */
static bool put_extension(reflection *r, uint32_t *number, wire_span request)
{
    wire_span type = {0};
    uint64_t extension = 0;
    for (wire_field f; wire_next(&request, &f);)
        if (f.number == EXTENSION_TYPE && f.type == WIRE_BYTES)
            type = f.bytes;
        else if (f.number == EXTENSION_NUMBER && f.type == WIRE_VARINT)
            extension = f.value;
    return put_error(r, number, GRPC_NOT_FOUND,
                     "file_containing_extension: no extension %" PRId32 " of \"%.*s\"",
                     (int32_t)extension, shown(type), (const char *)type.bytes);
}

static bool put_extension_numbers(reflection *r, uint32_t *number, wire_span type)
{
    bool is_message;
    (void)descriptor_set_symbol(&r->descriptors, type, &is_message);
    if (!is_message)
        return put_error(r, number, GRPC_NOT_FOUND,
                         "all_extension_numbers_of_type: no message \"%.*s\"", shown(type),
                         (const char *)type.bytes);
    *number = RESPONSE_EXTENSION_NUMBERS;
    return wire_put_bytes(&r->part, NUMBERS_TYPE, type);
}

/* Writes what answers the question to r->part, and its field's number. False: no memory. */
static bool put_answer(reflection *r, const question *q, uint32_t *number)
{
    const wire_span name = q->asked.bytes;
    wire_span file;
    bool is_message;
    switch (q->asked.number) {
    case REQUEST_FILE:
        file = descriptor_set_file(&r->descriptors, name);
        if (file.count == 0)
            return put_error(r, number, GRPC_NOT_FOUND, "file_by_filename: no file \"%.*s\"",
                             shown(name), (const char *)name.bytes);
        return put_files(r, number, file);
    case REQUEST_SYMBOL:
        file = descriptor_set_symbol(&r->descriptors, name, &is_message);
        if (file.count == 0)
            return put_error(r, number, GRPC_NOT_FOUND,
                             "file_containing_symbol: no symbol \"%.*s\"", shown(name),
                             (const char *)name.bytes);
        return put_files(r, number, file);
    case REQUEST_EXTENSION:
        return put_extension(r, number, name);
    case REQUEST_EXTENSION_NUMBERS:
        return put_extension_numbers(r, number, name);
    case REQUEST_SERVICES:
        return put_services(r, number);
    default:
        return put_error(r, number, GRPC_INVALID_ARGUMENT, "message_request: none is set");
    }
}

/* False: the bytes are no ServerReflectionRequest. */
static bool read_question(wire_span message, question *q)
{
    *q = (question){0};
    for (wire_field f; wire_next(&message, &f);) {
        if (f.type != WIRE_BYTES)
            continue;
        if (f.number == REQUEST_HOST)
            q->host = f.bytes;
        else if (f.number >= REQUEST_FILE && f.number <= REQUEST_SERVICES)
            q->asked = f;
    }
    return message.count == 0;
}

/* Writes the whole answer to r->message. False: no memory. */
static bool write_answer(reflection *r, wire_span request, const question *q)
{
    uint32_t number;
    r->part.count = 0;
    if (!put_answer(r, q, &number))
        return false;
    r->message.count = 0;
    return wire_put_bytes(&r->message, RESPONSE_HOST, q->host) &&
           wire_put_bytes(&r->message, RESPONSE_REQUEST, request) &&
           wire_put_bytes(&r->message, number, (wire_span){r->part.bytes, r->part.count});
}

static void forget(call *c)
{
    struct inquiry *i = call_data(c);
    if (i) {
        LIST_REMOVE(i, in_list);
        free(i);
    }
}

static void finish(call *c, const grpc_error *error)
{
    forget(c);
    call_fail(c, error);
}

static void finish_no_memory(call *c)
{
    grpc_error error;
    grpc_fail(&error, GRPC_RESOURCE_EXHAUSTED, "the server is out of memory");
    finish(c, &error);
}

static void finish_draining(call *c)
{
    grpc_error error;
    grpc_fail(&error, GRPC_UNAVAILABLE, "the server is draining");
    error.pushback_ms = LIMIT_PUSHBACK_MS;
    finish(c, &error);
}

static void on_call(void *context, call *c, const char *path)
{
    (void)path;
    reflection *r = context;
    struct inquiry *i = calloc(1, sizeof *i);
    if (!i) {
        finish_no_memory(c);
        return;
    }
    i->call = c;
    LIST_INSERT_HEAD(&r->inquiries, i, in_list);
    call_set_data(c, i);
    if (r->draining)
        finish_draining(c);
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    reflection *r = context;
    const wire_span request = {message, bytes};
    grpc_error error;
    question q;
    if (bytes > LONGEST_REQUEST_BYTES) {
        grpc_fail(&error, GRPC_RESOURCE_EXHAUSTED, "ServerReflectionRequest: %zu bytes; at most %d",
                  bytes, LONGEST_REQUEST_BYTES);
        finish(c, &error);
    } else if (!read_question(request, &q)) {
        grpc_fail(&error, GRPC_INVALID_ARGUMENT,
                  "ServerReflectionRequest: %zu bytes that are no such message", bytes);
        finish(c, &error);
    } else if (!write_answer(r, request, &q) || !call_send(c, r->message.bytes, r->message.count)) {
        finish_no_memory(c);
    }
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    (void)context;
    finish(c, error);
}

static void on_half_close(void *context, call *c)
{
    (void)context;
    forget(c);
    call_finish(c, GRPC_OK, NULL, -1);
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    forget(c);
}

static const session_handler handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_refused = on_refused,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

static const rpc v1 = {
    .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    .handler = &handler,
    .many_requests = true,
};

static const rpc v1alpha = {
    .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .handler = &handler,
    .many_requests = true,
};

void reflection_add(reflection *r, router *to)
{
    r->router = to;
    router_add(to, "grpc.reflection.v1.ServerReflection", &v1, 1, r);
    router_add(to, "grpc.reflection.v1alpha.ServerReflection", &v1alpha, 1, r);
}

void reflection_drain(reflection *r)
{
    r->draining = true;
    while (!LIST_EMPTY(&r->inquiries)) {
        call *c = LIST_FIRST(&r->inquiries)->call;
        peer *p = call_peer(c);
        finish_draining(c);
        p->wake(p);
    }
}

void reflection_clear(reflection *r)
{
    message_buffer_clear(&r->message);
    message_buffer_clear(&r->part);
}
