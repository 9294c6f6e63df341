#include "load_tally.h"

#include <stdlib.h>

load_tally *load_tally_new(void)
{
    return calloc(1, sizeof(load_tally));
}

void load_tally_clear(load_tally *t)
{
    t->counts = (load_counts){0};
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++) {
        load_histogram_clear(&t->due[kind]);
        load_histogram_clear(&t->sent[kind]);
    }
    load_histogram_clear(&t->failed);
}

void load_tally_merge(load_tally *to, const load_tally *from)
{
    to->counts.due += from->counts.due;
    to->counts.sent += from->counts.sent;
    to->counts.skipped += from->counts.skipped;
    to->counts.unanswered += from->counts.unanswered;
    for (int i = 0; i < LOAD_STATUSES; i++)
        to->counts.statuses[i] += from->counts.statuses[i];
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++) {
        load_histogram_merge(&to->due[kind], &from->due[kind]);
        load_histogram_merge(&to->sent[kind], &from->sent[kind]);
    }
    load_histogram_merge(&to->failed, &from->failed);
}

uint64_t load_counts_ended(const load_counts *c)
{
    uint64_t ended = 0;
    for (int i = 0; i < LOAD_STATUSES; i++)
        ended += c->statuses[i];
    return ended;
}

uint64_t load_counts_failed(const load_counts *c)
{
    return load_counts_ended(c) - c->statuses[VQLC_OK];
}
