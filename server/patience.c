#include "patience.h"

enum { NS_PER_MS = 1000000 };

void patience_init(patience *p, const uint64_t limit_ms[PATIENCES])
{
    for (int i = 0; i < PATIENCES; i++) {
        p->limit_ns[i] = limit_ms[i] * NS_PER_MS;
        p->due_ns[i] = UINT64_MAX;
        p->loose[i] = false;
    }
}

void patience_start(patience *p, patience_kind kind, uint64_t now_ns, bool loose)
{
    if (p->limit_ns[kind] == 0)
        return;
    p->due_ns[kind] = now_ns + p->limit_ns[kind];
    p->loose[kind] = loose;
}

void patience_stop(patience *p, patience_kind kind)
{
    p->due_ns[kind] = UINT64_MAX;
}

uint64_t patience_due(const patience *p)
{
    uint64_t due_ns = UINT64_MAX;
    for (int i = 0; i < PATIENCES; i++)
        if (p->due_ns[i] < due_ns)
            due_ns = p->due_ns[i];
    return due_ns;
}

patience_kind patience_expired(patience *p, uint64_t now_ns)
{
    for (patience_kind i = 0; i < PATIENCES; i++) {
        if (now_ns < p->due_ns[i])
            continue;
        if (!p->loose[i]) {
            patience_stop(p, i);
            return i;
        }
        patience_start(p, i, now_ns, false);
    }
    return PATIENCES;
}
