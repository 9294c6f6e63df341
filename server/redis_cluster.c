#include "redis_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limit.h"
#include "redis_topology.h"

enum { NS_PER_MS = 1000000, SCRIPTS = 8 };

struct redis_cluster {
    const redis_url *where;
    uint32_t replicas, limit_ms;
    redis_topology topology;
    redis_link links[LIMIT_REDIS_NODES];
    bool touched[LIMIT_REDIS_NODES]; /* in this round */
    bool waits[LIMIT_REDIS_NODES];   /* in this round, for its replicas */
    const char *scripts[SCRIPTS];
    size_t script_count;
    uint64_t refreshed_ns;
    bool refresh; /* slots may be elsewhere */
};

/* What is to be done with an answer. */
typedef enum verdict { TAKEN, AGAIN_AT_ONCE, AGAIN_LATER } verdict;

redis_cluster *redis_cluster_new(const redis_url *where, uint32_t replicas, uint32_t limit_ms)
{
    redis_cluster *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->where = where;
    c->replicas = replicas;
    c->limit_ms = limit_ms;
    redis_topology_init(&c->topology, where);
    c->refresh = true;
    return c;
}

void redis_cluster_free(redis_cluster *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < LIMIT_REDIS_NODES; i++)
        redis_link_clear(&c->links[i]);
    free(c);
}

void redis_cluster_add_script(redis_cluster *c, const char *text)
{
    if (c->script_count < SCRIPTS)
        c->scripts[c->script_count++] = text;
}

bool redis_request_set(redis_request *r, uint16_t slot, bool writes, int count, const char **words,
                       const size_t *bytes)
{
    *r = (redis_request){.slot = slot, .writes = writes};
    const int length = redisFormatCommandArgv(&r->command, count, words, bytes);
    r->bytes = length > 0 ? (size_t)length : 0;
    return length > 0;
}

void redis_request_clear(redis_request *r)
{
    redisFreeCommand(r->command);
    freeReplyObject(r->reply);
    *r = (redis_request){.bytes = 0};
}

/* The link of a node, which follows the node's address. */
static redis_link *link_of(redis_cluster *c, uint16_t node)
{
    redis_link *l = &c->links[node];
    const address *where = &c->topology.nodes[node];
    if (l->where.port != where->port || strcmp(l->where.host, where->host) != 0) {
        redis_link_clear(l);
        redis_link_init(l, where, c->where, c->limit_ms);
    }
    return l;
}

/* Sends one command to one node and waits. NULL: no answer. */
static redisReply *ask(redis_cluster *c, uint16_t node, int count, const char **words)
{
    redisReply *reply = NULL;
    char *command = NULL;
    redis_link *l = link_of(c, node);
    const int bytes = redisFormatCommandArgv(&command, count, words, NULL);
    if (bytes > 0 && redis_link_ready(l) && redis_link_add(l, command, (size_t)bytes) &&
        redis_link_flush(l))
        reply = redis_link_read(l);
    redisFreeCommand(command);
    return reply;
}

bool redis_cluster_refresh(redis_cluster *c)
{
    static const char *words[] = {"CLUSTER", "SLOTS"};
    const uint16_t count = c->topology.count;
    const uint16_t first = c->topology.asked;
    c->refreshed_ns = redis_now_ns();
    for (uint16_t i = 1; i <= count; i++) {
        const uint16_t node = (uint16_t)((first + i) % count);
        redisReply *reply = ask(c, node, 2, words);
        const bool ok = reply && redis_topology_update(&c->topology, node, reply);
        freeReplyObject(reply);
        if (ok) {
            c->topology.asked = node;
            c->refresh = false;
            return true;
        }
    }
    return false;
}

uint16_t redis_cluster_owner(const redis_cluster *c, uint16_t slot)
{
    return c->topology.owner[slot];
}

const address *redis_cluster_address(const redis_cluster *c, uint16_t node)
{
    return &c->topology.nodes[node];
}

uint16_t redis_cluster_node_count(const redis_cluster *c)
{
    return c->topology.count;
}

/* Sends what is pending; a request whose node is not there stays without an answer. */
static void send_pending(redis_cluster *c, redis_request *requests, size_t count)
{
    static const char asking[] = "*1\r\n$6\r\nASKING\r\n";
    memset(c->touched, 0, sizeof c->touched);
    memset(c->waits, 0, sizeof c->waits);
    for (size_t i = 0; i < count; i++) {
        redis_request *r = &requests[i];
        if (!r->pending)
            continue;
        if (!r->asking)
            r->node = c->topology.owner[r->slot];
        redis_link *l = r->node == REDIS_NO_NODE ? NULL : link_of(c, r->node);
        if (!l || (!c->touched[r->node] && !redis_link_ready(l))) {
            r->pending = false;
            c->refresh = true;
            continue;
        }
        c->touched[r->node] = true;
        c->waits[r->node] = c->waits[r->node] || (r->writes && c->replicas > 0);
        if (r->asking)
            (void)redis_link_add(l, asking, strlen(asking));
        (void)redis_link_add(l, r->command, r->bytes);
    }
}

/* Has every node that is to write something wait for its replicas, and sends all. */
static void flush_links(redis_cluster *c)
{
    char wait[64];
    (void)snprintf(wait, sizeof wait, "WAIT %u %d\r\n", c->replicas, LIMIT_REDIS_WAIT_MS);
    for (uint16_t i = 0; i < c->topology.count; i++) {
        if (!c->touched[i])
            continue;
        if (c->waits[i])
            (void)redis_link_add(&c->links[i], wait, strlen(wait));
        (void)redis_link_flush(&c->links[i]);
    }
}

/* Gives a node the scripts that it does not know. */
static void load_scripts(redis_cluster *c, uint16_t node)
{
    for (size_t i = 0; i < c->script_count; i++)
        freeReplyObject(ask(c, node, 3, (const char *[]){"SCRIPT", "LOAD", c->scripts[i]}));
}

static bool says(const redisReply *reply, const char *what)
{
    return strncmp(reply->str, what, strlen(what)) == 0;
}

/* The node that a MOVED or ASK names takes the request. */
static verdict redirect(redis_cluster *c, redis_request *r)
{
    const bool moved = says(r->reply, "MOVED");
    const uint16_t node = redis_topology_redirect(&c->topology, r->node, r->reply->str);
    if (node == REDIS_NO_NODE)
        return TAKEN;
    r->asking = !moved;
    r->node = node;
    c->refresh = c->refresh || moved;
    if (moved)
        c->topology.owner[r->slot] = node;
    return AGAIN_AT_ONCE;
}

static verdict judge(redis_cluster *c, redis_request *r, bool *unknown_script)
{
    static const char *const later[] = {"TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY",
                                        "MASTERDOWN"};
    if (!r->reply) {
        c->refresh = true;
        return TAKEN;
    }
    if (r->reply->type != REDIS_REPLY_ERROR)
        return TAKEN;
    if (says(r->reply, "MOVED ") || says(r->reply, "ASK "))
        return redirect(c, r);
    if (says(r->reply, "NOSCRIPT")) {
        *unknown_script = true;
        return AGAIN_AT_ONCE;
    }
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (says(r->reply, later[i])) {
            c->refresh = true;
            r->asking = false;
            return AGAIN_LATER;
        }
    return TAKEN;
}

/* Reads the answers to what was sent, in the same order. */
static void read_answers(redis_cluster *c, redis_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        redis_request *r = &requests[i];
        if (!r->pending)
            continue;
        redis_link *l = &c->links[r->node];
        if (r->asking)
            freeReplyObject(redis_link_read(l));
        r->reply = redis_link_read(l);
    }
}

/* Reads how many replicas have what nodes wrote. */
static void read_waits(redis_cluster *c, redis_request *requests, size_t count)
{
    bool enough[LIMIT_REDIS_NODES] = {false};
    for (uint16_t i = 0; i < c->topology.count; i++) {
        if (!c->waits[i])
            continue;
        redisReply *reply = redis_link_read(&c->links[i]);
        enough[i] =
            reply && reply->type == REDIS_REPLY_INTEGER && reply->integer >= (long)c->replicas;
        freeReplyObject(reply);
    }
    for (size_t i = 0; i < count; i++)
        if (requests[i].pending)
            requests[i].unreplicated = requests[i].writes && !enough[requests[i].node];
}

/* Says which are to be sent again. Returns how many; *later: not at once. */
static size_t judge_all(redis_cluster *c, redis_request *requests, size_t count, bool last,
                        bool *later)
{
    size_t again = 0;
    bool untaught[LIMIT_REDIS_NODES] = {false};
    *later = false;
    for (size_t i = 0; i < count; i++) {
        redis_request *r = &requests[i];
        if (!r->pending)
            continue;
        const uint16_t node = r->node;
        const verdict v = judge(c, r, &untaught[node]);
        r->pending = v != TAKEN && !last;
        *later = *later || v == AGAIN_LATER;
        if (!r->pending)
            continue;
        freeReplyObject(r->reply);
        r->reply = NULL;
        again++;
    }
    for (uint16_t i = 0; i < c->topology.count; i++)
        if (untaught[i])
            load_scripts(c, i);
    return again;
}

static void pause_before(int round)
{
    const uint64_t ns = redis_jitter((uint64_t)LIMIT_REDIS_AGAIN_MS * NS_PER_MS << round);
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

/* Asks where slots are, if that is in doubt, but not all the time. */
static void refresh_if_due(redis_cluster *c)
{
    const uint64_t pause_ns = (uint64_t)LIMIT_REDIS_RETRY_MS * NS_PER_MS;
    if (c->refresh && (c->refreshed_ns == 0 || redis_now_ns() > c->refreshed_ns + pause_ns))
        (void)redis_cluster_refresh(c);
}

void redis_cluster_run(redis_cluster *c, redis_request *requests, size_t count)
{
    bool later = false;
    for (size_t i = 0; i < count; i++)
        requests[i].pending = true;
    for (int round = 0; round < LIMIT_REDIS_ROUNDS; round++) {
        refresh_if_due(c);
        send_pending(c, requests, count);
        flush_links(c);
        read_answers(c, requests, count);
        if (c->replicas > 0)
            read_waits(c, requests, count);
        if (judge_all(c, requests, count, round == LIMIT_REDIS_ROUNDS - 1, &later) == 0)
            return;
        if (later)
            pause_before(round);
    }
}
