/*
 * The messages of calls. What they have of candidates or events is drawn and encoded beforehand; a
 * call's message is that, behind its user.
 */
#ifndef VQL_CLIENT_LOAD_REQUESTS_H
#define VQL_CLIENT_LOAD_REQUESTS_H

#include "load_kind.h"
#include "load_users.h"

typedef struct load_requests load_requests;

typedef struct load_requests_options {
    load_users *users;     /* drawn from; must outlive it */
    const load_ids *items; /* candidates and events are drawn from; needed by load_requests_new */
    uint32_t candidates;   /* of a score, at least 1 */
    uint32_t events;       /* of an append, at least 1 */
    uint32_t event_types;  /* that they are of, at least 1 */
    const char *model;     /* of a score; NULL: the active one */
    uint32_t shares[LOAD_KIND_COUNT]; /* of the kinds; not all 0 */
    uint64_t seed;
} load_requests_options;

/* NULL when there is no memory. */
load_requests *load_requests_new(const load_requests_options *options);
void load_requests_free(load_requests *r);

/* A request that has been drawn. */
typedef struct load_request {
    load_kind kind;
    uint64_t user;
    uint32_t list;          /* of candidates, or events */
    uint32_t tag;           /* 0; the caller's */
    const uint8_t *message; /* the message itself, of so many bytes; NULL: user and list make it */
    size_t bytes;
} load_request;

/* Draws the next call's kind. */
load_kind load_requests_kind(load_requests *r);

/* Draws a request of that kind. */
load_request load_requests_draw(load_requests *r, load_kind kind);

/* One of any user and list, whatever the order of a log. */
load_request load_requests_sample(load_requests *r, load_kind kind);

/* The request's message: its bytes, and the message, written to out, which has room for it. */
size_t load_request_bytes(const load_requests *r, const load_request *q);
void load_request_write(const load_requests *r, const load_request *q, uint8_t *out);

/* The candidates of list i of them: options.candidates ids. */
const uint64_t *load_requests_candidates(const load_requests *r, uint32_t list);

#endif
