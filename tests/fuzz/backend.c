#include "backend.h"

#include <assert.h>

#include "model_writer.h"
#include "vql_descriptors.h"

const request_limits backend_limits = {
    .max_candidates = BACKEND_MAX_CANDIDATES,
    .max_events = BACKEND_MAX_EVENTS,
    .max_future_ms = BACKEND_MAX_FUTURE_MS,
};

/* A version of a small model of random numbers. */
static version *make_version(void)
{
    const model_spec spec = model_spec_default(1);
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    vql_catalog *catalog;
    model_writer_free(writer);
    const vql_code code = vql_catalog_create(model, &(vql_catalog_options){0}, &catalog, NULL);
    assert(code == VQL_OK);
    return version_new(model, catalog, NULL);
}

/* The registry with that one version. */
static registry *get_registry(void)
{
    static registry *made;
    grpc_error error;
    if (!made) {
        made = registry_new(1);
        const grpc_status status = registry_add(made, make_version(), &error);
        assert(status == GRPC_OK);
    }
    return made;
}

model_set *backend_models(void)
{
    static model_set *models;
    if (!models)
        models = registry_share(get_registry());
    return models;
}

void backend_start(backend *b)
{
    if (!b->post.all) {
        b->service = (service){.limits = backend_limits, .wall_ms = BACKEND_WALL_MS};
        b->service.ledger.limit = (size_t)64 << 20;
        b->service.jobs.ledger = &b->service.ledger;
        b->reflection.descriptors.bytes = (wire_span){vql_descriptors, sizeof vql_descriptors};
        service_add(&b->service, &b->router);
        health_add(&b->health, &b->router);
        reflection_add(&b->reflection, &b->router);
        b->post = (post){.all = &b->post, .count = 1, .service = &b->service};
        const bool ready = post_init(&b->post);
        assert(ready);
    }
    const bool has_models = model_view_init(&b->service.models, get_registry());
    assert(has_models);
    b->service.draining = false;
    b->post.shard = shard_new(backend_models(), store_memory_open(),
                              &(shard_options){.shed_target_ms = 5, .shed_interval_ms = 100});
    assert(b->post.shard);
}

static uint64_t no_clock(void)
{
    return 0;
}

void backend_run(backend *b)
{
    post_work(&b->post, no_clock, 1);
    post_receive(&b->post);
}

void backend_stop(backend *b)
{
    post_reclaim(&b->post);
    assert(b->service.jobs.taken == 0);
    shard_free(b->post.shard);
    b->post.shard = NULL;
    service_clear(&b->service);
    health_clear(&b->health);
    reflection_clear(&b->reflection);
}
