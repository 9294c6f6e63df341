#include "turns.h"

#include "limit.h"

enum { NS_PER_US = 1000 };

void turns_leave(turns *t, turns_place *place)
{
    if (*place != TURNS_NOWHERE)
        t->waiting[*place]--;
    *place = TURNS_NOWHERE;
}

bool turns_take(turns *t, turns_place *place, uint64_t now_ns)
{
    if (t->end_ns == 0)
        t->end_ns = now_ns + (uint64_t)LIMIT_TURN_US * NS_PER_US;
    if (t->waiting[t->odd ? TURNS_ODD : TURNS_EVEN] == 0)
        t->odd = !t->odd;
    const turns_place first = t->odd ? TURNS_ODD : TURNS_EVEN;
    if (now_ns < t->end_ns && (*place == first || t->waiting[first] == 0)) {
        turns_leave(t, place);
        return true;
    }
    if (*place == TURNS_NOWHERE) {
        *place = t->odd ? TURNS_EVEN : TURNS_ODD;
        t->waiting[*place]++;
    }
    return false;
}

void turns_end(turns *t)
{
    t->end_ns = 0;
}
