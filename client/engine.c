#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"

/* Until the server's SETTINGS say: RFC 9113 §6.5.2 advises servers to allow at least as many. */
#define STREAMS_BEFORE_SETTINGS 100

engine *engine_new(const engine_options *options, void (*wake)(void *context), void *context)
{
    engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    const size_t authority_bytes = strlen(options->authority) + 1;
    char *authority = malloc(authority_bytes);
    if (authority == NULL)
        goto free_engine;
    memcpy(authority, options->authority, authority_bytes);
    e->options = *options;
    e->options.authority = authority;
    e->wake = wake;
    e->context = context;
    list_init(&e->waiting);
    list_init(&e->open);
    list_init(&e->deadlines);
    list_init(&e->news);
    e->session = http2_session_new(e);
    if (e->session == NULL)
        goto free_authority;
    return e;

free_authority:
    free(authority);
free_engine:
    free(e);
    return NULL;
}

static void free_rpc(rpc *r)
{
    outbox_free(&r->unsent);
    assembler_free(&r->incoming);
    free(r);
}

/* Tells one rpc's owner what there is to tell, and frees the rpc if it has ended. */
static void tell(rpc *r)
{
    if (r->tell_writable && r->state != RPC_ENDED) {
        r->tell_writable = false;
        r->request.handler->on_writable(r->request.context);
    }
    if (r->state == RPC_ENDED) {
        list_remove(&r->news);
        const vqlc_result result = {
            .status = r->outcome.status,
            .message = r->outcome.message,
            .pushback_ms = r->outcome.pushback_ms,
            .from_server = r->outcome.from_server,
        };
        r->request.handler->on_done(r->request.context, &result);
        free_rpc(r);
    }
}

/* Makes the callbacks that are due; those that they give rise to come next time. */
static void tell_news(engine *e)
{
    list_link due;
    list_init(&due);
    list_splice(&due, &e->news);
    while (!list_empty(&due)) {
        rpc *r = LIST_ENTRY(due.next, rpc, news);
        list_remove(&r->news);
        tell(r);
    }
}

/* Ends every rpc of a list of places. */
static void end_all(list_link *places, vqlc_status status, const char *message)
{
    while (!list_empty(places))
        rpc_end_here(LIST_ENTRY(places->next, rpc, place), status, "%s", message);
}

void engine_free(engine *e)
{
    e->is_open = false;
    end_all(&e->open, VQLC_CANCELLED, "the channel was closed");
    end_all(&e->waiting, VQLC_CANCELLED, "the channel was closed");
    tell_news(e);
    nghttp2_session_del(e->session);
    char *authority = (char *)(uintptr_t)e->options.authority;
    free(authority);
    free(e);
}

void engine_open(engine *e, uint64_t now_ns)
{
    e->is_open = true;
    e->is_unreachable = false;
    engine_advance(e, now_ns);
}

void engine_unreachable(engine *e, const char *why)
{
    e->is_unreachable = true;
    (void)snprintf(e->why, sizeof e->why, "%s", why);
    for (list_link *place = e->waiting.next, *next; place != &e->waiting; place = next) {
        next = place->next;
        rpc *r = LIST_ENTRY(place, rpc, place);
        if (!r->request.wait_for_ready)
            rpc_end_here(r, VQLC_UNAVAILABLE, "%s", e->why);
    }
    tell_news(e);
}

void engine_lost(engine *e, const char *why)
{
    const char *error = engine_error(e);
    (void)snprintf(e->why, sizeof e->why, "the connection to %s was lost: %s", e->options.authority,
                   error != NULL ? error : why);
    e->is_open = false;
    end_all(&e->open, VQLC_UNAVAILABLE, e->why);
    tell_news(e);
}

void engine_move_waiting(engine *from, engine *to)
{
    while (!list_empty(&from->waiting)) {
        rpc *r = LIST_ENTRY(from->waiting.next, rpc, place);
        list_remove(&r->place);
        list_remove(&r->deadline);
        from->waiting_count--;
        r->owner = to;
        list_append(&to->waiting, &r->place);
        to->waiting_count++;
        rpc_set_deadline(r);
    }
}

/* nghttp2 has said that it cannot go on: its session is not touched any more. */
static void set_broken(engine *e, int code)
{
    e->is_open = false;
    e->is_broken = true;
    (void)snprintf(e->error, sizeof e->error, "%s", nghttp2_strerror(code));
}

void engine_check(engine *e, int result)
{
    if (nghttp2_is_fatal(result))
        set_broken(e, result);
}

void engine_feed(engine *e, uint64_t now_ns, const uint8_t *bytes, size_t count)
{
    if (!e->is_open)
        return;
    const ssize_t taken = nghttp2_session_mem_recv(e->session, bytes, count);
    if (taken < 0)
        set_broken(e, (int)taken);
    engine_advance(e, now_ns);
    tell_news(e);
}

/* Makes sure that there are bytes to send, in e->unsent; false when there are none. */
static bool make_bytes(engine *e)
{
    if (e->is_open && e->unsent_bytes == 0) {
        const ssize_t made = nghttp2_session_mem_send(e->session, &e->unsent);
        if (made < 0)
            set_broken(e, (int)made);
        else
            e->unsent_bytes = (size_t)made;
    }
    return e->is_open && e->unsent_bytes > 0;
}

size_t engine_drain(engine *e, uint8_t *out, size_t capacity)
{
    size_t drained = 0;
    while (drained < capacity && make_bytes(e)) {
        const size_t room = capacity - drained;
        const size_t copied = e->unsent_bytes < room ? e->unsent_bytes : room;
        memcpy(out + drained, e->unsent, copied);
        e->unsent += copied;
        e->unsent_bytes -= copied;
        drained += copied;
    }
    tell_news(e);
    return drained;
}

uint64_t engine_due(const engine *e)
{
    if (!list_empty(&e->news))
        return 0;
    if (list_empty(&e->deadlines))
        return UINT64_MAX;
    return LIST_ENTRY(e->deadlines.next, rpc, deadline)->request.deadline_ns;
}

void engine_tick(engine *e, uint64_t now_ns)
{
    engine_advance(e, now_ns);
    tell_news(e);
}

/* How many rpcs may be open at a time, as far as the server has said. */
static uint32_t max_open(const engine *e)
{
    if (!e->is_ready)
        return STREAMS_BEFORE_SETTINGS;
    return nghttp2_session_get_remote_settings(e->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void engine_advance(engine *e, uint64_t now_ns)
{
    while (!list_empty(&e->deadlines)) {
        rpc *r = LIST_ENTRY(e->deadlines.next, rpc, deadline);
        if (r->request.deadline_ns > now_ns)
            break;
        rpc_end_here(r, VQLC_DEADLINE_EXCEEDED, "the deadline passed before %s %s",
                     e->options.authority,
                     r->state == RPC_WAITING ? "could be asked" : "had answered");
    }
    while (e->is_open && !list_empty(&e->waiting) && e->open_count < max_open(e) &&
           !engine_draining(e))
        http2_submit(LIST_ENTRY(e->waiting.next, rpc, place), now_ns);
}

bool engine_ready(const engine *e)
{
    return e->is_ready;
}

bool engine_draining(const engine *e)
{
    return !nghttp2_session_check_request_allowed(e->session);
}

bool engine_done(const engine *e)
{
    return e->is_broken || (e->unsent_bytes == 0 && !nghttp2_session_want_read(e->session) &&
                            !nghttp2_session_want_write(e->session));
}

const char *engine_error(const engine *e)
{
    return e->error[0] != '\0' ? e->error : NULL;
}
