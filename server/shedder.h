/*
 * Which requests are refused because they have waited too long: the controlled delay of B. Maurer,
 * "Fail at Scale" (ACM Queue 13(8), 2015), after CoDel (RFC 8289). A queue that was empty at some
 * time within the last interval is a burst that will pass, and may wait an interval; one that was
 * not is a standing queue, which does nobody good, and may wait no longer than the target. So an
 * overloaded queue is at most the target long, what is served is served soon, and the rest is told
 * early enough to go elsewhere.
 *
 * Times are nanoseconds of any monotonic clock.
 */
#ifndef VQL_SERVER_SHEDDER_H
#define VQL_SERVER_SHEDDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct shedder {
    uint64_t target_ns;
    uint64_t interval_ns;
    uint64_t empty_ns; /* when the queue was last known to be empty */
} shedder;

/* For a queue that is empty now. */
void shedder_init(shedder *s, uint64_t target_ns, uint64_t interval_ns);

/* The queue is empty now. */
void shedder_empty(shedder *s, uint64_t now_ns);

/* Whether the queue has not been empty for longer than the interval. */
bool shedder_is_standing(const shedder *s, uint64_t now_ns);

/* Whether a request that has waited since arrived_ns is to be refused. */
bool shedder_sheds(const shedder *s, uint64_t arrived_ns, uint64_t now_ns);

#endif
