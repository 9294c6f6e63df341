#include "snapshots.h"

#include <stdlib.h>

#include "limit.h"

/* The models whose snapshots stay. */
static snapshot_keep keep_of(const model_set *models)
{
    snapshot_keep keep = {.count = models->count};
    for (size_t i = 0; i < models->count; i++)
        keep.models[i] = models->entries[i].version->snapshots;
    return keep;
}

void snapshots_send(snapshots *s, const version *v, uint64_t user_id, const vql_cache *cache,
                    cache_mark *mark)
{
    const size_t bytes = vql_cache_serialized_size(cache);
    if (s->bytes + bytes > LIMIT_SNAPSHOT_BYTES)
        return;
    save_errand *e = calloc(1, sizeof *e);
    uint8_t *out = e ? malloc(bytes) : NULL;
    if (!out) {
        free(e);
        return;
    }
    vql_cache_serialize(cache, out);
    e->errand.kind = ERRAND_SAVE;
    e->user_id = user_id;
    e->keep = keep_of(s->models);
    e->snapshot = (store_snapshot){.model = v->snapshots,
                                   .born = mark->born,
                                   .sequence = mark->sequence,
                                   .bytes = out,
                                   .count = bytes};
    s->bytes += bytes;
    mark->saved = mark->sequence;
    clerk_send(s->clerk, &e->errand);
}

void snapshots_done(snapshots *s, save_errand *done)
{
    s->bytes -= done->snapshot.count;
    free(done->snapshot.bytes);
    free(done);
}
