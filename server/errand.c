#include "errand.h"

#include "job.h"
#include "limit.h"
#include "log.h"
#include "retention.h"

static store_code run_append(job *j, store *s)
{
    j->duplicates = (uint32_t)j->event_count; /* those left out: when it is done */
    j->durability = s->durability;
    if (j->event_count == 0)
        return store_info(s, j->user_id, &j->history);
    return store_append(s, j->user_id, j->events, &j->event_count, &j->history, &j->errand.code);
}

/* Reads events of which there have to be as many as there is room for. */
static store_code read_all(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                           size_t max, size_t *count)
{
    const store_code code = store_read(s, user_id, first_sequence, out, max, count);
    if (code != STORE_OK || *count == max)
        return code;
    log_error("the store has lost events", log_u64("user_id", user_id),
              log_u64("sequence", first_sequence + *count));
    return STORE_DAMAGED;
}

/* Reads the page of events that is asked for. */
static store_code run_get(job *j, store *s)
{
    const store_code code = store_info(s, j->user_id, &j->history);
    j->sequence = j->history.sequence;
    if (code != STORE_OK || j->sequence == 0)
        return code;
    uint64_t end = j->sequence + 1;
    if (j->before_sequence != 0 && j->before_sequence < end)
        end = j->before_sequence;
    const uint64_t kept = end > j->history.first ? end - j->history.first : 0;
    const size_t count = kept < j->max_events ? (size_t)kept : j->max_events;
    if (!job_reserve_events(j, count))
        return STORE_NO_MEMORY;
    j->first_event_sequence = end - count;
    return read_all(s, j->user_id, j->first_event_sequence, j->events, count, &j->event_count);
}

static store_code run_check(job *j, store *s)
{
    const store_code code = store_info(s, j->user_id, &j->history);
    j->ids_checked = true;
    return code != STORE_OK ? code : store_drop_applied(s, j->user_id, j->events, &j->event_count);
}

static store_code run_job(job *j, store *s)
{
    switch (j->operation) {
    case OPERATION_APPEND:
        return run_append(j, s);
    case OPERATION_GET:
    case OPERATION_INSPECT:
        return run_get(j, s);
    case OPERATION_DELETE:
        return store_erase(s, j->user_id, &j->deleted);
    case OPERATION_SCORE:
        return run_check(j, s);
    case OPERATION_UPSERT: /* never here */
    case OPERATION_LOAD:
        break;
    }
    return STORE_OK;
}

static store_code run_load(load_errand *l, store *s)
{
    l->snapshot = (store_snapshot){0};
    l->count = 0;
    store_code code = store_info(s, l->user_id, &l->info);
    if (code != STORE_OK || l->info.sequence == 0)
        return code;
    if (l->next_sequence == 0) {
        l->next_sequence = l->info.first;
        code = store_load(s, l->user_id, l->model, &l->snapshot);
        if (code != STORE_OK)
            return code;
        if (l->snapshot.bytes && l->snapshot.born == l->info.born)
            l->next_sequence = l->snapshot.sequence + 1;
    }
    if (l->next_sequence < l->info.first)
        l->next_sequence = l->info.first; /* what was before is gone: the birth says so */
    const uint64_t left =
        l->info.sequence >= l->next_sequence ? l->info.sequence - l->next_sequence + 1 : 0;
    return read_all(s, l->user_id, l->next_sequence, l->events,
                    left < LIMIT_REBUILD_CHUNK ? (size_t)left : LIMIT_REBUILD_CHUNK, &l->count);
}

static store_code run_save(const save_errand *e, store *s)
{
    return store_save(s, e->user_id, &e->snapshot, &e->keep);
}

static store_code run(errand *e, store *s)
{
    switch (e->kind) {
    case ERRAND_JOB:
        return run_job((job *)(void *)e, s);
    case ERRAND_LOAD:
        return run_load((load_errand *)(void *)e, s);
    case ERRAND_SAVE:
        return run_save((const save_errand *)(const void *)e, s);
    case ERRAND_RETAIN:
        return retention_run((retain_errand *)(void *)e, s);
    }
    return STORE_OK;
}

static operation operation_of(const errand *e)
{
    return ((const job *)(const void *)e)->operation;
}

static retain_step step_of(const errand *e)
{
    return ((const retain_errand *)(const void *)e)->step;
}

bool errand_writes(const errand *e)
{
    switch (e->kind) {
    case ERRAND_JOB:
        return operation_of(e) == OPERATION_APPEND || operation_of(e) == OPERATION_DELETE;
    case ERRAND_LOAD:
        return false;
    case ERRAND_SAVE:
        return true;
    case ERRAND_RETAIN:
        return step_of(e) == RETAIN_TRIM || step_of(e) == RETAIN_PURGE;
    }
    return false;
}

bool errand_comes_after_commit(const errand *e)
{
    return (e->kind == ERRAND_JOB && operation_of(e) == OPERATION_DELETE) ||
           (e->kind == ERRAND_RETAIN && step_of(e) == RETAIN_TRIM);
}

void errand_run(errand *e, store *s)
{
    const bool reads = !errand_writes(e);
    for (int i = 0; i < LIMIT_READS && (i == 0 || e->code == STORE_CHANGED); i++) {
        if (reads)
            store_pin(s);
        e->code = run(e, s);
        if (reads)
            store_unpin(s);
    }
}
