/*
 * Which requests are refused because they have waited too long: the controlled delay of B. Maurer,
 * "Fail at Scale" (ACM Queue 13(8), 2015), after CoDel (RFC 8289). A queue that was empty at some
 * time within the last interval is a burst that will pass, and may wait an interval; one that was
 * not is a standing queue, which does nobody good, and may wait no longer than the target. So an
 * overloaded queue is at most the target long, what is served is served soon, and the rest is told
 * early enough to go elsewhere.
 *
 * The article's 5 and 100 ms are for requests of milliseconds; --shed-target-ms has a default for
 * requests of less.
 *
 * What waits in a queue that will be served within the target is not refused, however long it has
 * waited: the thread was held up, and the queue does not stand.
 *
 * Times are nanoseconds of any monotonic clock.
 */
#ifndef VQL_SERVER_SHEDDER_H
#define VQL_SERVER_SHEDDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct shedder {
    uint64_t target_ns;
    uint64_t interval_ns;
    uint64_t empty_ns;  /* when the queue was last known to be empty */
    uint64_t strict_ns; /* until when the queue counts as standing, empty or not */
    uint64_t served_ns; /* when a request was last done, or begun after a pause */
    uint64_t mean_ns;   /* between two that are done, a moving average */
} shedder;

/* For a queue that is empty now. */
void shedder_init(shedder *s, uint64_t target_ns, uint64_t interval_ns);

/* The queue is empty now. */
void shedder_empty(shedder *s, uint64_t now_ns);

/* A request is begun after a pause. */
void shedder_begin(shedder *s, uint64_t now_ns);

/* A request is done. */
void shedder_served(shedder *s, uint64_t now_ns);

/*
 * Whether the queue has not been empty for longer than the interval, or had to refuse within the
 * last one: a moment without a queue does not end an overload.
 */
bool shedder_is_standing(const shedder *s, uint64_t now_ns);

/* Whether a request, of so many, that has waited since arrived_ns is to be refused. */
bool shedder_sheds(shedder *s, size_t waiting, uint64_t arrived_ns, uint64_t now_ns);

/*
 * Whether one that would come now, behind so many, would be refused when its turn came: the queue
 * stands, and is longer than the target.
 */
bool shedder_refuses(shedder *s, size_t waiting, uint64_t now_ns);

#endif
