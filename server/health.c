#include "health.h"

#include <assert.h>
#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "grpc/health/v1/health.pb.h"
#include "limit.h"

typedef grpc_health_v1_HealthCheckResponse_ServingStatus serving_status;

#define SERVING         grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING
#define NOT_SERVING     grpc_health_v1_HealthCheckResponse_ServingStatus_NOT_SERVING
#define SERVICE_UNKNOWN grpc_health_v1_HealthCheckResponse_ServingStatus_SERVICE_UNKNOWN

/* A call of Watch that was told a status. */
struct watch {
    LIST_ENTRY(watch) in_list;
    call *call;
    size_t service; /* as status_of takes it */
    serving_status told;
};

/* The server as a whole, beside the numbers of the router's services. */
enum { WHOLE = ROUTER_SERVICES, UNKNOWN };

/* Which of them a name means. */
static size_t find(const health *h, const char *name)
{
    if (*name == '\0')
        return WHOLE;
    const size_t i = router_find(h->router, name);
    return i < h->router->count ? i : (size_t)UNKNOWN;
}

static serving_status status_of(const health *h, size_t service)
{
    if (service == UNKNOWN)
        return SERVICE_UNKNOWN;
    bool serves = !h->draining;
    for (size_t i = 0; i < h->router->count; i++)
        if (service == i || service == WHOLE)
            serves = serves && !h->refusing[i];
    return serves ? SERVING : NOT_SERVING;
}

static void finish_unavailable(call *c, const char *reason, const char *message)
{
    grpc_error error;
    grpc_fail(&error, GRPC_UNAVAILABLE, "%s", message);
    error.reason = reason;
    error.pushback_ms = LIMIT_PUSHBACK_MS;
    call_fail(c, &error);
}

static void finish_no_memory(call *c)
{
    finish_unavailable(c, "NO_MEMORY", "the server is out of memory");
}

static bool send_status(health *h, call *c, serving_status status)
{
    const grpc_health_v1_HealthCheckResponse answer = {.status = status};
    return message_buffer_encode(&h->message, grpc_health_v1_HealthCheckResponse_fields, &answer) &&
           call_send(c, h->message.bytes, h->message.count);
}

/* The name that is asked for. False: the call has ended with what is wrong. */
static bool read_name(call *c, const uint8_t *message, size_t bytes,
                      char name[HEALTH_SERVICE_BYTES])
{
    grpc_error error;
    if (decode_health(message, bytes, name, &error))
        return true;
    call_fail(c, &error);
    return false;
}

static void on_check(void *context, call *c, const uint8_t *message, size_t bytes)
{
    health *h = context;
    char name[HEALTH_SERVICE_BYTES];
    if (!read_name(c, message, bytes, name))
        return;
    const size_t service = find(h, name);
    if (service == UNKNOWN) {
        grpc_error error;
        grpc_fail_field(&error, GRPC_NOT_FOUND, "UNKNOWN_SERVICE", "service: no service \"%s\"",
                        name);
        call_fail(c, &error);
    } else if (send_status(h, c, status_of(h, service))) {
        call_finish(c, GRPC_OK, NULL, -1);
    } else {
        finish_no_memory(c);
    }
}

static bool write_name(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const char *name = *argument;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, (const pb_byte_t *)name, strlen(name));
}

static bool write_entry(pb_ostream_t *stream, const pb_field_t *field, const char *name,
                        serving_status status)
{
    const grpc_health_v1_HealthListResponse_StatusesEntry entry = {
        .key = {.funcs.encode = write_name, .arg = (void *)(uintptr_t)name},
        .has_value = true,
        .value = {.status = status},
    };
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_submessage(stream, grpc_health_v1_HealthListResponse_StatusesEntry_fields,
                                &entry);
}

static bool write_statuses(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const health *h = *argument;
    if (!write_entry(stream, field, "", status_of(h, WHOLE)))
        return false;
    for (size_t i = 0; i < h->router->count; i++)
        if (!write_entry(stream, field, h->router->services[i].name, status_of(h, i)))
            return false;
    return true;
}

static void on_list(void *context, call *c, const uint8_t *message, size_t bytes)
{
    (void)message; /* HealthListRequest has no fields */
    (void)bytes;
    health *h = context;
    const grpc_health_v1_HealthListResponse answer = {
        .statuses = {.funcs.encode = write_statuses, .arg = h},
    };
    if (message_buffer_encode(&h->message, grpc_health_v1_HealthListResponse_fields, &answer) &&
        call_send(c, h->message.bytes, h->message.count))
        call_finish(c, GRPC_OK, NULL, -1);
    else
        finish_no_memory(c);
}

static void forget(call *c)
{
    struct watch *w = call_data(c);
    if (!w)
        return;
    LIST_REMOVE(w, in_list);
    free(w);
}

/* Tells a watch what is new, if anything is. False: there was no memory, and the call has ended. */
static bool tell(health *h, struct watch *w)
{
    const serving_status status = status_of(h, w->service);
    if (status == w->told)
        return true;
    w->told = status;
    call *c = w->call;
    if (send_status(h, c, status))
        return true;
    forget(c);
    finish_no_memory(c);
    return false;
}

static void end_watch(call *c)
{
    forget(c);
    finish_unavailable(c, "DRAINING", "the server is draining");
}

static void on_watch(void *context, call *c, const uint8_t *message, size_t bytes)
{
    health *h = context;
    char name[HEALTH_SERVICE_BYTES];
    if (!read_name(c, message, bytes, name))
        return;
    struct watch *w = calloc(1, sizeof *w);
    if (!w) {
        finish_no_memory(c);
        return;
    }
    *w = (struct watch){
        .call = c,
        .service = find(h, name),
        .told = grpc_health_v1_HealthCheckResponse_ServingStatus_UNKNOWN,
    };
    LIST_INSERT_HEAD(&h->watches, w, in_list);
    call_set_data(c, w);
    if (tell(h, w) && h->draining)
        end_watch(c);
}

/* Tells all watches what is new; they end if the server drains. */
static void tell_all(health *h)
{
    struct watch *next;
    for (struct watch *w = LIST_FIRST(&h->watches); w; w = next) {
        next = LIST_NEXT(w, in_list);
        call *c = w->call;
        peer *p = call_peer(c);
        if (tell(h, w) && h->draining)
            end_watch(c);
        p->wake(p);
    }
}

static void on_call(void *context, call *c, const char *path)
{
    (void)context; /* everything happens with the request */
    (void)c;
    (void)path;
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    (void)context;
    forget(c);
    call_fail(c, error);
}

/* Watches go on; the others have ended. */
static void on_half_close(void *context, call *c)
{
    (void)context;
    (void)c;
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    forget(c);
}

#define HANDLER(take)                                                                              \
    {                                                                                              \
        .on_call = on_call, .on_message = (take), .on_refused = on_refused,                        \
        .on_half_close = on_half_close, .on_cancel = on_cancel,                                    \
    }

static const session_handler check_handler = HANDLER(on_check);
static const session_handler list_handler = HANDLER(on_list);
static const session_handler watch_handler = HANDLER(on_watch);

static const rpc rpcs[] = {
    {.path = "/grpc.health.v1.Health/Check", .handler = &check_handler},
    {.path = "/grpc.health.v1.Health/List", .handler = &list_handler},
    {.path = "/grpc.health.v1.Health/Watch", .handler = &watch_handler},
};

void health_add(health *h, router *r)
{
    h->router = r;
    router_add(r, "grpc.health.v1.Health", rpcs, sizeof rpcs / sizeof *rpcs, h);
}

void health_set(health *h, const char *service, bool serving)
{
    const size_t i = router_find(h->router, service);
    assert(i < h->router->count);
    h->refusing[i] = !serving;
    tell_all(h);
}

void health_drain(health *h)
{
    h->draining = true;
    tell_all(h);
}

void health_clear(health *h)
{
    message_buffer_clear(&h->message);
}

bool health_serves(const health *h)
{
    return status_of(h, WHOLE) == SERVING;
}
