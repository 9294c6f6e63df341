/*
 * How long a connection lives: its greatest age, and whether its peer is still there. Times only,
 * in nanoseconds of the clock of `now`.
 *
 *   begun ── max_age ──> LIFETIME_SHUTDOWN ── max_age_grace ──> LIFETIME_END
 *   heard ── keepalive ──> LIFETIME_PING ── keepalive_timeout, nothing heard ──> LIFETIME_END
 */
#ifndef VQL_SERVER_LIFETIME_H
#define VQL_SERVER_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

/* 0 for any of them: never. */
typedef struct lifetime_options {
    uint64_t max_age_ns;
    uint64_t max_age_grace_ns;
    uint64_t keepalive_ns;
    uint64_t keepalive_timeout_ns;
} lifetime_options;

typedef enum lifetime_event {
    LIFETIME_NOTHING,
    LIFETIME_SHUTDOWN, /* the connection is old: it is to take no more calls */
    LIFETIME_PING,     /* nothing was heard for long: the peer is to be asked */
    LIFETIME_END,      /* the connection is to be closed at once */
} lifetime_event;

typedef struct lifetime {
    lifetime_options options;
    bool begun;
    bool pinged;      /* and nothing heard since */
    uint64_t age_ns;  /* when max_age or max_age_grace has passed; UINT64_MAX: never */
    bool old;         /* max_age has passed */
    uint64_t peer_ns; /* when keepalive or keepalive_timeout has passed; UINT64_MAX: never */
} lifetime;

void lifetime_init(lifetime *l, const lifetime_options *options);

/* Bytes of the peer have come. */
void lifetime_heard(lifetime *l, uint64_t now_ns);

/* What is due at now_ns; called again until nothing is. The first call is when the life begins. */
lifetime_event lifetime_tick(lifetime *l, uint64_t now_ns);

/* When something is due; UINT64_MAX: never. */
uint64_t lifetime_due(const lifetime *l);

#endif
