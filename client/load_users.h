/*
 * Whom calls are about: users drawn alike, by Zipf's law, or in the order of a log.
 */
#ifndef VQL_CLIENT_LOAD_USERS_H
#define VQL_CLIENT_LOAD_USERS_H

#include "load_ids.h"
#include "load_zipf.h"

typedef enum load_users_kind {
    LOAD_USERS_UNIFORM,
    LOAD_USERS_ZIPF,
    LOAD_USERS_LOG
} load_users_kind;

typedef struct load_users {
    load_users_kind kind;
    load_ids ids;   /* uniform, log */
    load_zipf zipf; /* the rank is the id */
    uint64_t next;  /* of a log */
} load_users;

/*
 * Takes "1000" or "uniform:1000" (ids 1 to 1000), "zipf:1000" (the same, 1 the most frequent) or
 * "log:FILE" (the column user_id, over and over). False: error, of error_bytes, says what is wrong.
 */
bool load_users_init(load_users *u, const char *text, double exponent, char *error,
                     size_t error_bytes);
void load_users_free(load_users *u);

uint64_t load_users_draw(load_users *u, load_random *random);

/* One of them by itself: of a log, that of any row. */
uint64_t load_users_sample(const load_users *u, load_random *random);

#endif
