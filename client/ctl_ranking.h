/*
 * Scored candidates, best first, as vqlctl prints them.
 */
#ifndef VQL_CLIENT_CTL_RANKING_H
#define VQL_CLIENT_CTL_RANKING_H

#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

/* Latencies of the same request sent `requests` times, in milliseconds. */
typedef struct ranking_latency {
    size_t requests;
    double p50_ms;
    double p90_ms;
    double p99_ms;
    double max_ms;
} ranking_latency;

/*
 * Candidate i of item_ids [N] has the scores answer->scores[i · T …]. order is [N]: the candidates
 * by descending score of the first task, those of equal score in the order of the request.
 */
typedef struct ranking {
    uint64_t user_id;
    const uint64_t *item_ids;
    const Vql__V1__ScoreResponse *answer;
    size_t *order;           /* owned */
    size_t count;            /* N */
    size_t top;              /* how many to print: at most N */
    ranking_latency latency; /* printed when there were several requests */
} ranking;

/*
 * Ranks an answer's candidates; item_ids and answer must outlive the ranking. NULL, or what is
 * wrong with the answer.
 */
const char *ranking_make(ranking *r, const Vql__V1__ScoreRequest *request,
                         const Vql__V1__ScoreResponse *answer, size_t top);
void ranking_free(ranking *r);

/* Print to standard output: rank, item and a column for each task; or one JSON object. */
void ranking_print_table(const ranking *r);
void ranking_print_json(const ranking *r);

#endif
