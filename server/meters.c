#include "meters.h"

#include <stdlib.h>
#include <string.h>

#include "id_map.h"

const meter_name meter_names[METERS] = {
#define METERS_NAME(key, family, label, value, help) {family, label, value, help},
    METERS_COUNTERS(METERS_NAME)
#undef METERS_NAME
};

/* HTTP/2's error codes: RFC 9113 §7. */
enum { H2_NO_ERROR = 0, H2_PROTOCOL_ERROR = 1, H2_ENHANCE_YOUR_CALM = 11 };

void meters_clear(meters *m)
{
    for (size_t i = 0; i < METERS_SERIES; i++)
        free(atomic_load_explicit(&m->series[i], memory_order_relaxed));
}

unsigned meters_model(meters *m, const version *v)
{
    if (!m)
        return 0;
    const uint64_t number = v->number;
    const bool fits = number > 0 && number < METERS_MODELS - 1;
    const unsigned index = fits ? (unsigned)number : METERS_MODELS - 1;
    if (!atomic_load_explicit(&m->has_model[index], memory_order_relaxed)) {
        const char *name = fits ? v->name : "other";
        memcpy(m->models[index], name, strlen(name) + 1);
        atomic_store_explicit(&m->has_model[index], true, memory_order_release);
    }
    return index;
}

static bool is_of(const call_series *s, const char *path, unsigned model, grpc_status status)
{
    return s->path == path && s->model == model && s->status == status;
}

/* The series, which is made if there is none. NULL: no room, or no memory. */
static call_series *find_series(meters *m, const char *path, unsigned model, grpc_status status)
{
    const uint64_t key = (uint64_t)(uintptr_t)path ^ (uint64_t)model << 56 ^ (uint64_t)status << 48;
    for (size_t at = id_hash(key) % METERS_SERIES;; at = (at + 1) % METERS_SERIES) {
        call_series *s = atomic_load_explicit(&m->series[at], memory_order_relaxed);
        if (s && is_of(s, path, model, status))
            return s;
        if (s)
            continue;
        if (m->series_count >= METERS_SERIES / 2)
            return NULL;
        s = calloc(1, sizeof *s);
        if (!s)
            return NULL;
        s->path = path;
        s->model = model;
        s->status = status;
        m->series_count++;
        atomic_store_explicit(&m->series[at], s, memory_order_release);
        return s;
    }
}

void meters_call(meters *m, const char *path, unsigned model, grpc_status status,
                 uint64_t duration_ns)
{
    if (!m)
        return;
    call_series *s = find_series(m, path, model, status);
    if (s)
        histogram_observe(&s->duration, &histogram_seconds, duration_ns);
    else
        meters_count(m, METER_SERIES_LOST);
}

void meters_reason(meters *m, const char *reason)
{
    if (!m)
        return;
    size_t i = 0;
    for (; i < METERS_REASONS - 1; i++) {
        const char *known = atomic_load_explicit(&m->reasons[i], memory_order_relaxed);
        if (!known)
            break;
        if (strcmp(known, reason) == 0) {
            cell_add(&m->reason_counts[i], 1);
            return;
        }
    }
    atomic_store_explicit(&m->reasons[i], i < METERS_REASONS - 1 ? reason : "OTHER",
                          memory_order_release);
    cell_add(&m->reason_counts[i], 1);
}

void meters_answer(meters *m, const job *j)
{
    if (!m || j->error.status != GRPC_OK)
        return;
    if (j->operation == OPERATION_SCORE) {
        histogram_observe(&m->candidates, &histogram_items, j->item_count);
        meters_add(m, METER_UNKNOWN_ITEMS, j->unknown_items);
    } else if (j->operation == OPERATION_APPEND) {
        meters_add(m, METER_EVENTS_APPENDED, j->appended);
        meters_add(m, METER_EVENTS_DUPLICATE, j->duplicates);
    }
}

void meters_goaway(meters *m, uint32_t code)
{
    if (code == H2_PROTOCOL_ERROR)
        meters_count(m, METER_GOAWAY_PROTOCOL);
    else if (code == H2_ENHANCE_YOUR_CALM)
        meters_count(m, METER_GOAWAY_CALM);
    else if (code != H2_NO_ERROR)
        meters_count(m, METER_GOAWAY_OTHER);
}
