#include <stdlib.h>

#include "eviction.h"
#include "model_file.h"

void *eviction_zeros(size_t count, size_t bytes)
{
    void *made = calloc(count, bytes);
    if (made == NULL)
        bench_fail("no memory for %zu elements", count);
    return made;
}

eviction_links eviction_links_new(uint32_t keys)
{
    return (eviction_links){eviction_zeros(keys, sizeof(uint32_t)),
                            eviction_zeros(keys, sizeof(uint32_t))};
}

void eviction_links_free(eviction_links *links)
{
    free(links->older);
    free(links->newer);
}

void eviction_push(eviction_queue *queue, uint32_t key)
{
    queue->links->older[key] = queue->newest;
    queue->links->newer[key] = EVICTION_NONE;
    if (queue->newest != EVICTION_NONE)
        queue->links->newer[queue->newest] = key;
    else
        queue->oldest = key;
    queue->newest = key;
    queue->count++;
}

void eviction_unlink(eviction_queue *queue, uint32_t key)
{
    const uint32_t older = queue->links->older[key];
    const uint32_t newer = queue->links->newer[key];
    if (older != EVICTION_NONE)
        queue->links->newer[older] = newer;
    else
        queue->oldest = newer;
    if (newer != EVICTION_NONE)
        queue->links->older[newer] = older;
    else
        queue->newest = older;
    queue->count--;
}
