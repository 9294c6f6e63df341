#include "news.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "id_map.h"
#include "redis_slots.h"

/* Numbers of one slot's users: 4 MiB of them in all. A power of two. */
enum { NUMBERS = 64 };

struct news {
    atomic_bool hears[REDIS_SLOTS];
    atomic_uint numbers[REDIS_SLOTS][NUMBERS];
};

news *news_new(void)
{
    return calloc(1, sizeof(news));
}

void news_free(news *n)
{
    free(n);
}

static size_t place(uint64_t user_id)
{
    return (size_t)(id_hash(user_id) >> 32) % NUMBERS;
}

uint32_t news_number(const news *n, uint64_t user_id)
{
    return n ? atomic_load(&n->numbers[redis_user_slot(user_id)][place(user_id)]) : 0;
}

bool news_is_current(const news *n, uint64_t user_id, uint32_t number)
{
    if (!n)
        return true;
    const uint16_t slot = redis_user_slot(user_id);
    return atomic_load(&n->hears[slot]) && atomic_load(&n->numbers[slot][place(user_id)]) == number;
}

void news_changed(news *n, uint64_t user_id)
{
    (void)atomic_fetch_add(&n->numbers[redis_user_slot(user_id)][place(user_id)], 1);
}

void news_listen(news *n, uint16_t slot, bool hears)
{
    atomic_store(&n->hears[slot], false);
    for (size_t i = 0; hears && i < NUMBERS; i++)
        (void)atomic_fetch_add(&n->numbers[slot][i], 1);
    atomic_store(&n->hears[slot], hears);
}

bool news_hears(const news *n, uint16_t slot)
{
    return atomic_load(&n->hears[slot]);
}
