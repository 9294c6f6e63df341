#include "redis_link.h"

#include <string.h>
#include <time.h>

#include "limit.h"
#include "log.h"
#include "redis_slots.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000, MOST_DOUBLINGS = 8 };

uint64_t redis_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t redis_jitter(uint64_t ns)
{
    return ns / 2 + redis_random() % (ns + 1);
}

void redis_link_init(redis_link *l, const address *where, const redis_url *login, uint32_t limit_ms)
{
    *l = (redis_link){.where = *where, .login = login, .limit_ms = limit_ms};
}

void redis_link_clear(redis_link *l)
{
    redisFree(l->context);
    l->context = NULL;
}

bool redis_link_is_open(const redis_link *l)
{
    return !l->context && l->retry_ns > redis_now_ns();
}

bool redis_link_fail(redis_link *l, const char *why)
{
    const uint32_t doublings = l->failures < MOST_DOUBLINGS ? l->failures : MOST_DOUBLINGS;
    uint64_t wait_ms = (uint64_t)LIMIT_REDIS_RETRY_MS << doublings;
    if (wait_ms > LIMIT_REDIS_LONGEST_RETRY_MS)
        wait_ms = LIMIT_REDIS_LONGEST_RETRY_MS;
    if (l->failures == 0)
        log_warn("a node of redis fails", log_str("host", l->where.host),
                 log_u64("port", l->where.port), log_str("error", why));
    redis_link_clear(l);
    l->failures++;
    l->retry_ns = redis_now_ns() + redis_jitter(wait_ms * NS_PER_MS);
    return false;
}

/* Says who we are. A node that knows no password takes none. */
static bool authenticate(redis_link *l)
{
    const redis_url *u = l->login;
    if (u->password[0] == '\0')
        return true;
    redisReply *reply = u->user[0] == '\0'
                            ? redisCommand(l->context, "AUTH %s", u->password)
                            : redisCommand(l->context, "AUTH %s %s", u->user, u->password);
    const bool ok = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return ok || redis_link_fail(l, "it does not take user and password");
}

static bool connect_now(redis_link *l)
{
    const struct timeval limit = {.tv_sec = l->limit_ms / 1000,
                                  .tv_usec = (suseconds_t)(l->limit_ms % 1000) * 1000};
    l->context = redisConnectWithTimeout(l->where.host, l->where.port, limit);
    if (!l->context)
        return redis_link_fail(l, "no memory");
    if (l->context->err != 0)
        return redis_link_fail(l, l->context->errstr);
    (void)redisEnableKeepAlive(l->context);
    if (redisSetTimeout(l->context, limit) != REDIS_OK)
        return redis_link_fail(l, "no time limit can be set");
    if (!authenticate(l))
        return false;
    if (l->failures > 0)
        log_info("a node of redis answers again", log_str("host", l->where.host),
                 log_u64("port", l->where.port));
    l->failures = 0;
    return true;
}

bool redis_link_ready(redis_link *l)
{
    if (l->context)
        return true;
    return !redis_link_is_open(l) && connect_now(l);
}

bool redis_link_add(redis_link *l, const char *command, size_t bytes)
{
    if (!l->context)
        return false;
    if (redisAppendFormattedCommand(l->context, command, bytes) == REDIS_OK)
        return true;
    return redis_link_fail(l, "no memory");
}

bool redis_link_flush(redis_link *l)
{
    int done = 0;
    while (l->context && !done)
        if (redisBufferWrite(l->context, &done) != REDIS_OK)
            (void)redis_link_fail(l, l->context->errstr);
    return l->context != NULL;
}

redisReply *redis_link_read(redis_link *l)
{
    void *reply = NULL;
    if (!l->context)
        return NULL;
    if (redisGetReply(l->context, &reply) == REDIS_OK)
        return reply;
    (void)redis_link_fail(l, l->context->errstr);
    return NULL;
}
