#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "vql/v1/history.pb-c.h"
#include "vql/v1/scoring.pb-c.h"
#include "world.h"

enum {
    EVENT_BYTES = 40, /* the most that an event takes in a message */
    ITEM_BYTES = 10,
    FIXED_BYTES = 80, /* the most that the rest takes */
    SMALL_IDS = 12,
    MONTH_S = 30 * 86400,
};

/* How many elements of a size fit a message, at most `most`. */
static uint32_t fit(uint32_t bytes, uint32_t most)
{
    const uint32_t count = (sim.plan.max_message_bytes - FIXED_BYTES) / 2 / bytes;
    return count < most ? count : most;
}

static event draw_event(void)
{
    const event e = {
        .item_id = oracle_draw_item(),
        .id = chance(sim.plan.repeats) ? 1 + below(SMALL_IDS) : 0,
        .time_ms = sim.wall_ms - (int64_t)below(MONTH_S) * 1000,
        .type = oracle_draw_type(),
    };
    return e;
}

static void draw_events(record *r, uint32_t count)
{
    r->events = calloc(count + 1, sizeof *r->events);
    if (!r->events)
        abort();
    r->event_count = count;
    for (uint32_t i = 0; i < count; i++)
        r->events[i] = draw_event();
}

static void draw_items(record *r, uint32_t count)
{
    r->items = calloc(count + 1, sizeof *r->items);
    if (!r->items)
        abort();
    r->item_count = count;
    for (uint32_t i = 0; i < count; i++)
        r->items[i] = oracle_draw_item();
}

/* Few, mostly; sometimes up to what the server allows. */
static uint32_t draw_count(uint32_t most)
{
    const uint32_t bound = chance(100) ? most : 4;
    return below((bound < most ? bound : most) + 1);
}

static void draw_score(record *r)
{
    uint32_t items = draw_count(fit(ITEM_BYTES, sim.plan.max_candidates));
    if (r->flaw == FLAW_NO_CANDIDATES)
        items = 0;
    else if (r->flaw == FLAW_MANY_CANDIDATES)
        items = sim.plan.max_candidates + 1;
    else if (items == 0)
        items = 1;
    draw_items(r, items);
    draw_events(r, chance(150) || r->flaw == FLAW_EVENT_TYPE || r->flaw == FLAW_EVENT_TIME ? 1 : 0);
    r->time_ms = sim.wall_ms - (int64_t)below(MONTH_S) * (chance(300) ? 1000 : 1);
    r->min_sequence = chance(100) ? below(100) : 0;
}

static void draw_append(record *r)
{
    draw_events(r, draw_count(fit(EVENT_BYTES, sim.plan.max_events)));
    if (r->event_count == 0 && (r->flaw == FLAW_EVENT_TYPE || r->flaw == FLAW_EVENT_TIME)) {
        free(r->events);
        draw_events(r, 1);
    }
}

static void draw_get(record *r)
{
    r->max_events = chance(300) ? 1000 : below(6);
    r->before_sequence = chance(300) ? below(50) : 0;
}

static record_flaw draw_flaw(record_kind kind)
{
    static const record_flaw score[] = {FLAW_EVENT_TYPE,      FLAW_EVENT_TIME,    FLAW_MANY_EVENTS,
                                        FLAW_MANY_CANDIDATES, FLAW_NO_CANDIDATES, FLAW_SCORE_TIME,
                                        FLAW_MODEL,           FLAW_MALFORMED,     FLAW_TOO_LONG};
    static const record_flaw append[] = {FLAW_EVENT_TYPE, FLAW_EVENT_TIME, FLAW_MANY_EVENTS,
                                         FLAW_MALFORMED, FLAW_TOO_LONG};
    if (!chance(sim.plan.flaws))
        return FLAW_NONE;
    if (kind == RECORD_SCORE)
        return score[below(sizeof score / sizeof *score)];
    if (kind == RECORD_APPEND)
        return append[below(sizeof append / sizeof *append)];
    return below(2) ? FLAW_MALFORMED : FLAW_TOO_LONG;
}

static record_kind draw_kind(bool stream, bool append)
{
    if (stream)
        return append ? RECORD_APPEND : RECORD_SCORE;
    if (chance(sim.plan.deletes))
        return RECORD_DELETE;
    const uint32_t choice = below(10);
    return choice < 4 ? RECORD_APPEND : choice < 8 ? RECORD_SCORE : RECORD_GET;
}

record *record_draw(uint64_t user_id, bool stream, bool append)
{
    record *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->kind = draw_kind(stream, append);
    r->flaw = draw_flaw(r->kind);
    r->user_id = user_id;
    if (r->kind == RECORD_SCORE)
        draw_score(r);
    else if (r->kind == RECORD_APPEND)
        draw_append(r);
    else if (r->kind == RECORD_GET)
        draw_get(r);
    if (r->flaw == FLAW_MANY_EVENTS) {
        free(r->events);
        draw_events(r, sim.plan.max_events + 1);
    }
    if (r->flaw == FLAW_EVENT_TYPE)
        r->events[r->event_count - 1].type = oracle_bad_type();
    if (r->flaw == FLAW_EVENT_TIME)
        r->events[r->event_count - 1].time_ms = -1;
    if (r->flaw == FLAW_SCORE_TIME)
        r->time_ms = -1;
    note("ask", r->kind, r->flaw, user_id);
    r->begin = sim.moments;
    r->end = UINT64_MAX;
    return r;
}

/* Messages of the events, and pointers to them, as protobuf-c wants them; one block. */
static Vql__V1__Event **pack_events(const record *r)
{
    const size_t count = r->event_count;
    Vql__V1__Event **pointers = malloc((count + 1) * (sizeof *pointers + sizeof **pointers));
    if (!pointers)
        abort();
    Vql__V1__Event *events = (void *)(pointers + count + 1);
    for (size_t i = 0; i < count; i++) {
        vql__v1__event__init(&events[i]);
        events[i].item_id = r->events[i].item_id;
        events[i].type = r->events[i].type;
        events[i].time_ms = r->events[i].time_ms;
        events[i].id = r->events[i].id;
        pointers[i] = &events[i];
    }
    return pointers;
}

/* Packs a message, with room behind it. */
static uint8_t *pack(const ProtobufCMessage *message, size_t room, size_t *count)
{
    *count = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = calloc(1, *count + room + 1);
    if (!bytes)
        abort();
    (void)protobuf_c_message_pack(message, bytes);
    return bytes;
}

/* Adds what makes any message malformed, or too long: an unknown field that fills it up. */
static void spoil(const record *r, uint8_t *bytes, size_t *count)
{
    if (r->flaw == FLAW_MALFORMED) {
        bytes[(*count)++] = 0x80;
    } else if (r->flaw == FLAW_TOO_LONG) {
        const uint32_t filler = sim.plan.max_message_bytes;
        const uint8_t head[] = {0xfa, 0x7f, (uint8_t)(0x80 | (filler & 0x7f)),
                                (uint8_t)(0x80 | (filler >> 7 & 0x7f)), (uint8_t)(filler >> 14)};
        memcpy(bytes + *count, head, sizeof head);
        *count += sizeof head + filler;
    }
}

uint8_t *record_pack(const record *r, size_t *count)
{
    static char no_model[] = "no such model";
    Vql__V1__ScoreRequest score = VQL__V1__SCORE_REQUEST__INIT;
    Vql__V1__AppendRequest append = VQL__V1__APPEND_REQUEST__INIT;
    Vql__V1__GetRequest get = VQL__V1__GET_REQUEST__INIT;
    Vql__V1__DeleteRequest erase = VQL__V1__DELETE_REQUEST__INIT;
    Vql__V1__Event **events = pack_events(r);
    score.user_id = append.user_id = get.user_id = erase.user_id = r->user_id;
    score.item_ids = r->items;
    score.n_item_ids = r->item_count;
    score.time_ms = r->time_ms;
    score.min_sequence = r->min_sequence;
    if (r->flaw == FLAW_MODEL)
        score.model = no_model;
    score.events = append.events = events;
    score.n_events = append.n_events = r->event_count;
    get.max_events = r->max_events;
    get.before_sequence = r->before_sequence;
    const ProtobufCMessage *const messages[] = {
        [RECORD_SCORE] = &score.base,
        [RECORD_APPEND] = &append.base,
        [RECORD_GET] = &get.base,
        [RECORD_DELETE] = &erase.base,
    };
    uint8_t *bytes = pack(messages[r->kind], sim.plan.max_message_bytes + 8, count);
    spoil(r, bytes, count);
    free(events);
    return bytes;
}

static void take_score(record *r, const Vql__V1__ScoreResponse *answer)
{
    r->sequence = answer->sequence;
    r->unknown_items = answer->unknown_items;
    r->unknown_user = answer->unknown_user;
    r->score_count = answer->n_scores;
    r->scores = malloc((r->score_count + 1) * sizeof *r->scores);
    if (!r->scores)
        abort();
    if (r->score_count > 0)
        memcpy(r->scores, answer->scores, r->score_count * sizeof *r->scores);
}

static void take_get(record *r, const Vql__V1__GetResponse *answer)
{
    r->sequence = answer->sequence;
    r->first_time_ms = answer->first_time_ms;
    r->last_time_ms = answer->last_time_ms;
    r->got_count = answer->n_events;
    r->got = calloc(r->got_count + 1, sizeof *r->got);
    if (!r->got)
        abort();
    uint64_t next = r->sequence;
    if (r->before_sequence > 0 && r->before_sequence - 1 < next)
        next = r->before_sequence - 1;
    for (size_t i = 0; i < r->got_count; i++) {
        const Vql__V1__StoredEvent *stored = answer->events[i];
        if (stored->sequence != next - i || !stored->event)
            world_fail("get: event %zu has sequence %llu\n", i,
                       (unsigned long long)stored->sequence);
        r->got[i] = (event){
            .item_id = stored->event->item_id,
            .id = stored->event->id,
            .time_ms = stored->event->time_ms,
            .type = stored->event->type,
        };
    }
}

static ProtobufCMessage *unpack(const record *r, const uint8_t *message, size_t count)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        [RECORD_SCORE] = &vql__v1__score_response__descriptor,
        [RECORD_APPEND] = &vql__v1__append_response__descriptor,
        [RECORD_GET] = &vql__v1__get_response__descriptor,
        [RECORD_DELETE] = &vql__v1__delete_response__descriptor,
    };
    ProtobufCMessage *answer = protobuf_c_message_unpack(types[r->kind], NULL, count, message);
    if (!answer)
        world_fail("an answer of %zu bytes is malformed\n", count);
    return answer;
}

void record_answer(record *r, const uint8_t *message, size_t count)
{
    ProtobufCMessage *answer = unpack(r, message, count);
    if (r->kind == RECORD_SCORE) {
        take_score(r, (const void *)answer);
    } else if (r->kind == RECORD_GET) {
        take_get(r, (const void *)answer);
    } else if (r->kind == RECORD_DELETE) {
        r->deleted = ((const Vql__V1__DeleteResponse *)(const void *)answer)->events;
    } else {
        const Vql__V1__AppendResponse *append = (const void *)answer;
        r->sequence = append->sequence;
        r->appended = append->appended;
        r->duplicates = append->duplicates;
    }
    protobuf_c_message_free_unpacked(answer, NULL);
    r->state = RECORD_OK;
    note("answer", r->kind, r->sequence, r->appended);
    r->end = sim.moments;
    sim.answers++;
}

void record_free(record *r)
{
    free(r->events);
    free(r->items);
    free(r->scores);
    free(r->got);
    free(r);
}
