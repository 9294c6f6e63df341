#include "ctl_lane.h"

#include <stdlib.h>

struct lane {
    const lane_handler *handler;
    void *context;
    vqlc_channel *channel;
    vqlc_stream *stream; /* NULL: none, or a pause */
    uv_timer_t pause;
    list_link batches; /* oldest first */
    list_link *next;   /* the first that is not sent; &batches: all are */
    unsigned count;    /* of batches */
    unsigned retries;
    unsigned retries_left; /* renewed by every answer */
    bool finished;         /* lane_finish */
    bool ended;            /* on_end was called, or will not be */
};

static batch *oldest(const lane *l)
{
    return list_empty(&l->batches) ? NULL : LIST_ENTRY(l->batches.next, batch, place);
}

static void end(lane *l, const vqlc_result *result)
{
    if (!l->ended) {
        l->ended = true;
        l->handler->on_end(l->context, result, oldest(l));
    }
}

static void end_without_memory(lane *l)
{
    const vqlc_result result = {
        .status = VQLC_RESOURCE_EXHAUSTED,
        .message = "out of memory",
        .pushback_ms = -1,
    };
    end(l, &result);
}

static const vqlc_stream_handler stream_handler;

/* Sends what the stream takes, opening it first if need be. */
static void send_more(lane *l)
{
    if (l->ended || uv_is_active((uv_handle_t *)&l->pause))
        return;
    if (l->stream == NULL && l->next != &l->batches) {
        const uint64_t user_id = LIST_ENTRY(l->next, batch, place)->request.user_id;
        l->stream = vqlc_append_stream(l->channel, user_id, NULL, &stream_handler, l);
        if (l->stream == NULL) {
            end_without_memory(l);
            return;
        }
    }
    while (l->next != &l->batches && vqlc_stream_writable(l->stream) &&
           vqlc_stream_send_append(l->stream, &LIST_ENTRY(l->next, batch, place)->request))
        l->next = l->next->next;
    if (l->finished && l->next == &l->batches && l->stream != NULL)
        vqlc_stream_half_close(l->stream);
}

static void on_append(vqlc_stream *stream, const Vql__V1__AppendResponse *answer, void *arg)
{
    lane *l = arg;
    batch *b = oldest(l);
    if (b == NULL || l->next == &b->place) {
        vqlc_stream_cancel(stream); /* an answer that nothing asked for */
        return;
    }
    l->retries_left = l->retries;
    list_remove(&b->place);
    l->count--;
    if (!l->ended)
        l->handler->on_answer(l->context, b, answer);
    batch_free(b);
}

static void on_writable(vqlc_stream *stream, void *arg)
{
    (void)stream;
    send_more(arg);
}

static void on_pause_over(uv_timer_t *pause)
{
    send_more(pause->data);
}

static void on_done(vqlc_stream *stream, const vqlc_result *result, void *arg)
{
    (void)stream;
    lane *l = arg;
    l->stream = NULL;
    if (l->ended)
        return;
    if (result->status == VQLC_UNAVAILABLE && result->pushback_ms >= 0 && l->retries_left > 0) {
        l->retries_left--;
        l->next = l->batches.next;
        (void)uv_timer_start(&l->pause, on_pause_over, (uint64_t)result->pushback_ms, 0);
        return;
    }
    if (result->status == VQLC_OK && (l->count > 0 || !l->finished)) {
        const vqlc_result early = {
            .status = VQLC_INTERNAL,
            .message = "the server ended the stream with requests not answered",
            .pushback_ms = -1,
        };
        end(l, &early);
        return;
    }
    end(l, result);
}

static const vqlc_stream_handler stream_handler = {
    .on_append = on_append,
    .on_writable = on_writable,
    .on_done = on_done,
};

int lane_open(lane **out, uv_loop_t *loop, const char *server, const vqlc_channel_options *options,
              unsigned retries, const lane_handler *handler, void *context)
{
    lane *l = calloc(1, sizeof *l);
    if (l == NULL)
        return UV_ENOMEM;
    const int error = vqlc_channel_open(loop, server, options, &l->channel);
    if (error != 0) {
        free(l);
        return error;
    }
    l->handler = handler;
    l->context = context;
    l->retries = retries;
    l->retries_left = retries;
    list_init(&l->batches);
    l->next = &l->batches;
    (void)uv_timer_init(loop, &l->pause);
    l->pause.data = l;
    *out = l;
    return 0;
}

static void on_channel_closed(void *arg)
{
    lane *l = arg;
    while (!list_empty(&l->batches)) {
        batch *b = oldest(l);
        list_remove(&b->place);
        batch_free(b);
    }
    free(l);
}

static void on_pause_closed(uv_handle_t *handle)
{
    lane *l = handle->data;
    vqlc_channel_close(l->channel, on_channel_closed, l);
}

void lane_close(lane *l)
{
    l->ended = true;
    uv_close((uv_handle_t *)&l->pause, on_pause_closed);
}

bool lane_has_room(const lane *l)
{
    return l->count < LANE_WINDOW;
}

void lane_put(lane *l, batch *b)
{
    list_append(&l->batches, &b->place);
    if (l->next == &l->batches)
        l->next = &b->place;
    l->count++;
    send_more(l);
}

void lane_finish(lane *l)
{
    l->finished = true;
    if (l->stream == NULL && l->count == 0) {
        const vqlc_result nothing = {.status = VQLC_OK, .message = "", .pushback_ms = -1};
        end(l, &nothing);
        return;
    }
    send_more(l);
}
