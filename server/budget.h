/*
 * What a connection may cost without giving anyone an answer: a token bucket of the server's time,
 * in nanoseconds. Frames that are only work for the server are paid from it; a call costs, and is
 * paid back when it is answered, so that a client that opens streams to cancel them
 * (CVE-2023-44487), or to have them reset for errors of its own (CVE-2025-8671), runs out,
 * whichever side resets, and one whose deadlines are tight, at hundreds of cancellations a second,
 * does not.
 *
 * The bucket fills at one BUDGET_PART-th of the time that passes: a connection may waste that much
 * of a thread.
 */
#ifndef VQL_SERVER_BUDGET_H
#define VQL_SERVER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BUDGET_PART = 20,

    /* Nanoseconds, rounded up from what nghttp2 and the service take for one. */
    BUDGET_CALL_NS = 10000,     /* a header block: HPACK, a stream, a call */
    BUDGET_RESET_NS = 20000,    /* a stream that ended without its answer */
    BUDGET_SETTINGS_NS = 10000, /* SETTINGS, and GOAWAY */
    BUDGET_CONTROL_NS = 5000,   /* PING, CONTINUATION, RST_STREAM, DATA without data */
    BUDGET_LITTLE_NS = 2000,    /* WINDOW_UPDATE, PRIORITY, and what is not known */
    BUDGET_HEADER_BYTE_NS = 4,  /* of a header list as RFC 9113 §6.5.2 counts it */

    /*
     * A byte that comes out of a compressed message, beyond so many for each that was sent: what
     * is in ordinary messages hardly reaches that, and gzip goes as far as 1,032.
     */
    BUDGET_GZIP_BYTE_NS = 2,
    BUDGET_GZIP_RATIO = 16,

    /* What an answer earns beside its call's cost, for the WINDOW_UPDATEs and PINGs it causes. */
    BUDGET_ANSWER_NS = 10000,
};

typedef struct budget {
    uint64_t most_ns; /* 0: no limit; constant */
    uint64_t left_ns;
    uint64_t now_ns;
} budget;

/* A full bucket. */
void budget_init(budget *b, uint64_t most_ns);

/* Pays. False: there is not that much left, and the connection is to end. */
bool budget_pay(budget *b, uint64_t cost_ns, uint64_t now_ns);

void budget_earn(budget *b, uint64_t ns);

/* What a frame costs by itself, from its 9-byte header (RFC 9113 §4.1). */
uint64_t budget_frame_ns(const uint8_t header[9]);

#endif
