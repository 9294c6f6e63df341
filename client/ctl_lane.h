/*
 * One of the streams of an import: batches go in, are sent over an AppendStream on a connection of
 * its own, and are kept until they are answered, so that they can be sent again.
 *
 *   lane_put ──> [ sent, not answered … | not sent … ] ──> AppendStream
 *
 * At most LANE_WINDOW batches are in a lane. When the server asks for a pause (UNAVAILABLE with
 * grpc-retry-pushback-ms), what was not answered is sent again after it on a new stream: what a
 * stream's end leaves unanswered was not applied.
 */
#ifndef VQL_CLIENT_CTL_LANE_H
#define VQL_CLIENT_CTL_LANE_H

#include "ctl_batch.h"
#include "vqlclient.h"

#define LANE_WINDOW 32

typedef struct lane lane;

/* What a lane tells its owner, from inside the loop. */
typedef struct lane_handler {
    /* A batch was applied; valid during the callback. The lane has room. */
    void (*on_answer)(void *context, const batch *b, const Vql__V1__AppendResponse *answer);

    /*
     * The lane is at its end: all is answered after lane_finish, or it failed with the oldest batch
     * that was not answered (NULL: there was none).
     */
    void (*on_end)(void *context, const vqlc_result *result, const batch *failed);
} lane_handler;

/*
 * Opens a lane to `server`, which must outlive it, with `retries` pauses in a row at most; options
 * (NULL: the defaults) are the channel's. Returns 0 or an error of libuv.
 */
int lane_open(lane **out, uv_loop_t *loop, const char *server, const vqlc_channel_options *options,
              unsigned retries, const lane_handler *handler, void *context);

/* Closes a lane, at its end or not; its memory is freed by the loop. */
void lane_close(lane *l);

/* Whether another batch may be put in. */
bool lane_has_room(const lane *l);

/* Puts a batch in a lane that has room, which owns it from now on. */
void lane_put(lane *l, batch *b);

/* There will be no more batches; on_end follows. */
void lane_finish(lane *l);

#endif
