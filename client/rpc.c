#include "rpc.h"

#include <inttypes.h>
#include <stdlib.h>

rpc *rpc_start(engine *e, uint64_t now_ns, const rpc_request *request)
{
    rpc *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->owner = e;
    r->request = *request;
    r->state = RPC_WAITING;
    list_init(&r->deadline);
    list_init(&r->news);
    assembler_init(&r->incoming, e->options.max_message_bytes);
    reply_init(&r->answer);

    const uint32_t waiting = e->waiting_count;
    list_init(&r->place);
    list_append(&e->waiting, &r->place);
    e->waiting_count++;
    rpc_set_deadline(r);
    if (e->is_unreachable && !request->wait_for_ready) {
        rpc_end_here(r, VQLC_UNAVAILABLE, "%s", e->why);
    } else if (waiting >= e->options.max_waiting_calls) {
        rpc_end_here(r, VQLC_UNAVAILABLE,
                     "%" PRIu32 " calls wait for %s already, the channel's max_waiting_calls",
                     waiting, e->options.authority);
    } else {
        engine_advance(e, now_ns);
    }
    e->wake(e->context);
    return r;
}

/* Tells nghttp2 that an rpc which had nothing to send now has. */
static void resume(rpc *r)
{
    if (r->state == RPC_OPEN && r->owner->is_open)
        engine_check(r->owner, nghttp2_session_resume_data(r->owner->session, r->stream_id));
    r->owner->wake(r->owner->context);
}

bool rpc_writable(const rpc *r)
{
    return r->state != RPC_ENDED && !r->half_closed && !r->full;
}

bool rpc_send(rpc *r, const uint8_t *message, size_t bytes)
{
    if (!rpc_writable(r) || !outbox_put(&r->unsent, message, bytes))
        return false;
    r->full = outbox_bytes(&r->unsent) >= r->owner->options.max_unsent_bytes;
    resume(r);
    return true;
}

void rpc_half_close(rpc *r)
{
    if (r->state != RPC_ENDED && !r->half_closed) {
        r->half_closed = true;
        resume(r);
    }
}

void rpc_fail(rpc *r, vqlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rpc_end_here_list(r, status, format, arguments);
    va_end(arguments);
    r->owner->wake(r->owner->context);
}

/* Puts an rpc among those that have something to tell. */
static void add_news(rpc *r)
{
    if (list_empty(&r->news))
        list_append(&r->owner->news, &r->news);
}

void rpc_check_room(rpc *r)
{
    if (r->full && outbox_bytes(&r->unsent) < r->owner->options.max_unsent_bytes / 2) {
        r->full = false;
        if (r->request.handler->on_writable != NULL && !r->half_closed) {
            r->tell_writable = true;
            add_news(r);
        }
    }
}

void rpc_end(rpc *r)
{
    engine *e = r->owner;
    if (r->state == RPC_OPEN) {
        e->open_count--;
        (void)nghttp2_session_set_stream_user_data(e->session, r->stream_id, NULL);
    } else {
        e->waiting_count--;
    }
    list_remove(&r->place);
    list_remove(&r->deadline);
    r->state = RPC_ENDED;
    add_news(r);
}

void rpc_end_here_list(rpc *r, vqlc_status status, const char *format, va_list arguments)
{
    if (r->state == RPC_ENDED)
        return;
    outcome_set_list(&r->outcome, status, format, arguments);
    if (r->state == RPC_OPEN && r->owner->is_open) {
        engine_check(r->owner, nghttp2_submit_rst_stream(r->owner->session, NGHTTP2_FLAG_NONE,
                                                         r->stream_id, NGHTTP2_CANCEL));
    }
    rpc_end(r);
}

void rpc_end_here(rpc *r, vqlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rpc_end_here_list(r, status, format, arguments);
    va_end(arguments);
}

void rpc_set_deadline(rpc *r)
{
    if (r->request.deadline_ns == UINT64_MAX)
        return;
    /* Calls are mostly started in the order of their deadlines: the place is near the end. */
    list_link *head = &r->owner->deadlines;
    list_link *place = head->previous;
    while (place != head &&
           LIST_ENTRY(place, rpc, deadline)->request.deadline_ns > r->request.deadline_ns)
        place = place->previous;
    list_insert_after(place, &r->deadline);
}
