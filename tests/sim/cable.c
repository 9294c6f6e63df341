#include "cable.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

cable *cable_new(uint64_t number)
{
    cable *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->number = number;
    return w;
}

void cable_cut(cable *w)
{
    note("cut", w->number, 0, 0);
    sim.cut++;
    w->cut = true;
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

ptrdiff_t cable_write(cable *w, cable_end end, const uint8_t *bytes, size_t count)
{
    cable_way *way = &w->from[end];
    if (w->cut || w->from[!end].closed || (!sim.calm && chance(sim.plan.write_faults))) {
        note("no write", w->number, end, 0);
        return -1;
    }
    const size_t room = at_most(sim.plan.cable_bytes, CABLE_BYTES) - way->count;
    const size_t taken = at_most(at_most(count, room), 1 + below(sim.plan.most_chunk));
    memcpy(way->bytes + way->count, bytes, taken);
    if (way->count == 0)
        way->due_ns = sim.now_ns + 1000 * (uint64_t)below(sim.plan.delay_us + 1);
    way->count += taken;
    note("write", w->number, end, taken);
    return (ptrdiff_t)taken;
}

ptrdiff_t cable_read(cable *w, cable_end end, uint8_t *out, size_t capacity)
{
    cable_way *way = &w->from[!end];
    if (w->cut || (way->closed && way->count == 0))
        return -1;
    if (sim.now_ns < way->due_ns || (!sim.calm && sim.now_ns < w->stalled_ns))
        return 0;
    const size_t most = at_most(capacity, 1 + below(sim.plan.most_chunk));
    const size_t taken = at_most(way->count, most);
    if (taken == 0)
        return 0;
    memcpy(out, way->bytes, taken);
    way->count -= taken;
    memmove(way->bytes, way->bytes + taken, way->count);
    note("read", w->number, end, taken);
    return (ptrdiff_t)taken;
}

void cable_close(cable *w, cable_end end)
{
    note("close", w->number, end, 0);
    if (w->from[!end].closed)
        free(w);
    else
        w->from[end].closed = true;
}
