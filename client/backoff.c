#include "backoff.h"

void backoff_reset(backoff *b)
{
    b->next_ms = b->min_ms;
}

uint64_t backoff_next(backoff *b, uint32_t random)
{
    const uint64_t base_ms = b->next_ms;
    const uint64_t longer_ms = base_ms * 8 / 5;
    b->next_ms = longer_ms < b->max_ms ? longer_ms : b->max_ms;
    return base_ms * 4 / 5 + ((base_ms * 2 / 5) * random >> 32);
}
