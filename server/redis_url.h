/*
 * Where a Redis is: redis://[[USER]:PASSWORD@]HOST:PORT[,HOST:PORT]…, as the redis URI scheme has
 * it, with %XX for what may not stand in a user's name or password. Several nodes are those of one
 * cluster that are asked first.
 */
#ifndef VQL_SERVER_REDIS_URL_H
#define VQL_SERVER_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

enum { REDIS_SEEDS = 16, REDIS_LOGIN_BYTES = 256 };

typedef struct redis_url {
    char user[REDIS_LOGIN_BYTES];     /* "": the default user */
    char password[REDIS_LOGIN_BYTES]; /* "": none is asked for */
    address seeds[REDIS_SEEDS];
    size_t seed_count;
} redis_url;

/* NULL, or what is wrong with the text, without the password. */
const char *redis_url_parse(const char *text, redis_url *out);

#endif
