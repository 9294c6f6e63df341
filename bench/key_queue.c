#include <stdlib.h>

#include "model_file.h"
#include "policy.h"

void *eviction_zeros(size_t count, size_t bytes)
{
    void *made = calloc(count, bytes);
    if (made == NULL)
        bench_fail("no memory for %zu elements", count);
    return made;
}

key_links key_links_new(uint32_t keys)
{
    return (key_links){eviction_zeros(keys, sizeof(uint32_t)),
                       eviction_zeros(keys, sizeof(uint32_t))};
}

void key_links_free(key_links *links)
{
    free(links->older);
    free(links->newer);
}

void key_queue_push(key_queue *queue, uint32_t key)
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

void key_queue_unlink(key_queue *queue, uint32_t key)
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
