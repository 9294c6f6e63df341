#include "redis_feed.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "log.h"
#include "redis_cluster.h"
#include "redis_scripts.h"
#include "store.h"

enum { NS_PER_MS = 1000000, POLL_MS = 50 };

/* A connection that listens to a node. */
typedef struct ear {
    redis_link link;
    uint64_t heard_ns; /* when something last came */
} ear;

struct redis_feed {
    redis_feed_options options;
    redis_cluster *cluster;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint outages;

    ear ears[LIMIT_REDIS_NODES];  /* by node */
    uint16_t source[REDIS_SLOTS]; /* the node whose ear was asked for it; REDIS_NO_NODE: none */
    uint64_t probed_ns;
    uint32_t failing; /* nodes, at the last probe */
};

/* Nothing is heard of a slot any more. */
static void lose(redis_feed *f, uint16_t slot)
{
    f->source[slot] = REDIS_NO_NODE;
    news_listen(f->options.news, slot, false);
}

static void lose_node(redis_feed *f, uint16_t node)
{
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++)
        if (f->source[slot] == node)
            lose(f, (uint16_t)slot);
}

/* The ear of a node, which follows the node's address. */
static ear *ear_of(redis_feed *f, uint16_t node)
{
    ear *e = &f->ears[node];
    const address *where = redis_cluster_address(f->cluster, node);
    if (e->link.where.port != where->port || strcmp(e->link.where.host, where->host) != 0) {
        redis_link_clear(&e->link);
        lose_node(f, node);
        redis_link_init(&e->link, where, f->options.where, LIMIT_REDIS_FEED_MS);
    }
    return e;
}

/* Asks a node for the news of the slots that it has. */
static void subscribe(redis_feed *f, uint16_t node)
{
    ear *e = ear_of(f, node);
    const bool connected = e->link.context != NULL;
    if (!redis_link_ready(&e->link))
        return;
    if (!connected)
        e->heard_ns = redis_now_ns();
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++) {
        if (redis_cluster_owner(f->cluster, (uint16_t)slot) != node || f->source[slot] == node)
            continue;
        char channel[REDIS_KEY_BYTES], command[96];
        const size_t bytes = redis_slot_channel(f->options.tags, (uint16_t)slot, channel);
        const int length = snprintf(command, sizeof command,
                                    "*2\r\n$10\r\nSSUBSCRIBE\r\n$%zu\r\n%s\r\n", bytes, channel);
        lose(f, (uint16_t)slot);
        f->source[slot] = node;
        (void)redis_link_add(&e->link, command, (size_t)length);
    }
    (void)redis_link_flush(&e->link);
}

static void take_message(redis_feed *f, const redisReply *payload)
{
    if (!payload || payload->type != REDIS_REPLY_STRING || payload->len != REDIS_NEWS_BYTES)
        return;
    const uint64_t name = redis_little_parse(payload->str);
    if (name != atomic_load(f->options.name))
        news_changed(f->options.news, redis_little_parse(payload->str + REDIS_NAME_BYTES));
}

/* Something that a node says. False: it does not have the slots that it was asked for. */
static bool take(redis_feed *f, uint16_t node, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return false;
    const char *kind = reply->element[0]->str;
    const uint16_t slot = redis_slot(reply->element[1]->str, reply->element[1]->len);
    if (strcmp(kind, "smessage") == 0 && reply->elements == 3)
        take_message(f, reply->element[2]);
    else if (strcmp(kind, "ssubscribe") == 0 && f->source[slot] == node)
        news_listen(f->options.news, slot, true);
    else if (strcmp(kind, "sunsubscribe") == 0 && f->source[slot] == node) {
        lose(f, slot);
        return false;
    }
    return true;
}

/* Takes what a node has sent. False: slots may be elsewhere. */
static bool listen_to(redis_feed *f, uint16_t node)
{
    redis_link *l = &f->ears[node].link;
    void *reply = NULL;
    bool same = true;
    if (redisBufferRead(l->context) != REDIS_OK)
        return redis_link_fail(l, l->context->errstr);
    f->ears[node].heard_ns = redis_now_ns();
    while (redisGetReplyFromReader(l->context, &reply) == REDIS_OK && reply) {
        same = take(f, node, reply) && same;
        freeReplyObject(reply);
        reply = NULL;
    }
    if (l->context->err != 0)
        return redis_link_fail(l, l->context->errstr);
    return same;
}

/* A node was asked for slots that it does not have: they are asked for again. */
static void lose_unconfirmed(redis_feed *f, uint16_t node)
{
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++)
        if (f->source[slot] == node && !news_hears(f->options.news, (uint16_t)slot))
            f->source[slot] = REDIS_NO_NODE;
}

/* Waits a moment for what nodes send, and takes it. */
static void listen_to_all(redis_feed *f)
{
    struct pollfd polled[LIMIT_REDIS_NODES];
    uint16_t nodes[LIMIT_REDIS_NODES];
    nfds_t count = 0;
    for (uint16_t i = 0; i < redis_cluster_node_count(f->cluster); i++) {
        if (!f->ears[i].link.context)
            continue;
        nodes[count] = i;
        polled[count++] = (struct pollfd){f->ears[i].link.context->fd, POLLIN, 0};
    }
    if (poll(polled, count, POLL_MS) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        if (polled[i].revents == 0 || listen_to(f, nodes[i]))
            continue;
        if (f->ears[nodes[i]].link.context)
            lose_unconfirmed(f, nodes[i]);
        else
            lose_node(f, nodes[i]);
        f->probed_ns = 0;
    }
}

/* Pings a node, and gives up one that has not said anything for too long. */
static void ping(redis_feed *f, uint16_t node)
{
    static const char command[] = "*1\r\n$4\r\nPING\r\n";
    ear *e = &f->ears[node];
    if (!e->link.context)
        return;
    if (redis_now_ns() - e->heard_ns > (uint64_t)LIMIT_REDIS_SILENCE_MS * NS_PER_MS)
        (void)redis_link_fail(&e->link, "it is silent");
    else if (redis_link_add(&e->link, command, strlen(command)))
        (void)redis_link_flush(&e->link);
    if (!e->link.context)
        lose_node(f, node);
}

/* The first slot of each node that has one; returns how many nodes. */
static size_t find_owners(const redis_feed *f, uint16_t slots[LIMIT_REDIS_NODES])
{
    bool seen[LIMIT_REDIS_NODES] = {false};
    size_t count = 0;
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++) {
        const uint16_t node = redis_cluster_owner(f->cluster, (uint16_t)slot);
        if (node == REDIS_NO_NODE || seen[node])
            continue;
        seen[node] = true;
        slots[count++] = (uint16_t)slot;
    }
    return count;
}

/* Writes a key to each node that has slots. */
static void probe(redis_feed *f)
{
    redis_request requests[LIMIT_REDIS_NODES];
    uint16_t slots[LIMIT_REDIS_NODES];
    size_t set = 0, wrote = 0, answered = 0;
    const size_t count = find_owners(f, slots);
    for (; set < count; set++) {
        char key[REDIS_KEY_BYTES];
        (void)redis_slot_probe(f->options.tags, slots[set], key);
        const char *words[] = {"SET", key, "", "PX", "60000"};
        if (!redis_request_set(&requests[set], slots[set], true, 5, words, NULL))
            break;
    }
    redis_cluster_run(f->cluster, requests, set);
    for (size_t i = 0; i < set; i++) {
        const redisReply *reply = requests[i].reply;
        wrote += reply && reply->type == REDIS_REPLY_STATUS;
        answered += reply && !(reply->type == REDIS_REPLY_ERROR &&
                               (strncmp(reply->str, "CLUSTERDOWN", 11) == 0 ||
                                strncmp(reply->str, "LOADING", 7) == 0));
        redis_request_clear(&requests[i]);
    }
    const uint32_t failing = (uint32_t)(count - wrote);
    if (failing != f->failing)
        log_warn("primaries of redis that cannot be written", log_u64("failing", failing),
                 log_u64("of", count));
    f->failing = failing;
    atomic_store(&f->outages, (wrote > 0 ? 0U : (unsigned)STORE_UNWRITABLE) |
                                  (answered > 0 ? 0U : (unsigned)STORE_UNREADABLE));
}

/* Looks after the nodes: are they there, and is every slot listened to where it is? */
static void look_after(redis_feed *f)
{
    const uint64_t now = redis_now_ns();
    if (f->probed_ns != 0 && now - f->probed_ns < (uint64_t)LIMIT_REDIS_PROBE_MS * NS_PER_MS)
        return;
    if (f->probed_ns == 0)
        (void)redis_cluster_refresh(f->cluster);
    f->probed_ns = now;
    probe(f);
    for (uint16_t i = 0; i < redis_cluster_node_count(f->cluster); i++) {
        ping(f, i);
        bool owns = false;
        for (size_t slot = 0; slot < REDIS_SLOTS && !owns; slot++)
            owns = redis_cluster_owner(f->cluster, (uint16_t)slot) == i && f->source[slot] != i;
        if (owns)
            subscribe(f, i);
    }
}

static void *run(void *argument)
{
    redis_feed *f = argument;
    while (!atomic_load(&f->stopping)) {
        look_after(f);
        listen_to_all(f);
    }
    return NULL;
}

static void free_feed(redis_feed *f)
{
    for (size_t i = 0; i < LIMIT_REDIS_NODES; i++)
        redis_link_clear(&f->ears[i].link);
    redis_cluster_free(f->cluster);
    free(f);
}

redis_feed *redis_feed_start(const redis_feed_options *options, database_error *error)
{
    redis_feed *f = calloc(1, sizeof *f);
    const char *why = "no memory";
    if (!f)
        goto fail;
    f->options = *options;
    for (size_t i = 0; i < REDIS_SLOTS; i++)
        f->source[i] = REDIS_NO_NODE;
    f->cluster = redis_cluster_new(options->where, 0, LIMIT_REDIS_FEED_MS);
    if (!f->cluster)
        goto free_feed;
    why = "no node says where the slots are";
    if (!redis_cluster_refresh(f->cluster))
        goto free_feed;
    why = "no thread to listen";
    if (pthread_create(&f->thread, NULL, run, f) == 0)
        return f;
free_feed:
    free_feed(f);
fail:
    (void)snprintf(error->text, sizeof error->text, "store: redis: %s", why);
    return NULL;
}

void redis_feed_stop(redis_feed *f)
{
    if (!f)
        return;
    atomic_store(&f->stopping, true);
    (void)pthread_join(f->thread, NULL);
    free_feed(f);
}

unsigned redis_feed_outages(const redis_feed *f)
{
    return atomic_load(&f->outages);
}
