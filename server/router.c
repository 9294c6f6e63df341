#include "router.h"

#include <assert.h>
#include <string.h>

void router_add(router *r, const char *name, const rpc *rpcs, size_t count, void *context)
{
    assert(r->count < ROUTER_SERVICES);
    r->services[r->count++] = (router_service){name, rpcs, count, context};
}

size_t router_find(const router *r, const char *name)
{
    size_t i = 0;
    while (i < r->count && strcmp(r->services[i].name, name) != 0)
        i++;
    return i;
}

/* Whether the path is one of the service's: "/package.Service/…". */
static bool is_of(const char *path, const char *service)
{
    const size_t length = strlen(service);
    return path[0] == '/' && strncmp(path + 1, service, length) == 0 && path[1 + length] == '/';
}

static const rpc *find_rpc(const router_service *service, const char *path)
{
    for (size_t i = 0; i < service->count; i++)
        if (strcmp(service->rpcs[i].path, path) == 0)
            return &service->rpcs[i];
    return NULL;
}

static void refuse(call *c, const char *path, const router_service *service)
{
    grpc_error error;
    if (service)
        grpc_fail(&error, GRPC_UNIMPLEMENTED, "no method %.200s", path);
    else
        grpc_fail(&error, GRPC_UNIMPLEMENTED, "no service for method %.200s", path);
    error.reason = service ? "UNKNOWN_METHOD" : "UNKNOWN_SERVICE";
    call_fail(c, &error);
}

static void on_call(void *context, call *c, const char *path)
{
    const router *r = ((peer *)context)->router;
    const router_service *service = NULL;
    for (size_t i = 0; i < r->count && !service; i++)
        if (is_of(path, r->services[i].name))
            service = &r->services[i];
    const rpc *method = service ? find_rpc(service, path) : NULL;
    if (!method) {
        refuse(c, path, service);
        return;
    }
    call_set_rpc(c, method, service->context);
    method->handler->on_call(service->context, c, path);
}

/* Every call that goes on has a handler of its own. */
const session_handler router_handler = {.on_call = on_call};
