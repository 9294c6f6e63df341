#include "shedder.h"

enum { WINDOW = 16 }; /* requests that the average is of */

void shedder_init(shedder *s, uint64_t target_ns, uint64_t interval_ns)
{
    *s = (shedder){.target_ns = target_ns, .interval_ns = interval_ns, .mean_ns = target_ns};
}

void shedder_empty(shedder *s, uint64_t now_ns)
{
    s->empty_ns = now_ns;
}

bool shedder_is_standing(const shedder *s, uint64_t now_ns)
{
    return now_ns < s->strict_ns || (now_ns > s->empty_ns && now_ns - s->empty_ns > s->interval_ns);
}

void shedder_begin(shedder *s, uint64_t now_ns)
{
    s->served_ns = now_ns;
}

/* A pause of the thread's is not the time of a request: none counts for more than the target. */
void shedder_served(shedder *s, uint64_t now_ns)
{
    const uint64_t passed = now_ns > s->served_ns ? now_ns - s->served_ns : 0;
    const uint64_t counted = passed < s->target_ns ? passed : s->target_ns;
    s->mean_ns = (s->mean_ns * (WINDOW - 1) + counted) / WINDOW;
    s->served_ns = now_ns;
}

/* The queue stands, and is to be kept short for another interval. */
static bool refuse(shedder *s, uint64_t now_ns)
{
    s->strict_ns = now_ns + s->interval_ns;
    return true;
}

bool shedder_sheds(shedder *s, size_t waiting, uint64_t arrived_ns, uint64_t now_ns)
{
    if (now_ns <= arrived_ns || waiting * s->mean_ns <= s->target_ns)
        return false;
    const uint64_t waited_ns = now_ns - arrived_ns;
    if (shedder_is_standing(s, now_ns))
        return waited_ns > s->target_ns && refuse(s, now_ns);
    return waited_ns > s->interval_ns;
}

bool shedder_refuses(shedder *s, size_t waiting, uint64_t now_ns)
{
    return waiting * s->mean_ns > s->target_ns && shedder_is_standing(s, now_ns) &&
           refuse(s, now_ns);
}
