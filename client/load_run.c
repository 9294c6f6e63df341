#include "load_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 256, /* calls begun before sockets are looked at again */
    EVENTS = 64,
};

#define SECOND_NS  UINT64_C(1000000000)
#define LONGEST_NS (SECOND_NS / 10) /* that nothing is looked at */
#define CONNECT_NS (5 * SECOND_NS)  /* for all connections, before the schedule begins */

volatile sig_atomic_t load_run_stopped;

struct load_run {
    const load_run_options *options;
    load_outcome *outcome;
    load_target target;
    load_link **links; /* [options.connections] */
    uint32_t next_link;
    load_tally *interval;

    load_schedule schedule;
    uint64_t next_due_ns;
    uint64_t *waiting; /* a ring of [options.most_waiting]: when calls were due */
    uint32_t first, count;

    uint64_t start_ns, measure_ns,
        end_ns; /* of the schedule; what is due from measure_ns on counts */
    uint64_t interval_ns, next_interval_ns;
    uint64_t now_ns;
    uint64_t answered_ns; /* when the last call that counts ended */
    double cpu_s;
    bool measuring, abandoning;
};

uint64_t load_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* load_connection_options' on_answer. */
static void on_answer(void *context, const load_call *call, const load_answer *answer)
{
    load_run *r = context;
    const bool counts = call->due_ns >= r->measure_ns;
    if (r->abandoning) {
        r->interval->counts.unanswered += counts;
        return;
    }
    vqlc_status status = answer->status;
    if (r->options->on_answer != NULL)
        status = r->options->on_answer(r->options->context, call, answer);
    if (!counts)
        return;
    r->answered_ns = r->now_ns;
    load_tally_end(r->interval, call, status, r->now_ns);
    char *text = r->outcome->texts[status];
    if (status != VQLC_OK && text[0] == '\0')
        (void)snprintf(text, sizeof r->outcome->texts[0], "%s", answer->text);
}

/* Notes when answers were there: all that one read brings were. */
static void before_feed(void *context)
{
    load_run *r = context;
    r->now_ns = load_now_ns();
}

/* Draws when the next call is due. */
static void draw_due(load_run *r)
{
    const uint64_t after_ns = load_schedule_next(&r->schedule);
    r->next_due_ns = after_ns != UINT64_MAX ? r->start_ns + after_ns : UINT64_MAX;
}

/* Adds the calls that have become due to those that wait. */
static void admit(load_run *r)
{
    for (; r->next_due_ns <= r->now_ns; draw_due(r)) {
        const bool counts = r->next_due_ns >= r->measure_ns;
        r->interval->counts.due += counts;
        if (r->count == r->options->most_waiting) {
            r->interval->counts.skipped += counts;
            continue;
        }
        r->waiting[(r->first + r->count++) % r->options->most_waiting] = r->next_due_ns;
    }
}

/* A connection that is ready for the kind; NULL: all are busy. */
static load_connection *find_ready(load_run *r, load_kind kind)
{
    for (uint32_t i = 0; i < r->options->connections; i++) {
        load_connection *c = load_link_connection(r->links[r->next_link]);
        r->next_link = r->next_link + 1 < r->options->connections ? r->next_link + 1 : 0;
        if (c != NULL && load_connection_ready(c, kind))
            return c;
    }
    return NULL;
}

/* Sends a call if a connection is ready. */
static bool start_call(load_run *r, uint64_t due_ns)
{
    const load_run_options *o = r->options;
    const load_kind kind = load_requests_kind(o->requests);
    load_connection *c = find_ready(r, kind);
    if (c == NULL)
        return false;
    load_request request = load_requests_draw(o->requests, kind);
    if (o->before_call != NULL)
        o->before_call(o->context, &request);
    uint8_t *message = load_connection_begin(c, load_request_bytes(o->requests, &request));
    if (message == NULL)
        return false;
    load_request_write(o->requests, &request, message);
    const load_call call = {.due_ns = due_ns,
                            .sent_ns = r->now_ns,
                            .user = request.user,
                            .tag = request.tag,
                            .kind = kind};
    load_connection_commit(c, &call);
    r->interval->counts.sent += due_ns >= r->measure_ns;
    return true;
}

/* Starts what is due, as far as connections are ready. Returns whether there is more at once. */
static bool start_calls(load_run *r)
{
    uint32_t begun = 0;
    if (r->options->closed) {
        while (begun < BATCH && r->now_ns < r->end_ns && start_call(r, r->now_ns)) {
            r->interval->counts.due += r->now_ns >= r->measure_ns;
            begun++;
        }
        return begun == BATCH;
    }
    admit(r);
    for (; begun < BATCH && r->count > 0 && start_call(r, r->waiting[r->first]); begun++) {
        r->first = (r->first + 1) % r->options->most_waiting;
        r->count--;
    }
    return begun == BATCH;
}

static uint64_t in_flight(const load_run *r)
{
    uint64_t calls = 0;
    for (uint32_t i = 0; i < r->options->connections; i++)
        if (load_link_connection(r->links[i]) != NULL)
            calls += load_connection_calls(load_link_connection(r->links[i]));
    return calls;
}

/* Closes the interval: tells of it, and adds it to the whole. */
static void end_interval(load_run *r)
{
    const double begin_s = 1e-9 * ((double)r->interval_ns - (double)r->measure_ns);
    const double end_s = 1e-9 * ((double)r->now_ns - (double)r->measure_ns);
    const double middle_s = (begin_s + end_s) / 2 + r->options->plan.warmup_s;
    const load_interval interval = {
        .begin_s = begin_s,
        .end_s = end_s,
        .rate = r->options->closed ? 0 : load_plan_rate(&r->options->plan, middle_s),
        .tally = r->interval,
        .waiting = r->count,
        .in_flight = in_flight(r),
    };
    if (r->options->on_interval != NULL)
        r->options->on_interval(r->options->context, &interval);
    load_tally_merge(r->outcome->tally, r->interval);
    load_tally_clear(r->interval);
    r->interval_ns = r->now_ns;
    while (r->next_interval_ns <= r->now_ns)
        r->next_interval_ns += r->options->interval_ns;
}

/* The last interval takes the answers in that come soon after the schedule's end. */
static bool interval_is_over(const load_run *r)
{
    const bool ending =
        r->now_ns >= r->end_ns && r->now_ns - r->end_ns < r->options->interval_ns / 2;
    return r->now_ns >= r->next_interval_ns && !ending;
}

/* How long nothing needs to be done but for the sockets. */
static uint64_t idle_ns(const load_run *r)
{
    uint64_t until_ns = r->now_ns + LONGEST_NS;
    if (r->next_due_ns < until_ns)
        until_ns = r->next_due_ns;
    if (r->next_interval_ns < until_ns && r->next_interval_ns > r->now_ns)
        until_ns = r->next_interval_ns;
    return until_ns > r->now_ns ? until_ns - r->now_ns : 0;
}

/* Sends what is to be sent, waits for what comes, and takes it. */
static void exchange(load_run *r, bool busy)
{
    for (uint32_t i = 0; i < r->options->connections; i++)
        load_link_send(r->links[i]);
    const uint64_t wait_ns = busy ? 0 : idle_ns(r);
    const struct timespec timeout = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                                     .tv_nsec = (long)(wait_ns % SECOND_NS)};
    struct epoll_event events[EVENTS];
    const int count = epoll_pwait2(r->target.epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++)
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            load_link_receive(events[i].data.ptr, before_feed, r);
}

/* The first call that counts is due now: what was spent before was warm-up. */
static void begin_measuring(load_run *r)
{
    r->measuring = true;
    r->cpu_s = cpu_seconds();
}

static void stop_measuring(load_run *r)
{
    r->outcome->measured_s = 1e-9 * (double)(r->end_ns - r->measure_ns);
    r->outcome->cpu_s = cpu_seconds() - r->cpu_s;
    r->measuring = false;
}

/*
 * Makes the connections, before the schedule begins. False: some could not be made in time.
 */
static bool connect_all(load_run *r)
{
    const uint64_t give_up_ns = load_now_ns() + CONNECT_NS;
    r->next_due_ns = r->next_interval_ns = UINT64_MAX;
    for (;;) {
        uint32_t ready = 0;
        r->now_ns = load_now_ns();
        for (uint32_t i = 0; i < r->options->connections; i++) {
            load_link_connect(r->links[i], r->now_ns);
            const load_connection *c = load_link_connection(r->links[i]);
            ready += c != NULL && load_connection_ready(c, LOAD_SCORE);
        }
        if (ready == r->options->connections)
            return true;
        if (r->now_ns >= give_up_ns || load_run_stopped)
            return false;
        exchange(r, false);
    }
}

/* The loop. */
static void run(load_run *r)
{
    uint64_t give_up_ns = UINT64_MAX;
    for (;;) {
        r->now_ns = load_now_ns();
        if (load_run_stopped && give_up_ns == UINT64_MAX) {
            r->outcome->interrupted = true;
            r->end_ns = r->now_ns;
            r->next_due_ns = UINT64_MAX;
        }
        if (!r->measuring && r->now_ns >= r->measure_ns && give_up_ns == UINT64_MAX)
            begin_measuring(r);
        for (uint32_t i = 0; i < r->options->connections; i++)
            load_link_connect(r->links[i], r->now_ns);
        const bool busy = start_calls(r);
        if (r->now_ns >= r->end_ns && give_up_ns == UINT64_MAX) {
            give_up_ns = r->now_ns + r->options->drain_ns;
            if (r->measuring)
                stop_measuring(r);
        }
        const bool over = give_up_ns != UINT64_MAX && r->count == 0 && in_flight(r) == 0;
        if (over || r->now_ns >= give_up_ns)
            break;
        exchange(r, busy);
        if (interval_is_over(r))
            end_interval(r);
    }
}

/* Says over how long the answers came. */
static void note_answered(load_run *r)
{
    load_outcome *o = r->outcome;
    o->answered_s = o->measured_s;
    if (r->answered_ns > r->end_ns)
        o->answered_s += 1e-9 * (double)(r->answered_ns - r->end_ns);
}

/* Counts what is left: calls that were not sent, and those that were not answered. */
static void abandon(load_run *r)
{
    r->abandoning = true;
    note_answered(r);
    for (; r->count > 0; r->count--, r->first = (r->first + 1) % r->options->most_waiting)
        r->interval->counts.skipped += r->waiting[r->first] >= r->measure_ns;
    for (uint32_t i = 0; i < r->options->connections; i++) {
        load_outcome *o = r->outcome;
        if (load_link_error(r->links[i])[0] != '\0')
            (void)snprintf(o->error, sizeof o->error, "%s", load_link_error(r->links[i]));
        o->connects += load_link_connected(r->links[i]);
        load_link_drop(r->links[i], VQLC_CANCELLED, "");
    }
    if (r->interval->counts.due + load_counts_ended(&r->interval->counts) +
            r->interval->counts.unanswered + r->interval->counts.skipped >
        0)
        end_interval(r);
}

static bool make_links(load_run *r)
{
    load_connection_options connection = r->options->connection;
    connection.max_calls = r->options->streams;
    connection.on_answer = on_answer;
    connection.context = r;
    for (uint32_t i = 0; i < r->options->connections; i++) {
        r->links[i] = load_link_new(&r->target, &connection);
        if (r->links[i] == NULL)
            return false;
    }
    return true;
}

static void set_times(load_run *r)
{
    const load_plan *plan = &r->options->plan;
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    r->outcome->start_s = (double)wall.tv_sec + 1e-9 * (double)wall.tv_nsec + plan->warmup_s;
    r->start_ns = r->now_ns = load_now_ns();
    r->measure_ns = r->start_ns + (uint64_t)(plan->warmup_s * 1e9);
    r->end_ns = r->measure_ns + (uint64_t)(plan->duration_s * 1e9);
    r->interval_ns = r->start_ns;
    /* One interval begins where the warm-up ends. */
    const uint64_t warmup_ns = r->measure_ns - r->start_ns;
    r->next_interval_ns = r->start_ns + warmup_ns % r->options->interval_ns;
    if (r->next_interval_ns == r->start_ns)
        r->next_interval_ns += r->options->interval_ns;
    r->next_due_ns = UINT64_MAX;
    if (!r->options->closed) {
        load_schedule_init(&r->schedule, plan);
        draw_due(r);
    }
}

bool load_run_all(const load_run_options *options, load_outcome *outcome)
{
    load_run *r = calloc(1, sizeof *r);
    bool ran = false;
    if (r == NULL)
        return false;
    r->options = options;
    r->outcome = outcome;
    r->target = *options->target;
    r->target.epoll = epoll_create1(EPOLL_CLOEXEC);
    r->links = calloc(options->connections, sizeof(load_link *));
    r->waiting = calloc(options->most_waiting, sizeof *r->waiting);
    r->interval = load_tally_new();
    if (r->target.epoll >= 0 && r->links != NULL && r->waiting != NULL && r->interval != NULL &&
        make_links(r)) {
        /* The kernel may otherwise wake us 50 µs late. */
        (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        outcome->connected = connect_all(r);
        set_times(r);
        if (outcome->connected)
            run(r);
        abandon(r);
        ran = true;
    }
    for (uint32_t i = 0; r->links != NULL && i < options->connections; i++)
        load_link_free(r->links[i]);
    free(r->links);
    free(r->waiting);
    free(r->interval);
    if (r->target.epoll >= 0)
        (void)close(r->target.epoll);
    free(r);
    return ran;
}
