#include "redis_topology.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = UINT16_MAX };

void redis_topology_init(redis_topology *t, const redis_url *where)
{
    *t = (redis_topology){.count = (uint16_t)where->seed_count,
                          .seeds = (uint16_t)where->seed_count};
    memcpy(t->nodes, where->seeds, where->seed_count * sizeof *where->seeds);
    for (size_t i = 0; i < REDIS_SLOTS; i++)
        t->owner[i] = NOBODY;
}

static uint16_t find(const redis_topology *t, const address *where)
{
    for (uint16_t i = 0; i < t->count; i++)
        if (t->nodes[i].port == where->port && strcmp(t->nodes[i].host, where->host) == 0)
            return i;
    return NOBODY;
}

/* A node that was not named at the start and has no slot any more; NOBODY: there is none. */
static uint16_t find_left(const redis_topology *t)
{
    bool used[LIMIT_REDIS_NODES] = {false};
    for (size_t i = 0; i < REDIS_SLOTS; i++)
        if (t->owner[i] != NOBODY)
            used[t->owner[i]] = true;
    for (uint16_t i = t->seeds; i < t->count; i++)
        if (!used[i])
            return i;
    return NOBODY;
}

/* A node's place, made if need be. NOBODY: all places are taken. */
static uint16_t place(redis_topology *t, const address *where)
{
    uint16_t i = find(t, where);
    if (i != NOBODY)
        return i;
    i = t->count < LIMIT_REDIS_NODES ? t->count++ : find_left(t);
    if (i != NOBODY)
        t->nodes[i] = *where;
    return i;
}

/* Host and port; an empty host is that of `from`. False: it is no address. */
static bool make_address(const address *from, const char *host, size_t bytes, long long port,
                         address *out)
{
    if (bytes >= sizeof out->host || port < 1 || port > UINT16_MAX)
        return false;
    *out = *from;
    out->port = (uint16_t)port;
    if (bytes == 0)
        return true;
    memcpy(out->host, host, bytes);
    out->host[bytes] = '\0';
    return true;
}

static bool is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static bool is_integer(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER;
}

/* A range: [first, last, [host, port, …], …]. False: it is none. */
static bool parse_range(const redis_topology *t, uint16_t node, const redisReply *range,
                        address *where)
{
    if (!is_array(range, 3) || !is_integer(range->element[0]) || !is_integer(range->element[1]) ||
        !is_array(range->element[2], 2))
        return false;
    const long long first = range->element[0]->integer, last = range->element[1]->integer;
    const redisReply *host = range->element[2]->element[0], *port = range->element[2]->element[1];
    if (first < 0 || last < first || last >= REDIS_SLOTS || !is_integer(port) || !host)
        return false;
    const bool named = host->type == REDIS_REPLY_STRING && strcmp(host->str, "?") != 0;
    return make_address(&t->nodes[node], named ? host->str : "", named ? host->len : 0,
                        port->integer, where);
}

static bool is_single(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "cluster support disabled");
}

bool redis_topology_update(redis_topology *t, uint16_t node, const redisReply *reply)
{
    address where;
    if (is_single(reply)) {
        for (size_t i = 0; i < REDIS_SLOTS; i++)
            t->owner[i] = node;
        return true;
    }
    if (!is_array(reply, 1))
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (!parse_range(t, node, reply->element[i], &where))
            return false;
    uint16_t owner[REDIS_SLOTS];
    for (size_t i = 0; i < REDIS_SLOTS; i++)
        owner[i] = NOBODY;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *range = reply->element[i];
        (void)parse_range(t, node, range, &where);
        const uint16_t of = place(t, &where);
        for (long long slot = range->element[0]->integer; slot <= range->element[1]->integer;
             slot++)
            owner[slot] = t->owner[slot] = of;
    }
    memcpy(t->owner, owner, sizeof owner);
    return true;
}

uint16_t redis_topology_redirect(redis_topology *t, uint16_t from, const char *text)
{
    address where;
    const char *host = strchr(text, ' ');
    host = host ? strchr(host + 1, ' ') : NULL;
    const char *colon = host ? strrchr(++host, ':') : NULL;
    if (!colon)
        return NOBODY;
    char *end;
    const long port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || !make_address(&t->nodes[from], host, (size_t)(colon - host), port, &where))
        return NOBODY;
    return place(t, &where);
}
