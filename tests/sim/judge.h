/*
 * The judge: whether what clients saw of one user can be explained. It can when there is an order
 * of the requests that took effect in which each one gives the answer that was seen, that keeps
 * every request within its interval, and that leads from the history before to the history after
 * (linearizability: Herlihy and Wing 1990; the search is that of Wing and Gong 1993 with Lowe's
 * memory of what was tried).
 */
#ifndef VQL_TESTS_JUDGE_H
#define VQL_TESTS_JUDGE_H

#include <stddef.h>

#include "record.h"

enum { JUDGE_MOST_RECORDS = 64 };

/* A history: the events of one user, oldest first; owned by whoever has it. */
typedef struct past {
    event *events;
    size_t count;
} past;

/*
 * Judges the records of one user, at most JUDGE_MOST_RECORDS, none of which is under way any more:
 * when they cannot be explained, the seed has failed. A search that takes too long is given up, and
 * counted as undecided.
 */
void judge(record *const *records, size_t count, past before, past after);

#endif
