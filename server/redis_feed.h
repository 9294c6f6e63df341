/*
 * The thread that listens to all nodes of a Redis for what other servers write, and finds out
 * whether the nodes can be read and written. A slot that is not listened to, as its node is gone or
 * it has another, is so in the news from that moment; a node that is silent is gone.
 */
#ifndef VQL_SERVER_REDIS_FEED_H
#define VQL_SERVER_REDIS_FEED_H

#include <stdatomic.h>

#include "database.h"
#include "news.h"
#include "redis_slots.h"
#include "redis_url.h"

typedef struct redis_feed redis_feed;

/* All of it must outlive the feed. */
typedef struct redis_feed_options {
    const redis_url *where;
    const redis_tags *tags;
    news *news;
    const atomic_uint_fast64_t *name; /* this server's, whose own news are none */
} redis_feed_options;

/* Starts the thread. NULL: no node says where slots are, no memory or no thread; *error has it. */
redis_feed *redis_feed_start(const redis_feed_options *options, database_error *error);

/* Ends the thread. NULL is allowed. */
void redis_feed_stop(redis_feed *f);

/*
 * What cannot be done for any user: store_outages. While some nodes work it is nothing: others
 * would not do better, and their users are served.
 */
unsigned redis_feed_outages(const redis_feed *f);

#endif
