/*
 * A Redis Cluster, or a single Redis, as one thread sees it: which node has which slot, a link to
 * each, and commands that go to where their slot is. Commands are sent together, each node's in one
 * go. A node that has a slot no more says where it is (MOVED, ASK), and one that cannot answer yet
 * that it cannot (TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, MASTERDOWN): such commands, which were
 * not done, are sent again, a bounded number of times. One whose answer was lost is not, as it may
 * have been done.
 */
#ifndef VQL_SERVER_REDIS_CLUSTER_H
#define VQL_SERVER_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "redis_link.h"
#include "redis_slots.h"
#include "redis_url.h"

typedef struct redis_cluster redis_cluster;

/* No node. */
enum { REDIS_NO_NODE = UINT16_MAX };

/* A command and its answer. */
typedef struct redis_request {
    uint16_t slot; /* where it belongs */
    bool writes;   /* so that replicas may have to have it */

    char *command; /* [bytes], in Redis's protocol, as redisFormatCommand makes it */
    size_t bytes;
    redisReply *reply; /* NULL: there was none */
    bool unreplicated; /* it was done, but too few replicas have it */

    /* The cluster's own. */
    uint16_t node;
    bool asking, pending;
} redis_request;

/*
 * The login must outlive it. replicas: how many have to have what is written before it is answered.
 * limit_ms: for connecting, and for a command. Nothing is connected. NULL: no memory.
 */
redis_cluster *redis_cluster_new(const redis_url *where, uint32_t replicas, uint32_t limit_ms);

/* Closes all links. NULL is allowed. */
void redis_cluster_free(redis_cluster *c);

/* A script that nodes are given when they do not know it; a static string. */
void redis_cluster_add_script(redis_cluster *c, const char *text);

/*
 * Formats a command of `count` words. False: no memory. The request is to be cleared by
 * redis_request_clear, whatever became of it.
 */
bool redis_request_set(redis_request *r, uint16_t slot, bool writes, int count, const char **words,
                       const size_t *bytes);
void redis_request_clear(redis_request *r);

/* Has all done. A request without a reply was done or not. */
void redis_cluster_run(redis_cluster *c, redis_request *requests, size_t count);

/* Asks the nodes, one after the other, until one says where slots are. False: none did. */
bool redis_cluster_refresh(redis_cluster *c);

/* The node that has a slot; REDIS_NO_NODE: none is known. */
uint16_t redis_cluster_owner(const redis_cluster *c, uint16_t slot);

/* A node's address; those that have a slot, up to count. */
const address *redis_cluster_address(const redis_cluster *c, uint16_t node);
uint16_t redis_cluster_node_count(const redis_cluster *c);

#endif
