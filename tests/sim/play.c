/*
 * A seed is played in acts. In an act clients ask, and everything goes wrong that may. Then nothing
 * does any more: what is under way must end, the server must have nothing left to do, and what was
 * seen of each user is judged against what the server has. The last act ends with a drain, or with
 * the server stopped in the midst of it.
 */
#include "play.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "faults.h"
#include "host.h"
#include "judge.h"
#include "oracle.h"
#include "world.h"

enum {
    MOST_CLIENTS = 4,
    MOST_USERS = 8,
    ACTS = 3,
    MOST_IDLE_TURNS = 400000, /* in which everything under way must end */
    MOST_BYTES = 64 << 20, /* beyond what was allocated at the beginning: no plan allows as much */
    MOST_LOST =
        8, /* requests of a user that may or may not have taken effect: the judge tries all */
    CLOCK_JUMP_MS = 100000,
};

/* What is known of one user. */
typedef struct page {
    record *records[JUDGE_MOST_RECORDS];
    size_t count;
    past past; /* when the act began */
} page;

typedef struct stage {
    host *host;
    caller *callers[MOST_CLIENTS];
    page pages[MOST_USERS + 1]; /* by user id, from 1 */
} stage;

/* What a record that was not answered says: nothing, if it could have no effect. */
static bool says_something(const record *r)
{
    if (r->flaw != FLAW_NONE)
        return false;
    return r->end != UINT64_MAX || r->kind == RECORD_APPEND || r->kind == RECORD_DELETE;
}

static bool room(void *context, uint64_t user_id)
{
    const page *p = &((const stage *)context)->pages[user_id];
    uint32_t lost = 0;
    for (size_t i = 0; i < p->count; i++)
        lost += p->records[i]->lost && says_something(p->records[i]);
    return p->count < JUDGE_MOST_RECORDS && lost < MOST_LOST;
}

static void enter(void *context, record *r)
{
    stage *s = context;
    page *p = &s->pages[r->user_id];
    p->records[p->count++] = r;
}

/* One thing of those that can happen happens. False: only time can pass. */
static bool turn(stage *s)
{
    const uint32_t clients = sim.plan.clients;
    const uint32_t first = below(clients + 1);
    for (uint32_t i = 0; i <= clients; i++) {
        const uint32_t who = (first + i) % (clients + 1);
        if (who < clients ? caller_turn(s->callers[who]) : host_turn(s->host))
            return true;
    }
    return false;
}

/* Time goes to where something happens, or a little further. */
static void pass_time(void)
{
    world_pass(below(2000000));
    if (!sim.calm && chance(sim.plan.clock_jumps))
        world_pass(below(CLOCK_JUMP_MS) * NS_PER_MS);
}

static void check_bounds(const stage *s, size_t allocated)
{
    const size_t now = faults_allocated();
    if (now > allocated + MOST_BYTES)
        world_fail("%zu bytes are allocated; %zu were at the beginning\n", now, allocated);
    if (host_calls(s->host) > host_connections(s->host) * sim.plan.max_streams)
        world_fail("%u calls are open on %u connections\n", host_calls(s->host),
                   host_connections(s->host));
}

static void act(stage *s, uint32_t steps, size_t allocated)
{
    for (uint32_t step = 0; step < steps; step++) {
        for (uint32_t i = 0; i < sim.plan.clients; i++) {
            caller_act(s->callers[i]);
            caller_suffer(s->callers[i]);
        }
        for (uint32_t turns = below(8); turns > 0; turns--)
            if (!turn(s))
                break;
        pass_time();
        if (step % 64 == 0)
            check_bounds(s, allocated);
    }
}

static uint32_t open_calls(const stage *s)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < sim.plan.clients; i++)
        open += caller_open(s->callers[i]);
    return open;
}

/* Whether nothing is under way any more. */
static bool is_quiet(const stage *s)
{
    return open_calls(s) == 0 && host_calls(s->host) == 0 && host_jobs(s->host) == 0 &&
           host_unread(s->host) == 0;
}

/* Nothing goes wrong any more, and nothing is asked. */
static void become_calm(stage *s)
{
    sim.calm = true;
    for (uint32_t i = 0; i < sim.plan.clients; i++)
        caller_settle(s->callers[i]);
}

/* Everything that is under way must end. */
static void calm_down(stage *s)
{
    become_calm(s);
    for (uint32_t turns = 0; turn(s) || !is_quiet(s); turns++) {
        if (turns == MOST_IDLE_TURNS)
            world_fail("calls hang: %u of clients, %u of the server, %u requests under way\n",
                       open_calls(s), host_calls(s->host), host_jobs(s->host));
        world_pass(below(200000));
    }
    note("calm", 0, 0, 0);
}

static void judge_user(stage *s, uint64_t user_id)
{
    page *p = &s->pages[user_id];
    past after;
    after.count = host_history(s->host, user_id, &after.events);
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++)
        if (says_something(p->records[i]))
            p->records[count++] = p->records[i];
        else
            record_free(p->records[i]);
    judge(p->records, count, p->past, after);
    for (size_t i = 0; i < count; i++)
        record_free(p->records[i]);
    p->count = 0;
    free(p->past.events);
    p->past = after;
    note("judged", user_id, count, after.count);
}

static void judge_all(stage *s)
{
    for (uint64_t user_id = 1; user_id <= sim.plan.users; user_id++)
        judge_user(s, user_id);
}

static void set_stage(stage *s)
{
    const ledger book = {.room = room, .enter = enter, .context = s};
    *s = (stage){.host = host_new(oracle_models())};
    for (uint32_t i = 0; i < sim.plan.clients; i++)
        s->callers[i] = caller_new(s->host, &book, i);
}

static void free_callers(stage *s)
{
    for (uint32_t i = 0; i < sim.plan.clients; i++)
        caller_free(s->callers[i]);
}

/*
 * The server is told to stop while clients go on: every connection must come to its end. Calls that
 * wait for a server end with their clients.
 */
static void drain(stage *s, uint32_t steps, size_t allocated)
{
    host_drain(s->host);
    act(s, steps, allocated);
    become_calm(s);
    for (uint32_t turns = 0; host_connections(s->host) > 0 || host_jobs(s->host) > 0; turns++) {
        if (turns == MOST_IDLE_TURNS)
            world_fail("a drain does not end: %u connections, %u requests under way\n",
                       host_connections(s->host), host_jobs(s->host));
        (void)turn(s);
        world_pass(below(200000));
    }
    free_callers(s);
    judge_all(s);
}

static void strike_stage(stage *s)
{
    host_free(s->host);
    for (uint32_t user_id = 1; user_id <= MOST_USERS; user_id++) {
        page *p = &s->pages[user_id];
        for (size_t i = 0; i < p->count; i++)
            record_free(p->records[i]);
        free(p->past.events);
    }
}

uint64_t play(uint64_t seed, uint32_t steps, bool verbose)
{
    static stage s;
    world_begin(seed, verbose);
    const size_t allocated = faults_allocated();
    set_stage(&s);
    for (uint32_t i = 0; i < ACTS; i++) {
        sim.calm = false;
        act(&s, steps, allocated);
        calm_down(&s);
        judge_all(&s);
    }
    sim.calm = false;
    act(&s, steps / 2, allocated);
    if (below(2))
        drain(&s, steps / 2, allocated);
    else
        free_callers(&s);
    strike_stage(&s);
    const size_t left = faults_allocated();
    if (left != allocated)
        world_fail("%zu bytes are allocated at the end; %zu were at the beginning\n", left,
                   allocated);
    return sim.hash;
}
