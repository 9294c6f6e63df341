#include "shedder.h"

void shedder_init(shedder *s, uint64_t target_ns, uint64_t interval_ns)
{
    *s = (shedder){.target_ns = target_ns, .interval_ns = interval_ns};
}

void shedder_empty(shedder *s, uint64_t now_ns)
{
    s->empty_ns = now_ns;
}

bool shedder_is_standing(const shedder *s, uint64_t now_ns)
{
    return now_ns > s->empty_ns && now_ns - s->empty_ns > s->interval_ns;
}

bool shedder_sheds(const shedder *s, uint64_t arrived_ns, uint64_t now_ns)
{
    if (now_ns <= arrived_ns)
        return false;
    return now_ns - arrived_ns > (shedder_is_standing(s, now_ns) ? s->target_ns : s->interval_ns);
}
