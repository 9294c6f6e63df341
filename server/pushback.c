#include "pushback.h"

#include "id_map.h"
#include "limit.h"

/* Requests over which the average is taken: a few milliseconds of an overloaded thread's. */
static const double WINDOW = 256;

void pushback_note(pushback *p, bool refused)
{
    p->refused += ((refused ? 1.0 : 0.0) - p->refused) / WINDOW;
}

int64_t pushback_ms(pushback *p)
{
    const double load = 1 / (1 - p->refused);
    const double capped = load < LIMIT_PUSHBACK_GROWTH ? load : LIMIT_PUSHBACK_GROWTH;
    p->random = id_hash(p->random + 1);
    const double jitter = 0.5 + (double)(p->random >> 11) * 0x1p-53;
    return (int64_t)(LIMIT_PUSHBACK_MS * capped * jitter);
}
