#include "tenant.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

struct tenant {
    char name[TENANT_NAME_BYTES];
    atomic_uint rate, burst, max_in_flight;
    atomic_uint in_flight;
    atomic_uint_least64_t full_ns; /* when the bucket will be full, if nothing more is asked */
};

tenant *tenant_new(const char *name)
{
    tenant *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    assert(strlen(name) < sizeof t->name);
    memcpy(t->name, name, strlen(name) + 1);
    return t;
}

void tenant_free(tenant *t)
{
    free(t);
}

const char *tenant_name(const tenant *t)
{
    return t->name;
}

void tenant_set_quota(tenant *t, const tenant_quota *quota)
{
    atomic_store_explicit(&t->rate, quota->rate, memory_order_relaxed);
    atomic_store_explicit(&t->burst, quota->burst, memory_order_relaxed);
    atomic_store_explicit(&t->max_in_flight, quota->in_flight, memory_order_relaxed);
}

grpc_status tenant_begin(tenant *t, grpc_error *error)
{
    const unsigned most = atomic_load_explicit(&t->max_in_flight, memory_order_relaxed);
    const unsigned before = atomic_fetch_add_explicit(&t->in_flight, 1, memory_order_relaxed);
    if (most == 0 || before < most)
        return GRPC_OK;
    tenant_end(t);
    return grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                     "tenant %s: in-flight: more than %u calls are open", t->name, most);
}

void tenant_end(tenant *t)
{
    const unsigned before = atomic_fetch_sub_explicit(&t->in_flight, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

/* The quota's rate is exceeded for so long. */
static grpc_status refuse_rate(const tenant *t, uint32_t rate, uint32_t burst, uint64_t wait_ns,
                               grpc_error *error)
{
    grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
              "tenant %s: rate: more than %u requests a second, and %u at once", t->name, rate,
              burst);
    error->pushback_ms = (int64_t)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
    return error->status;
}

grpc_status tenant_request(tenant *t, uint64_t now_ns, grpc_error *error)
{
    const uint32_t rate = atomic_load_explicit(&t->rate, memory_order_relaxed);
    if (rate == 0)
        return GRPC_OK;
    const uint32_t burst = atomic_load_explicit(&t->burst, memory_order_relaxed);
    const uint64_t each_ns = NS_PER_S / rate;
    const uint64_t most_ns = each_ns * burst;
    uint64_t full = atomic_load_explicit(&t->full_ns, memory_order_relaxed);
    uint64_t then;
    do {
        then = (full > now_ns ? full : now_ns) + each_ns;
        if (then - now_ns > most_ns)
            return refuse_rate(t, rate, burst, then - now_ns - most_ns, error);
    } while (!atomic_compare_exchange_weak_explicit(&t->full_ns, &full, then, memory_order_relaxed,
                                                    memory_order_relaxed));
    return GRPC_OK;
}
