#include "load_requests.h"

#include <stdlib.h>
#include <string.h>

enum {
    LISTS = 1024,              /* of each sort, unless they are long */
    MOST_LIST_ITEMS = 4 << 20, /* in all lists of a sort together */
    VARINT_BYTES = 10,
    EVENT_BYTES = 2 + 2 * (1 + VARINT_BYTES), /* an Event in an AppendRequest, with its length */
    MOST_MODEL_BYTES = 256,
};

/* Fields, with the wire types of proto/vql/v1 (the same in both requests where they are alike). */
enum {
    TAG_USER = 1 << 3 | 0,
    TAG_ITEMS = 2 << 3 | 2,
    TAG_MODEL = 4 << 3 | 2,
    TAG_EVENT = 2 << 3 | 2,
    TAG_EVENT_ITEM = 1 << 3 | 0,
    TAG_EVENT_TYPE = 2 << 3 | 0,
};

/* Encoded parts of messages, one behind the other. */
typedef struct parts {
    uint8_t *bytes;
    size_t *begins; /* [lists + 1] */
} parts;

struct load_requests {
    load_requests_options options;
    load_random random;
    uint32_t lists, shares;
    uint64_t *candidates; /* [lists][options.candidates] */
    parts scores, appends;
};

static size_t varint_bytes(uint64_t number)
{
    size_t bytes = 1;
    while (number >= 0x80) {
        number >>= 7;
        bytes++;
    }
    return bytes;
}

static uint8_t *put_varint(uint8_t *out, uint64_t number)
{
    while (number >= 0x80) {
        *out++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

static uint8_t *put_field(uint8_t *out, uint8_t tag, uint64_t number)
{
    *out++ = tag;
    return put_varint(out, number);
}

/* item_ids, packed, and the model. */
static uint8_t *put_candidates(const load_requests *r, uint32_t list, uint8_t *out)
{
    const uint64_t *ids = load_requests_candidates(r, list);
    size_t bytes = 0;
    for (uint32_t i = 0; i < r->options.candidates; i++)
        bytes += varint_bytes(ids[i]);
    out = put_field(out, TAG_ITEMS, bytes);
    for (uint32_t i = 0; i < r->options.candidates; i++)
        out = put_varint(out, ids[i]);
    if (r->options.model == NULL)
        return out;
    const size_t length = strlen(r->options.model);
    out = put_field(out, TAG_MODEL, length);
    memcpy(out, r->options.model, length);
    return out + length;
}

/* Events at the server's now. */
static uint8_t *put_events(load_requests *r, uint8_t *out)
{
    for (uint32_t i = 0; i < r->options.events; i++) {
        const load_ids *items = r->options.items;
        const uint64_t item = load_ids_at(items, load_random_below(&r->random, items->count));
        const uint64_t type = load_random_below(&r->random, r->options.event_types);
        out = put_field(out, TAG_EVENT, 2 + varint_bytes(item) + varint_bytes(type));
        out = put_field(out, TAG_EVENT_ITEM, item);
        out = put_field(out, TAG_EVENT_TYPE, type);
    }
    return out;
}

static bool parts_init(parts *p, uint32_t lists, size_t most_bytes)
{
    p->bytes = malloc(lists * most_bytes);
    p->begins = calloc((size_t)lists + 1, sizeof *p->begins);
    return p->bytes != NULL && p->begins != NULL;
}

static void parts_free(parts *p)
{
    free(p->bytes);
    free(p->begins);
}

/* Draws the lists. False when there is no memory. */
static bool draw_lists(load_requests *r)
{
    const load_requests_options *o = &r->options;
    const uint32_t longest = o->candidates > o->events ? o->candidates : o->events;
    r->lists = longest <= MOST_LIST_ITEMS / LISTS ? LISTS : 1 + (MOST_LIST_ITEMS - 1) / longest;
    const size_t ids = (size_t)r->lists * o->candidates;
    r->candidates = calloc(ids, sizeof *r->candidates);
    if (r->candidates == NULL ||
        !parts_init(&r->scores, r->lists,
                    VARINT_BYTES * ((size_t)o->candidates + 3) + MOST_MODEL_BYTES) ||
        !parts_init(&r->appends, r->lists, EVENT_BYTES * (size_t)o->events))
        return false;
    for (size_t i = 0; i < ids; i++)
        r->candidates[i] = load_ids_at(o->items, load_random_below(&r->random, o->items->count));
    uint8_t *score = r->scores.bytes;
    uint8_t *append = r->appends.bytes;
    for (uint32_t list = 0; list < r->lists; list++) {
        score = put_candidates(r, list, score);
        append = put_events(r, append);
        r->scores.begins[list + 1] = (size_t)(score - r->scores.bytes);
        r->appends.begins[list + 1] = (size_t)(append - r->appends.bytes);
    }
    return true;
}

load_requests *load_requests_new(const load_requests_options *options)
{
    load_requests *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->options = *options;
    r->random.state = options->seed;
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        r->shares += options->shares[kind];
    if (draw_lists(r))
        return r;
    load_requests_free(r);
    return NULL;
}

void load_requests_free(load_requests *r)
{
    if (r == NULL)
        return;
    parts_free(&r->scores);
    parts_free(&r->appends);
    free(r->candidates);
    free(r);
}

const uint64_t *load_requests_candidates(const load_requests *r, uint32_t list)
{
    return r->candidates + (size_t)list * r->options.candidates;
}

load_kind load_requests_kind(load_requests *r)
{
    int kind = 0;
    if (r->options.shares[LOAD_SCORE] == r->shares)
        return LOAD_SCORE;
    for (uint64_t at = load_random_below(&r->random, r->shares); at >= r->options.shares[kind];
         kind++)
        at -= r->options.shares[kind];
    return (load_kind)kind;
}

load_request load_requests_draw(load_requests *r, load_kind kind)
{
    return (load_request){
        .kind = kind,
        .user = load_users_draw(r->options.users, &r->random),
        .list = (uint32_t)load_random_below(&r->random, r->lists),
    };
}

load_request load_requests_sample(load_requests *r, load_kind kind)
{
    return (load_request){
        .kind = kind,
        .user = load_users_sample(r->options.users, &r->random),
        .list = (uint32_t)load_random_below(&r->random, r->lists),
    };
}

static const parts *parts_of(const load_requests *r, load_kind kind)
{
    return load_kind_appends(kind) ? &r->appends : &r->scores;
}

size_t load_request_bytes(const load_requests *r, const load_request *q)
{
    if (q->message != NULL)
        return q->bytes;
    const size_t *begins = parts_of(r, q->kind)->begins + q->list;
    return 1 + varint_bytes(q->user) + begins[1] - begins[0];
}

void load_request_write(const load_requests *r, const load_request *q, uint8_t *out)
{
    if (q->message != NULL) {
        memcpy(out, q->message, q->bytes);
        return;
    }
    const parts *p = parts_of(r, q->kind);
    const size_t begin = p->begins[q->list];
    out = put_field(out, TAG_USER, q->user);
    memcpy(out, p->bytes + begin, p->begins[q->list + 1] - begin);
}
