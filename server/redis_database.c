#include "redis_database.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "redis_feed.h"

enum { NS_PER_S = 1000000000 };

struct redis_database {
    redis_url where;
    durability durability;
    atomic_uint_fast64_t name; /* at random */
    char shas[REDIS_SCRIPTS][REDIS_SHA_BYTES];
    redis_tags tags;
    news *news;
    redis_feed *feed;
    atomic_ullong logged; /* when a failure last was, in seconds */
};

static redis_database *fail(redis_database *d, database_error *error, const char *what)
{
    (void)snprintf(error->text, sizeof error->text, "store: redis: %s", what);
    redis_database_close(d);
    return NULL;
}

redis_database *redis_database_open(const char *where, durability promise, database_error *error)
{
    redis_database *d = calloc(1, sizeof *d);
    if (!d)
        return fail(d, error, "no memory");
    const char *wrong = redis_url_parse(where, &d->where);
    if (wrong)
        return fail(d, error, wrong);
    d->durability = promise;
    atomic_init(&d->name, redis_random());
    for (redis_script i = 0; i < REDIS_SCRIPTS; i++) {
        redis_script_sha(i, d->shas[i]);
        if (strlen(d->shas[i]) + 1 != REDIS_SHA_BYTES)
            return fail(d, error, "no SHA-1");
    }
    redis_tags_find(&d->tags);
    d->news = news_new();
    if (!d->news)
        return fail(d, error, "no memory");
    const redis_feed_options options = {&d->where, &d->tags, d->news, &d->name};
    d->feed = redis_feed_start(&options, error);
    if (!d->feed) {
        redis_database_close(d);
        return NULL;
    }
    return d;
}

void redis_database_close(redis_database *d)
{
    if (!d)
        return;
    redis_feed_stop(d->feed);
    news_free(d->news);
    free(d);
}

unsigned redis_database_outages(const redis_database *d)
{
    return redis_feed_outages(d->feed);
}

const news *redis_database_news(const redis_database *d)
{
    return d->news;
}

durability redis_database_durability(const redis_database *d)
{
    return d->durability;
}

redis_cluster *redis_database_cluster(const redis_database *d)
{
    redis_cluster *c = redis_cluster_new(&d->where, d->durability == DURABILITY_SYNC ? 1 : 0,
                                         LIMIT_REDIS_COMMAND_MS);
    for (redis_script i = 0; c && i < REDIS_SCRIPTS; i++)
        redis_cluster_add_script(c, redis_script_text(i));
    return c;
}

const char *redis_database_sha(const redis_database *d, redis_script which)
{
    return d->shas[which];
}

size_t redis_database_news_of(const redis_database *d, uint64_t user_id,
                              char channel[REDIS_KEY_BYTES], char out[REDIS_NEWS_BYTES])
{
    redis_little(atomic_load(&d->name), out);
    redis_little(user_id, out + REDIS_NAME_BYTES);
    return redis_slot_channel(&d->tags, redis_user_slot(user_id), channel);
}

void redis_database_rename(redis_database *d)
{
    (void)atomic_fetch_add(&d->name, 1);
}

bool redis_database_may_log(redis_database *d)
{
    const unsigned long long second = redis_now_ns() / NS_PER_S;
    unsigned long long last = atomic_load_explicit(&d->logged, memory_order_relaxed);
    return second != last && atomic_compare_exchange_strong(&d->logged, &last, second);
}
