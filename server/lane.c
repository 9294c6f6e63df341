#include "lane.h"

#include "limit.h"
#include "meters.h"

bool lane_init(lane *l, lane_kind kind, uint64_t target_ns, uint64_t interval_ns)
{
    *l = (lane){.kind = kind, .pushback.random = target_ns};
    shedder_init(&l->shedder, target_ns, interval_ns);
    return job_queue_init(&l->queue, LIMIT_SHARD_JOBS);
}

void lane_clear(lane *l)
{
    job_queue_clear(&l->queue);
}

/* The jobs that a new one waits for, and that refusing makes fewer. */
static size_t count_pressing(const lane *l)
{
    return l->pressing + (l->current != NULL);
}

/* Tells other threads whether more may come. */
static void publish(lane *l, uint64_t now_ns)
{
    const bool refusing = shedder_refuses(&l->shedder, count_pressing(l), now_ns);
    if (refusing != atomic_load_explicit(&l->refusing, memory_order_relaxed))
        atomic_store_explicit(&l->refusing, refusing, memory_order_relaxed);
}

lane_kind lane_of(const job *j)
{
    const bool is_long = j->operation == OPERATION_INSPECT ||
                         (j->operation == OPERATION_SCORE &&
                          j->item_count + j->event_count > LIMIT_SHORT_CANDIDATES);
    return is_long ? LANE_LONG : LANE_SHORT;
}

void lane_push(lane *l, job *j, uint64_t now_ns)
{
    if (lane_idle(l))
        shedder_begin(&l->shedder, now_ns);
    if (l->pressing == 0)
        shedder_empty(&l->shedder, now_ns);
    l->pressing += !j->patient;
    job_queue_push(&l->queue, j);
    publish(l, now_ns);
}

job *lane_current(lane *l, uint64_t now_ns)
{
    if (!l->current) {
        l->current = job_queue_pop(&l->queue);
        l->phase = LANE_FRESH;
        l->pressing -= l->current && !l->current->patient;
        if (l->pressing == 0)
            shedder_empty(&l->shedder, now_ns);
        publish(l, now_ns);
    }
    return l->current;
}

job *lane_release(lane *l)
{
    job *j = l->current;
    l->current = NULL;
    l->phase = LANE_FRESH;
    return j;
}

/* The job's error for one that has waited too long. */
static void shed(lane *l, job *j, uint64_t now_ns)
{
    pushback_note(&l->pushback, true);
    meters_count(l->meters, METER_SHED_WAITED);
    grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: the request waited %.3g ms",
              (double)(now_ns - j->arrived_ns) * 1e-6);
    j->error.reason = "OVERLOADED";
    j->error.pushback_ms = pushback_ms(&l->pushback);
}

bool lane_drops(lane *l, job *j, uint64_t now_ns)
{
    if (atomic_load_explicit(&j->cancelled, memory_order_relaxed)) {
        grpc_fail(&j->error, GRPC_CANCELLED, "cancelled");
        return true;
    }
    if (now_ns >= j->deadline_ns) {
        if (j->operation == OPERATION_SCORE)
            grpc_fail(&j->error, GRPC_DEADLINE_EXCEEDED,
                      "deadline passed after %zu of %zu candidates", j->scored, j->item_count);
        else
            grpc_fail(&j->error, GRPC_DEADLINE_EXCEEDED, "deadline passed before work began");
        return true;
    }
    if (j->patient || (j == l->current && l->phase != LANE_FRESH))
        return false;
    if (!shedder_sheds(&l->shedder, count_pressing(l), j->arrived_ns, now_ns))
        return false;
    shed(l, j, now_ns);
    return true;
}

/* A sweep's lane and time. */
typedef struct sweep {
    lane *lane;
    uint64_t now_ns;
} sweep;

static bool is_dropped(void *context, job *j)
{
    const sweep *s = context;
    return lane_drops(s->lane, j, s->now_ns);
}

job *lane_sweep(lane *l, uint64_t now_ns)
{
    job *dropped = job_queue_remove(&l->queue, is_dropped, &(sweep){l, now_ns});
    for (const job *j = dropped; j; j = j->next_queued)
        l->pressing -= !j->patient;
    if (l->pressing == 0)
        shedder_empty(&l->shedder, now_ns);
    publish(l, now_ns);
    return dropped;
}
