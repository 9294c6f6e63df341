/*
 * A server's bytes to a client's engine with a few calls on their way. The first byte says in what
 * pieces they come.
 */
#include <assert.h>

#include "engine.h"
#include "message.h"
#include "target.h"

enum { CALLS = 4, OUT_BYTES = 4096, NS_PER_PIECE = 1000000 };

typedef struct conversation {
    rpc *rpc;
    const ProtobufCMessageDescriptor *answer;
    unsigned ended;
} conversation;

static void on_wake(void *context)
{
    (void)context; /* the engine is drained after every piece */
}

static void on_message(void *context, const uint8_t *message, size_t bytes)
{
    const conversation *c = context;
    assert(!c->ended);
    ProtobufCMessage *answer = message_read(c->rpc, c->answer, message, bytes);
    if (answer)
        protobuf_c_message_free_unpacked(answer, NULL);
}

static void on_done(void *context, const vqlc_result *result)
{
    conversation *c = context;
    c->ended++;
    assert(result->status >= VQLC_OK && result->status <= VQLC_UNAUTHENTICATED);
    assert(result->message);
}

static const rpc_handler handler = {.on_message = on_message, .on_done = on_done};

static void start(engine *e, conversation c[CALLS])
{
    static const struct {
        const char *path;
        const ProtobufCMessageDescriptor *answer;
    } methods[CALLS] = {
        {"/vql.v1.Scoring/Score", &vql__v1__score_response__descriptor},
        {"/vql.v1.History/Append", &vql__v1__append_response__descriptor},
        {"/vql.v1.History/Get", &vql__v1__get_response__descriptor},
        {"/vql.v1.Scoring/ScoreStream", &vql__v1__score_response__descriptor},
    };
    for (int i = 0; i < CALLS; i++) {
        const rpc_request request = {
            .path = methods[i].path,
            .deadline_ns = UINT64_MAX,
            .handler = &handler,
            .context = &c[i],
        };
        c[i] = (conversation){.answer = methods[i].answer};
        c[i].rpc = rpc_start(e, 0, &request);
        assert(c[i].rpc);
        (void)rpc_send(c[i].rpc, (const uint8_t *)"\10\1", 2);
        if (i < CALLS - 1)
            rpc_half_close(c[i].rpc);
    }
}

static void drain(engine *e)
{
    uint8_t out[OUT_BYTES];
    while (engine_drain(e, out, sizeof out) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const engine_options options = {
        .authority = "server:1",
        .max_message_bytes = 4000,
        .max_unsent_bytes = 1000,
        .max_waiting_calls = CALLS,
    };
    if (count == 0)
        return 0;
    conversation calls[CALLS];
    engine *e = engine_new(&options, on_wake, NULL);
    assert(e);
    start(e, calls);
    engine_open(e, 0);
    drain(e);
    const size_t piece = bytes[0] == 0 ? count : bytes[0];
    uint64_t now_ns = 0;
    for (size_t i = 1; i < count && !engine_done(e); i += piece) {
        engine_feed(e, now_ns += NS_PER_PIECE, bytes + i, piece < count - i ? piece : count - i);
        drain(e);
    }
    engine_lost(e, "the input has ended");
    engine_free(e);
    for (int i = 0; i < CALLS; i++)
        assert(calls[i].ended == 1);
    return 0;
}
