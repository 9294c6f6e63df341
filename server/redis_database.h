/*
 * The Redis that is under the stores of all shards: where it is, what this server is called there,
 * what it is heard of other servers, and whether it can be read and written.
 */
#ifndef VQL_SERVER_REDIS_DATABASE_H
#define VQL_SERVER_REDIS_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "news.h"
#include "redis_cluster.h"
#include "redis_scripts.h"
#include "redis_slots.h"
#include "store.h"

typedef struct redis_database redis_database;

/*
 * Asks the nodes that are named where all slots are, and begins to listen for what other servers
 * write. DURABILITY_SYNC: appends wait until a replica has them. NULL: *error says why.
 */
redis_database *redis_database_open(const char *where, durability promise, database_error *error);

/* No store of it is left. NULL is allowed. */
void redis_database_close(redis_database *d);

/* What it does not do at present: store_outages. Any thread. */
unsigned redis_database_outages(const redis_database *d);

/* What is heard of other servers. */
const news *redis_database_news(const redis_database *d);

/* A store of it, for one thread; NULL: no memory. */
store *store_redis_open(redis_database *d);

/* What a store of it needs. */
durability redis_database_durability(const redis_database *d);
redis_cluster *redis_database_cluster(const redis_database *d); /* a new one; NULL: no memory */
const char *redis_database_sha(const redis_database *d, redis_script which);

/* What is published when a user's history changes; returns the channel's bytes. */
size_t redis_database_news_of(const redis_database *d, uint64_t user_id,
                              char channel[REDIS_KEY_BYTES], char out[REDIS_NEWS_BYTES]);

/*
 * Something was sent and not answered: the server has another name from now on, so that it hears of
 * it if it is done later.
 */
void redis_database_rename(redis_database *d);

/* True once a second at most: failures that come with every request are logged so often. */
bool redis_database_may_log(redis_database *d);

#endif
