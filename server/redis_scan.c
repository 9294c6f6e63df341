#include "redis_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cursor is a slot of the node that is scanned, times this, and the node's own cursor. */
#define A_SLOT UINT64_C(0x1000000000000)

void redis_scan_clear(redis_scan *s)
{
    free(s->found);
    *s = (redis_scan){.count = 0};
}

/* The first slot from `slot` on of a node that has none before; REDIS_SLOTS: there is none. */
static uint32_t next_node(const redis_cluster *c, uint32_t slot)
{
    for (; slot < REDIS_SLOTS; slot++) {
        const uint16_t node = redis_cluster_owner(c, (uint16_t)slot);
        uint32_t before = 0;
        while (before < slot && redis_cluster_owner(c, (uint16_t)before) != node)
            before++;
        if (before == slot && node != REDIS_NO_NODE)
            return slot;
    }
    return REDIS_SLOTS;
}

/* True when the text is a user's key. */
static bool parse_key(const redisReply *key, uint64_t *user_id)
{
    char again[REDIS_KEY_BYTES];
    if (!key || key->type != REDIS_REPLY_STRING || key->len < strlen("vql:{"))
        return false;
    *user_id = strtoull(key->str + strlen("vql:{"), NULL, 10);
    return redis_user_key(*user_id, again) == key->len && strcmp(again, key->str) == 0;
}

/* Keeps the users among the keys that were found. False: no memory. */
static bool keep_found(redis_scan *s, const redisReply *keys)
{
    uint64_t *found = realloc(s->found, (s->count + keys->elements + 1) * sizeof *found);
    if (!found)
        return false;
    s->found = found;
    for (size_t i = 0; i < keys->elements; i++)
        if (parse_key(keys->element[i], &found[s->count]))
            s->count++;
    return true;
}

/* Takes [cursor, [key, …]]. NULL, or what is wrong. */
static const char *take(redis_scan *s, const redisReply *reply, uint32_t slot, uint64_t *cursor)
{
    if (!reply)
        return "redis did not answer";
    if (reply->type == REDIS_REPLY_ERROR)
        return "redis refused to scan";
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return "redis answered what was not asked";
    const uint64_t next = strtoull(reply->element[0]->str, NULL, 10);
    if (next >= A_SLOT)
        return "redis answered what was not asked";
    *cursor = next == 0 ? (slot + 1) * A_SLOT : slot * A_SLOT + next;
    return keep_found(s, reply->element[1]) ? NULL : "no memory";
}

/* Scans on from the cursor. NULL, or why not. */
static const char *scan(redis_scan *s, redis_cluster *c, uint64_t *cursor, bool *ended)
{
    const uint32_t slot = next_node(c, (uint32_t)(*cursor / A_SLOT));
    char at[24];
    redis_request q;
    *ended = slot == REDIS_SLOTS;
    if (*ended)
        return NULL;
    (void)snprintf(at, sizeof at, "%" PRIu64, *cursor % A_SLOT);
    const char *words[] = {"SCAN", at, "MATCH", "vql:{*}", "COUNT", "256"};
    const char *why = "no memory";
    if (redis_request_set(&q, (uint16_t)slot, false, 6, words, NULL)) {
        redis_cluster_run(c, &q, 1);
        why = take(s, q.reply, slot, cursor);
    }
    redis_request_clear(&q);
    return why;
}

bool redis_scan_users(redis_scan *s, redis_cluster *c, uint64_t *cursor, uint64_t *out, size_t max,
                      size_t *count, const char **why)
{
    bool ended = false;
    *why = NULL;
    if (*cursor != s->cursor)
        s->count = 0;
    if (redis_cluster_owner(c, 0) == REDIS_NO_NODE && !redis_cluster_refresh(c))
        *why = "redis did not answer";
    while (!*why && !ended && s->count < max)
        *why = scan(s, c, cursor, &ended);
    if (*why)
        return false;
    for (*count = 0; *count < max && s->count > 0; (*count)++)
        out[*count] = s->found[--s->count];
    s->cursor = *cursor;
    return true;
}
