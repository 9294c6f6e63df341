#include "caller.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "faults.h"
#include "world.h"

enum { MOST_CALLS = 12, MOST_ASKED = 24, MAX_MESSAGE_BYTES = 1 << 20 };

/* One call, as its caller sees it. */
typedef struct talk {
    caller *owner;
    struct talk *next;
    rpc *rpc; /* NULL: over */
    bool stream, append;
    bool half_closed, cancelled;
    uint64_t deadline_ns;
    uint64_t troubles; /* of the caller, when it began */
    record *asked[MOST_ASKED];
    uint32_t asked_count, answered_count;
} talk;

struct caller {
    host *host;
    ledger book;
    engine *engine;
    cable *cable; /* NULL: not connected */
    uint64_t retry_ns;
    uint64_t number;
    uint64_t troubles; /* 1, and connections that were lost or not to be had */
    bool woken, over;
    talk *talks;
    uint32_t open;
    uint8_t unwritten[CABLE_BYTES];
    size_t unwritten_count;
};

static const char *const unary_paths[] = {
    [RECORD_SCORE] = "/vql.v1.Scoring/Score",
    [RECORD_APPEND] = "/vql.v1.History/Append",
    [RECORD_GET] = "/vql.v1.History/Get",
    [RECORD_DELETE] = "/vql.v1.History/Delete",
};

static void on_wake(void *context)
{
    ((caller *)context)->woken = true;
}

static engine *make_engine(caller *c)
{
    const engine_options options = {
        .authority = "server:1",
        .max_message_bytes = MAX_MESSAGE_BYTES,
        .max_unsent_bytes = sim.plan.client_unsent_bytes,
        .max_waiting_calls = 1000,
    };
    engine *e = engine_new(&options, on_wake, c);
    if (!e)
        abort();
    return e;
}

caller *caller_new(host *h, const ledger *book, uint32_t number)
{
    caller *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->host = h;
    c->book = *book;
    c->number = number;
    c->troubles = 1;
    c->engine = make_engine(c);
    return c;
}

/* Whether a call may end with a status for which nobody is to blame. */
static bool is_excused(const talk *t, vqlc_status status)
{
    const caller *c = t->owner;
    if (sim.failed_allocations > 0 && status != VQLC_INVALID_ARGUMENT)
        return true;
    switch (status) {
    case VQLC_CANCELLED:
        return t->cancelled || c->over || sim.now_ns >= t->deadline_ns;
    case VQLC_DEADLINE_EXCEEDED:
        return sim.now_ns >= t->deadline_ns;
    case VQLC_UNAVAILABLE:
        /* Before a server's SETTINGS a client does not know how few calls it takes at a time. */
        return c->troubles > t->troubles || sim.draining || sim.plan.max_streams < MOST_CALLS;
    default:
        return false;
    }
}

static vqlc_status status_of_flaw(record_flaw flaw)
{
    switch (flaw) {
    case FLAW_MANY_EVENTS:
    case FLAW_MANY_CANDIDATES:
    case FLAW_TOO_LONG:
        return VQLC_RESOURCE_EXHAUSTED;
    case FLAW_MODEL:
        return VQLC_NOT_FOUND;
    default:
        return VQLC_INVALID_ARGUMENT;
    }
}

/* Judges the status that the first unanswered request has brought. */
static void check_refusal(talk *t, const vqlc_result *result)
{
    record *first = t->answered_count < t->asked_count ? t->asked[t->answered_count] : NULL;
    if (first && first->state == RECORD_ASKED && first->kind == RECORD_SCORE &&
        result->status == VQLC_FAILED_PRECONDITION) {
        first->state = RECORD_TOO_LOW;
        note("too low", first->min_sequence, 0, 0);
        first->end = sim.moments;
        return;
    }
    if (first && first->flaw != FLAW_NONE && result->status == status_of_flaw(first->flaw))
        return;
    if (!is_excused(t, result->status))
        world_fail("a call ended with %s \"%s\" for no reason\n", vqlc_status_name(result->status),
                   result->message);
}

static void on_done(void *context, const vqlc_result *result)
{
    talk *t = context;
    const bool was = faults_arm(false);
    if (!t->rpc)
        world_fail("a call ended twice\n");
    t->rpc = NULL;
    t->owner->open--;
    note("done", result->status, t->asked_count, t->answered_count);
    for (uint32_t i = t->answered_count; i < t->asked_count; i++)
        t->asked[i]->lost = true;
    if (result->status != VQLC_OK)
        check_refusal(t, result);
    else if (t->answered_count < t->asked_count || (!t->stream && t->answered_count == 0))
        world_fail("a call ended with OK after %u of %u answers\n", t->answered_count,
                   t->asked_count);
    (void)faults_arm(was);
}

static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    talk *t = context;
    const bool was = faults_arm(false);
    if (!t->rpc)
        world_fail("an answer came after the end of its call\n");
    if (t->answered_count == t->asked_count)
        world_fail("%u requests had one answer more\n", t->asked_count);
    record *r = t->asked[t->answered_count++];
    if (r->flaw != FLAW_NONE)
        world_fail("a request with flaw %d was answered\n", (int)r->flaw);
    record_answer(r, message, bytes);
    (void)faults_arm(was);
}

static void on_writable(void *context)
{
    const talk *t = context;
    if (!t->rpc)
        world_fail("a call became writable after its end\n");
}

static const rpc_handler handler = {
    .on_message = on_message, .on_writable = on_writable, .on_done = on_done};

/* Asks one request more. */
static void ask(talk *t, record *r)
{
    size_t count;
    uint8_t *bytes = record_pack(r, &count);
    const bool was = faults_arm(true);
    const bool sent = rpc_send(t->rpc, bytes, count);
    (void)faults_arm(was);
    free(bytes);
    if (!sent) {
        record_free(r);
        return;
    }
    sim.calls++;
    t->asked[t->asked_count++] = r;
    t->owner->book.enter(t->owner->book.context, r);
}

static void half_close(talk *t)
{
    if (!t->rpc || t->half_closed)
        return;
    t->half_closed = true;
    rpc_half_close(t->rpc);
}

/* A call of a record's method; over at once when there is no memory. */
static void begin(caller *c, bool stream, record *r)
{
    static const char *const streams[] = {"/vql.v1.Scoring/ScoreStream",
                                          "/vql.v1.History/AppendStream"};
    talk *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->owner = c;
    t->stream = stream;
    t->append = r->kind == RECORD_APPEND;
    t->troubles = c->troubles - (c->cable == NULL);
    t->deadline_ns = chance(sim.plan.deadlines)
                         ? sim.now_ns + 1 + below(200) * (uint64_t)below(NS_PER_MS)
                         : UINT64_MAX;
    const rpc_request request = {
        .path = stream ? streams[t->append] : unary_paths[r->kind],
        .deadline_ns = t->deadline_ns,
        .wait_for_ready = chance(500),
        .has_user = true,
        .user_id = r->user_id,
        .handler = &handler,
        .context = t,
    };
    const bool was = faults_arm(true);
    t->rpc = rpc_start(c->engine, sim.now_ns, &request);
    (void)faults_arm(was);
    if (!t->rpc) {
        free(t);
        record_free(r);
        return;
    }
    t->next = c->talks;
    c->talks = t;
    c->open++;
    ask(t, r);
    if (!stream)
        half_close(t);
}

static uint64_t draw_user(void)
{
    return 1 + below(sim.plan.users);
}

static void cancel(talk *t)
{
    note("cancel", t->asked_count, t->answered_count, 0);
    t->cancelled = true;
    const bool was = faults_arm(true);
    rpc_fail(t->rpc, VQLC_CANCELLED, "cancelled");
    (void)faults_arm(was);
}

/* Asks more of a stream, ends it, or cancels a call. */
static void go_on(talk *t)
{
    if (chance(sim.plan.cancels)) {
        cancel(t);
    } else if (t->stream && !t->half_closed) {
        const uint64_t user_id = draw_user();
        if (chance(150) || t->asked_count == MOST_ASKED)
            half_close(t);
        else if (rpc_writable(t->rpc) && t->owner->book.room(t->owner->book.context, user_id))
            ask(t, record_draw(user_id, true, t->append));
    }
}

void caller_act(caller *c)
{
    for (talk *t = c->talks; t; t = t->next)
        if (t->rpc && chance(200))
            go_on(t);
    const uint64_t user_id = draw_user();
    if (c->open >= MOST_CALLS || !chance(400) || !c->book.room(c->book.context, user_id))
        return;
    const bool stream = chance(sim.plan.streams);
    begin(c, stream, record_draw(user_id, stream, below(2) != 0));
}

/* The connection is gone: calls that wait go on with the next one. */
static void disconnect(caller *c, const char *why)
{
    c->troubles++;
    cable_close(c->cable, CABLE_CLIENT);
    c->cable = NULL;
    c->unwritten_count = 0;
    const bool was = faults_arm(true);
    engine_lost(c->engine, why);
    (void)faults_arm(false);
    engine *fresh = make_engine(c);
    engine_move_waiting(c->engine, fresh);
    engine_free(c->engine);
    c->engine = fresh;
    (void)faults_arm(was);
    c->woken = true;
    c->retry_ns = sim.now_ns + below(100) * NS_PER_MS;
}

static void dial(caller *c)
{
    cable *w = cable_new(sim.cables++);
    if ((!sim.calm && chance(50)) || !host_connect(c->host, w)) {
        free(w);
        c->troubles++;
        note("refused", c->number, 0, 0);
        engine_unreachable(c->engine, "connection refused");
        c->retry_ns = sim.now_ns + below(100) * NS_PER_MS;
        return;
    }
    note("connect", c->number, 0, 0);
    c->cable = w;
    const bool was = faults_arm(true);
    engine_open(c->engine, sim.now_ns);
    (void)faults_arm(was);
    c->woken = true;
}

/* False: the cable takes no more for now, or is gone. */
static bool write_rest(caller *c)
{
    while (c->unwritten_count > 0) {
        const ptrdiff_t written =
            cable_write(c->cable, CABLE_CLIENT, c->unwritten, c->unwritten_count);
        if (written < 0) {
            disconnect(c, "broken pipe");
            return false;
        }
        c->unwritten_count -= (size_t)written;
        memmove(c->unwritten, c->unwritten + written, c->unwritten_count);
        if (written == 0)
            return false;
    }
    return true;
}

static void write_engine(caller *c)
{
    while (write_rest(c)) {
        const size_t most = 1 + below(sim.plan.most_chunk);
        const bool was = faults_arm(true);
        c->unwritten_count =
            engine_drain(c->engine, c->unwritten, most < CABLE_BYTES ? most : CABLE_BYTES);
        (void)faults_arm(was);
        if (c->unwritten_count == 0) {
            if (engine_done(c->engine))
                disconnect(c, "the server is done");
            return;
        }
    }
}

/* Reads what has come. False: the connection is gone. */
static bool read_engine(caller *c)
{
    static uint8_t bytes[CABLE_BYTES];
    const ptrdiff_t count = cable_read(c->cable, CABLE_CLIENT, bytes, sizeof bytes);
    if (count < 0) {
        disconnect(c, "connection reset");
        return false;
    }
    const bool was = faults_arm(true);
    if (count > 0)
        engine_feed(c->engine, sim.now_ns, bytes, (size_t)count);
    (void)faults_arm(was);
    return true;
}

/* Forgets the calls that are over. */
static void sweep(caller *c)
{
    for (talk **link = &c->talks; *link;) {
        talk *t = *link;
        if (t->rpc) {
            link = &t->next;
        } else {
            *link = t->next;
            free(t);
        }
    }
}

static bool is_due(const caller *c)
{
    if (c->woken || engine_due(c->engine) <= sim.now_ns)
        return true;
    if (!c->cable)
        return sim.now_ns >= c->retry_ns;
    const cable_way *in = &c->cable->from[CABLE_SERVER];
    const bool reaches = sim.calm || sim.now_ns >= c->cable->stalled_ns;
    return c->cable->cut || (in->closed && in->count == 0) ||
           (in->count > 0 && reaches && sim.now_ns >= in->due_ns) ||
           (c->unwritten_count > 0 && c->cable->from[CABLE_CLIENT].count < sim.plan.cable_bytes);
}

bool caller_turn(caller *c)
{
    if (!is_due(c))
        return false;
    note("client", c->number, c->open, 0);
    c->woken = false;
    const bool was = faults_arm(true);
    engine_tick(c->engine, sim.now_ns);
    (void)faults_arm(was);
    if (!c->cable && sim.now_ns >= c->retry_ns)
        dial(c);
    if (c->cable && read_engine(c))
        write_engine(c);
    sweep(c);
    return true;
}

void caller_suffer(caller *c)
{
    if (!c->cable)
        return;
    if (chance(sim.plan.cuts))
        cable_cut(c->cable);
    else if (chance(sim.plan.stalls))
        c->cable->stalled_ns = sim.now_ns + below(1000) * NS_PER_MS;
}

void caller_settle(caller *c)
{
    for (talk *t = c->talks; t; t = t->next)
        half_close(t);
    c->woken = true;
}

uint32_t caller_open(const caller *c)
{
    return c->open;
}

void caller_free(caller *c)
{
    c->over = true;
    if (c->cable)
        cable_close(c->cable, CABLE_CLIENT);
    engine_free(c->engine);
    if (c->open != 0)
        world_fail("%u calls were not told of their end\n", c->open);
    sweep(c);
    free(c);
}
