/*
 * What was asked and what came of it: one request of a call, unary or in a stream, with the
 * interval in which it may have taken effect.
 */
#ifndef VQL_TESTS_RECORD_H
#define VQL_TESTS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

typedef enum record_kind { RECORD_SCORE, RECORD_APPEND, RECORD_GET, RECORD_DELETE } record_kind;

/* Requests that must be refused, and have no effect. */
typedef enum record_flaw {
    FLAW_NONE,
    FLAW_EVENT_TYPE,
    FLAW_EVENT_TIME,
    FLAW_MANY_EVENTS,
    FLAW_MANY_CANDIDATES,
    FLAW_NO_CANDIDATES,
    FLAW_SCORE_TIME,
    FLAW_MODEL,
    FLAW_MALFORMED,
    FLAW_TOO_LONG,
} record_flaw;

typedef enum record_state {
    RECORD_ASKED,   /* no answer yet, or never: it may have taken effect at any time */
    RECORD_OK,      /* answered */
    RECORD_TOO_LOW, /* answered: the sequence number was below min_sequence */
    RECORD_VOID,    /* it had no effect and says nothing */
} record_state;

typedef struct record {
    record_kind kind;
    record_flaw flaw;
    record_state state;
    bool lost;           /* its call is over, and it was not answered */
    uint64_t begin, end; /* moments; end: UINT64_MAX without an answer */

    uint64_t user_id;
    event *events; /* [event_count]: appended, or to be scored with */
    size_t event_count;
    uint64_t *items; /* [item_count] */
    size_t item_count;
    int64_t time_ms;
    uint64_t min_sequence, before_sequence;
    uint32_t max_events;

    /* The answer. */
    uint64_t sequence;
    uint64_t appended, duplicates, deleted;
    uint32_t unknown_items;
    bool unknown_user;
    float *scores; /* [score_count] */
    size_t score_count;
    int64_t first_time_ms, last_time_ms;
    event *got; /* [got_count], newest first */
    size_t got_count;
} record;

/* A record of a random request; the caller owns it. */
record *record_draw(uint64_t user_id, bool stream, bool append);

/* The request as bytes; the caller frees them. */
uint8_t *record_pack(const record *r, size_t *count);

/* Takes the answer in. */
void record_answer(record *r, const uint8_t *message, size_t count);

void record_free(record *r);

#endif
