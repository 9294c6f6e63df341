/*
 * The nodes of a Redis Cluster and which of them has which slot, from what nodes say; none of it is
 * trusted to be well-formed. No I/O.
 */
#ifndef VQL_SERVER_REDIS_TOPOLOGY_H
#define VQL_SERVER_REDIS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "address.h"
#include "limit.h"
#include "redis_slots.h"
#include "redis_url.h"

typedef struct redis_topology {
    address nodes[LIMIT_REDIS_NODES]; /* [count]: those named at the start come first */
    uint16_t count, seeds;
    uint16_t asked;              /* the node that answered last */
    uint16_t owner[REDIS_SLOTS]; /* by its place in nodes; UINT16_MAX: nobody is known */
} redis_topology;

/* The nodes that are named, and no slot. */
void redis_topology_init(redis_topology *t, const redis_url *where);

/*
 * Takes a node's answer to CLUSTER SLOTS. One that is no cluster's node has all slots. False: it is
 * no such answer, and nothing was changed.
 */
bool redis_topology_update(redis_topology *t, uint16_t node, const redisReply *reply);

/*
 * The node that "MOVED slot host:port" or "ASK slot host:port" names; without a host it is that of
 * `from`. UINT16_MAX: none is named, or there is no room for it.
 */
uint16_t redis_topology_redirect(redis_topology *t, uint16_t from, const char *text);

#endif
