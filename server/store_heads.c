#include "store_heads.h"

#include <stdlib.h>

#include "limit.h"

store_head *store_heads_find(const store_heads *h, uint64_t user_id)
{
    return id_map_get(&h->users, user_id);
}

store_head *store_heads_add(store_heads *h, uint64_t user_id, const history_info *info)
{
    if (!id_map_reserve(&h->users, 1))
        return NULL;
    store_head *head = calloc(1, sizeof *head);
    if (!head)
        return NULL;
    head->info = *info;
    id_map_put(&h->users, user_id, head);
    return head;
}

void store_heads_change(store_heads *h, store_head *head)
{
    if (head->changed)
        return;
    head->changed = true;
    head->next = h->changed;
    h->changed = head;
}

void store_heads_commit(store_heads *h)
{
    for (store_head *head = h->changed; head; head = head->next) {
        head->changed = false;
        id_map_clear(&head->fresh);
    }
    h->changed = NULL;
    if (h->users.count >= LIMIT_HEADS)
        store_heads_clear(h);
}

static void free_head(store_head *head)
{
    id_map_clear(&head->fresh);
    free(head);
}

void store_heads_forget(store_heads *h, uint64_t user_id)
{
    store_head *head = id_map_remove(&h->users, user_id);
    if (!head)
        return;
    store_head **at = &h->changed;
    while (*at && *at != head)
        at = &(*at)->next;
    if (*at)
        *at = head->next;
    free_head(head);
}

void store_heads_clear(store_heads *h)
{
    for (size_t i = 0; i < h->users.capacity; i++)
        if (h->users.slots[i].value)
            free_head(h->users.slots[i].value);
    id_map_clear(&h->users);
    h->changed = NULL;
}
