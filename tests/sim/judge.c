#include "judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "world.h"

enum { MEMORY_SLOTS = 1 << 15, MOST_VISITS = 10000 };

/* A history that grows and shrinks at its end, with the hash of each of its prefixes. */
typedef struct line {
    event *events;
    uint64_t *hashes; /* [capacity + 1]: of the first i events */
    size_t count, capacity;
} line;

/* Requests that took effect so far, and the history that they made. */
typedef struct position {
    uint64_t done; /* bits of records */
    uint64_t hash;
} position;

static struct {
    record *const *records;
    size_t count;
    line after;       /* what it has to come to */
    uint64_t must;    /* bits of the records that were answered */
    uint64_t deletes; /* bits of the Deletes */
    uint32_t visits;
    position memory[MEMORY_SLOTS]; /* positions that lead nowhere */
    uint64_t generation;           /* makes the hashes of each judgement its own */
    struct {
        uint64_t hash;
        bool known, agrees;
    } scores[JUDGE_MOST_RECORDS]; /* the last comparison of each Score */
} court;

static uint64_t mix(uint64_t hash, uint64_t number)
{
    random_stream stream = {.state = hash ^ number * UINT64_C(0xD6E8FEB86659FD93)};
    return random_u64(&stream);
}

static void *must_have(void *block)
{
    if (!block)
        abort();
    return block;
}

static void line_push(line *l, const event *e)
{
    if (l->count == l->capacity) {
        l->capacity = 2 * l->capacity + 64;
        l->events = must_have(realloc(l->events, l->capacity * sizeof *l->events));
        l->hashes = must_have(realloc(l->hashes, (l->capacity + 1) * sizeof *l->hashes));
        l->hashes[0] = court.generation;
    }
    l->events[l->count] = *e;
    const uint64_t before = l->hashes[l->count];
    l->hashes[++l->count] =
        mix(mix(mix(mix(before, e->item_id), e->id), (uint64_t)e->time_ms), e->type);
}

static uint64_t line_hash(const line *l)
{
    return l->count > 0 ? l->hashes[l->count] : court.generation;
}

/* Whether the one history begins with the other. */
static bool begins_with(const line *whole, const line *l)
{
    return l->count == 0 || (l->count <= whole->count && line_hash(l) == whole->hashes[l->count]);
}

static void line_clear(line *l)
{
    free(l->events);
    free(l->hashes);
    *l = (line){0};
}

static bool has_id(const line *l, uint64_t id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->events[i].id == id)
            return true;
    return false;
}

/* Appends as the contract says; returns how many events were new. */
static size_t append(line *l, const record *r)
{
    const size_t before = l->count;
    for (size_t i = 0; i < r->event_count; i++)
        if (r->events[i].id == 0 || !has_id(l, r->events[i].id))
            line_push(l, &r->events[i]);
    return l->count - before;
}

static bool same_event(const event *a, const event *b)
{
    return a->item_id == b->item_id && a->id == b->id && a->time_ms == b->time_ms &&
           a->type == b->type;
}

static bool get_agrees(const record *r, const line *l)
{
    int64_t first = 0;
    int64_t last = 0;
    for (size_t i = 0; i < l->count; i++) {
        const int64_t time = l->events[i].time_ms;
        first = i == 0 || time < first ? time : first;
        last = i == 0 || time > last ? time : last;
    }
    size_t end = l->count;
    if (r->before_sequence > 0 && r->before_sequence - 1 < end)
        end = (size_t)r->before_sequence - 1;
    const size_t expected = end < r->max_events ? end : r->max_events;
    if (r->sequence != l->count || r->first_time_ms != first || r->last_time_ms != last ||
        r->got_count != expected)
        return false;
    for (size_t i = 0; i < expected; i++)
        if (!same_event(&r->got[i], &l->events[end - 1 - i]))
            return false;
    return true;
}

static bool score_agrees(size_t index, const line *l)
{
    const record *r = court.records[index];
    if (r->state == RECORD_TOO_LOW)
        return l->count < r->min_sequence;
    if (r->sequence != l->count || r->sequence < r->min_sequence)
        return false;
    const uint64_t hash = line_hash(l);
    if (!court.scores[index].known || court.scores[index].hash != hash) {
        court.scores[index].known = true;
        court.scores[index].hash = hash;
        court.scores[index].agrees = oracle_agrees(r, l->events, l->count);
    }
    return court.scores[index].agrees;
}

static bool explain(uint64_t done, line *l);

/* Goes on after an append; the history is put back when that leads nowhere. */
static bool explain_append(size_t index, uint64_t done, line *l)
{
    const record *r = court.records[index];
    const size_t before = l->count;
    const size_t appended = append(l, r);
    const bool agrees =
        r->state != RECORD_OK || (r->sequence == l->count && r->appended == appended &&
                                  r->duplicates == r->event_count - appended);
    /* What is not deleted any more stays. */
    const bool stays = (done & court.deletes) == court.deletes;
    if (agrees && (!stays || begins_with(&court.after, l)) && explain(done, l))
        return true;
    l->count = before;
    return false;
}

static bool explain_delete(size_t index, uint64_t done, const line *l)
{
    const record *r = court.records[index];
    line empty = {0};
    if (r->state == RECORD_OK && r->deleted != l->count)
        return false;
    const bool explained = explain(done, &empty);
    line_clear(&empty);
    return explained;
}

/* Lets one more record take effect, and goes on. */
static bool explain_with(size_t index, uint64_t done, line *l)
{
    const record *r = court.records[index];
    done |= UINT64_C(1) << index;
    switch (r->kind) {
    case RECORD_SCORE:
        return score_agrees(index, l) && explain(done, l);
    case RECORD_GET:
        return get_agrees(r, l) && explain(done, l);
    case RECORD_APPEND:
        return explain_append(index, done, l);
    case RECORD_DELETE:
        return explain_delete(index, done, l);
    }
    return false;
}

/* Whether this position was found to lead nowhere; if not, it is assumed to from now on. */
static bool is_tried(uint64_t done, uint64_t hash)
{
    uint64_t slot = mix(done, hash) % MEMORY_SLOTS;
    while (court.memory[slot].hash != 0) {
        if (court.memory[slot].done == done && court.memory[slot].hash == hash)
            return true;
        slot = (slot + 1) % MEMORY_SLOTS;
    }
    court.memory[slot] = (position){done, hash};
    return false;
}

/* The end of what was answered first, of the records that did not yet take effect. */
static uint64_t earliest_end(uint64_t done)
{
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < court.count; i++)
        if (!(done >> i & 1) && court.records[i]->end < earliest)
            earliest = court.records[i]->end;
    return earliest;
}

static bool explain(uint64_t done, line *l)
{
    const uint64_t hash = line_hash(l);
    if ((done & court.must) == court.must && hash == line_hash(&court.after))
        return true;
    if (court.visits >= MOST_VISITS || is_tried(done, hash))
        return false;
    court.visits++;
    const uint64_t earliest = earliest_end(done);
    /* Those that were answered first: the others may not have taken effect at all. */
    for (int answered = 1; answered >= 0; answered--)
        for (size_t i = 0; i < court.count; i++) {
            const record *r = court.records[i];
            if (!(done >> i & 1) && r->begin <= earliest &&
                (r->end != UINT64_MAX) == (answered == 1) && explain_with(i, done, l))
                return true;
        }
    return false;
}

static void print_events(const char *name, const event *events, size_t count)
{
    (void)fprintf(stderr, "  %s: %zu events\n", name, count);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr,
                      "    %zu: item %" PRIu64 ", id %" PRIu64 ", time %" PRId64 ", type %u\n",
                      i + 1, events[i].item_id, events[i].id, events[i].time_ms, events[i].type);
}

static void print_record(const record *r)
{
    static const char *const kinds[] = {"score", "append", "get", "delete"};
    static const char *const states[] = {"no answer", "OK", "sequence too low", "void"};
    (void)fprintf(stderr,
                  "  %s [%" PRIu64 ", %" PRIu64 "] %s: sequence %" PRIu64 ", appended %" PRIu64
                  ", duplicates %" PRIu64 ", deleted %" PRIu64 "\n",
                  kinds[r->kind], r->begin, r->end, states[r->state], r->sequence, r->appended,
                  r->duplicates, r->deleted);
    if (r->event_count > 0)
        print_events("its", r->events, r->event_count);
}

static void summon(record *const *records, size_t count, past after)
{
    court.records = records;
    court.count = count;
    court.must = 0;
    court.deletes = 0;
    court.visits = 0;
    court.generation = mix(court.generation, 1) | 1;
    memset(court.memory, 0, sizeof court.memory);
    memset(court.scores, 0, sizeof court.scores);
    for (size_t i = 0; i < count; i++) {
        court.must |= (uint64_t)(records[i]->end != UINT64_MAX) << i;
        court.deletes |= (uint64_t)(records[i]->kind == RECORD_DELETE) << i;
    }
    court.after = (line){0};
    for (size_t i = 0; i < after.count; i++)
        line_push(&court.after, &after.events[i]);
}

void judge(record *const *records, size_t count, past before, past after)
{
    summon(records, count, after);
    line start = {0};
    for (size_t i = 0; i < before.count; i++)
        line_push(&start, &before.events[i]);
    const bool explained = explain(0, &start);
    line_clear(&start);
    line_clear(&court.after);
    sim.checked += count;
    sim.undecided += !explained && court.visits >= MOST_VISITS;
    if (explained || court.visits >= MOST_VISITS)
        return;
    for (size_t i = 0; i < count; i++)
        print_record(records[i]);
    print_events("before", before.events, before.count);
    print_events("after", after.events, after.count);
    world_fail("user %" PRIu64 ": no order of these requests explains their answers\n",
               count > 0 ? records[0]->user_id : 0);
}
