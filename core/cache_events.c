#include "cache_events.h"

#include <string.h>

#include "allocation.h"

enum {
    FIRST_EVENTS = 4,     /* room that a list starts with */
    FIRST_TIME_BYTES = 5, /* 34 years of milliseconds */
};

/* The bytes that a number takes, at least 1. */
static uint8_t bytes_for(uint64_t number)
{
    uint8_t bytes = 1;
    while (bytes < 8 && number >> (8 * bytes) != 0)
        bytes++;
    return bytes;
}

static uint8_t *put(uint8_t *out, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * i));
    return out + bytes;
}

static uint64_t take(const uint8_t *in, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)in[i] << (8 * i);
    return number;
}

void vql_events_init(vql_cache_events_list *list, uint32_t rows, uint32_t event_types)
{
    const uint64_t last = (uint64_t)rows * event_types - 1;
    *list = (vql_cache_events_list){
        .event_types = event_types,
        .item_bytes = bytes_for(last),
        .time_bytes = FIRST_TIME_BYTES,
    };
}

void vql_events_release(vql_cache_events_list *list, const vql_allocator *allocator)
{
    vql_release(allocator, list->bytes);
}

/* A base and a number of bytes that times from first_ms to last_ms fit, with those there. */
typedef struct layout {
    int64_t base_ms;
    uint8_t time_bytes;
} layout;

static layout layout_with(const vql_cache_events_list *list, int64_t first_ms, int64_t last_ms)
{
    layout wanted = {list->base_ms, list->time_bytes};
    if (list->count == 0) {
        /* Room before the first time, for late events. */
        const int64_t slack_ms = INT64_C(1) << (8 * FIRST_TIME_BYTES - 2);
        wanted.base_ms = first_ms > slack_ms ? first_ms - slack_ms : 0;
        wanted.time_bytes = FIRST_TIME_BYTES;
    }
    if (first_ms < wanted.base_ms)
        wanted.base_ms = first_ms - first_ms / 4;
    const uint64_t most = UINT64_MAX >> (64 - 8 * wanted.time_bytes);
    uint64_t range = (uint64_t)(last_ms - wanted.base_ms);
    if (list->count > 0 && wanted.base_ms < list->base_ms) {
        const uint64_t moved = (uint64_t)(list->base_ms - wanted.base_ms);
        range = range > most + moved || most + moved < most ? range : most + moved;
    }
    if (range > most)
        wanted.time_bytes = bytes_for(range);
    return wanted;
}

static bool is_laid_out(const vql_cache_events_list *list, layout wanted)
{
    return list->base_ms == wanted.base_ms && list->time_bytes == wanted.time_bytes;
}

/* A quarter more than there is, so that growing costs a constant a byte. */
static size_t grown_bytes(const vql_cache_events_list *list, size_t needed, uint32_t stride)
{
    const size_t more = (size_t)list->capacity_bytes + list->capacity_bytes / 4;
    const size_t least = more > FIRST_EVENTS * stride ? more : FIRST_EVENTS * stride;
    return needed > least ? needed : least;
}

size_t vql_events_bytes_with(const vql_cache_events_list *list, size_t count, int64_t first_ms,
                             int64_t last_ms)
{
    const layout wanted = layout_with(list, first_ms, last_ms);
    const uint32_t stride = (uint32_t)list->item_bytes + wanted.time_bytes;
    const size_t needed = (list->count + count) * stride;
    if (needed <= list->capacity_bytes)
        return list->capacity_bytes;
    return grown_bytes(list, needed, stride);
}

bool vql_events_fit(const vql_cache_events_list *list, size_t count, int64_t first_ms,
                    int64_t last_ms)
{
    const size_t needed = (list->count + count) * vql_events_stride(list);
    const uint64_t most = UINT64_MAX >> (64 - 8 * list->time_bytes);
    return list->count > 0 && needed <= list->capacity_bytes && first_ms >= list->base_ms &&
           (uint64_t)(last_ms - list->base_ms) <= most;
}

vql_code vql_events_reserve(vql_cache_events_list *list, size_t count, int64_t first_ms,
                            int64_t last_ms, const vql_allocator *allocator)
{
    const layout wanted = layout_with(list, first_ms, last_ms);
    const size_t bytes = vql_events_bytes_with(list, count, first_ms, last_ms);
    const bool same = is_laid_out(list, wanted);
    if (bytes == list->capacity_bytes && same)
        return VQL_OK;
    if (bytes == list->capacity_bytes && list->count == 0) {
        list->base_ms = wanted.base_ms;
        list->time_bytes = wanted.time_bytes;
        return VQL_OK;
    }
    vql_cache_events_list made = *list;
    made.bytes = vql_allocate_array(allocator, bytes, 1, NULL);
    if (made.bytes == NULL)
        return VQL_NO_MEMORY;
    made.capacity_bytes = (uint32_t)bytes;
    made.base_ms = wanted.base_ms;
    made.time_bytes = wanted.time_bytes;
    if (same && list->count > 0) {
        memcpy(made.bytes, list->bytes, (size_t)list->count * vql_events_stride(list));
    } else {
        made.count = 0;
        for (uint32_t i = 0; i < list->count; i++) {
            const vql_cache_event event = vql_events_get(list, i);
            vql_events_push(&made, &event);
        }
    }
    vql_release(allocator, list->bytes);
    *list = made;
    return VQL_OK;
}

void vql_events_push(vql_cache_events_list *list, const vql_cache_event *event)
{
    uint8_t *out = list->bytes + (size_t)list->count * vql_events_stride(list);
    const uint64_t item = (uint64_t)event->row * list->event_types + event->event_type;
    out = put(out, item, list->item_bytes);
    put(out, (uint64_t)(event->time_ms - list->base_ms), list->time_bytes);
    list->count++;
}

vql_cache_event vql_events_get(const vql_cache_events_list *list, uint32_t index)
{
    const uint8_t *in = list->bytes + (size_t)index * vql_events_stride(list);
    const uint64_t item = take(in, list->item_bytes);
    const uint64_t after_ms = take(in + list->item_bytes, list->time_bytes);
    const uint64_t row = list->event_types == 1 ? item : item / list->event_types;
    return (vql_cache_event){
        .time_ms = list->base_ms + (int64_t)after_ms,
        .row = (uint32_t)row,
        .event_type = (uint32_t)(item - row * list->event_types),
    };
}

int64_t vql_events_latest(const vql_cache_events_list *list)
{
    const uint32_t stride = vql_events_stride(list);
    const uint8_t *in = list->bytes + list->item_bytes;
    uint64_t most_ms = 0;
    for (uint32_t i = 0; i < list->count; i++, in += stride) {
        const uint64_t after_ms = take(in, list->time_bytes);
        most_ms = after_ms > most_ms ? after_ms : most_ms;
    }
    return list->count == 0 ? 0 : list->base_ms + (int64_t)most_ms;
}

void vql_events_trim(vql_cache_events_list *list, const vql_allocator *allocator)
{
    const size_t most = 2 * VQL_CACHE_TAIL_EVENTS * (size_t)vql_events_stride(list);
    if (list->count > 0 || list->capacity_bytes <= most)
        return;
    vql_release(allocator, list->bytes);
    list->bytes = NULL;
    list->capacity_bytes = 0;
}

bool vql_events_remove(vql_cache_events_list *list, const vql_cache_event *event)
{
    const uint32_t stride = vql_events_stride(list);
    for (uint32_t i = list->count; i-- > 0;) {
        const vql_cache_event found = vql_events_get(list, i);
        if (found.time_ms != event->time_ms || found.row != event->row ||
            found.event_type != event->event_type)
            continue;
        uint8_t *at = list->bytes + (size_t)i * stride;
        memmove(at, at + stride, (size_t)(list->count - i - 1) * stride);
        list->count--;
        return true;
    }
    return false;
}

vql_code vql_events_copy(vql_cache_events_list *to, const vql_cache_events_list *from,
                         const vql_allocator *allocator)
{
    vql_cache_events_list made = *from;
    const size_t bytes = (size_t)from->count * vql_events_stride(from);
    made.bytes = NULL;
    made.capacity_bytes = (uint32_t)bytes;
    if (bytes > 0) {
        made.bytes = vql_allocate_array(allocator, bytes, 1, NULL);
        if (made.bytes == NULL)
            return VQL_NO_MEMORY;
        memcpy(made.bytes, from->bytes, bytes);
    }
    *to = made;
    return VQL_OK;
}

uint32_t vql_events_check(const vql_cache_events_list *list, uint32_t rows, int64_t last_ms)
{
    const uint64_t codes = (uint64_t)rows * list->event_types;
    const uint8_t *in = list->bytes;
    for (uint32_t i = 0; i < list->count; i++) {
        const uint64_t item = take(in, list->item_bytes);
        const uint64_t after_ms = take(in + list->item_bytes, list->time_bytes);
        if (item >= codes || after_ms > (uint64_t)(last_ms - list->base_ms))
            return i;
        in += vql_events_stride(list);
    }
    return list->count;
}
