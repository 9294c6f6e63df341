/*
 * A server's bytes to a connection of vqlbench with a few calls on their way. The first byte says
 * in what pieces they come.
 */
#include <assert.h>
#include <string.h>

#include "load_connection.h"
#include "target.h"

enum { CALLS = 8, MESSAGE_BYTES = 40000 };

/* What the server's SETTINGS have to say before there can be calls. */
static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};

static void on_answer(void *context, const load_call *call, const load_answer *answer)
{
    unsigned *ended = context;
    assert(call->tag < CALLS && !(*ended & 1U << call->tag));
    assert(answer->status <= VQLC_UNAUTHENTICATED && answer->text);
    assert(answer->bytes == 0 || answer->message);
    *ended |= 1U << call->tag;
}

static void drain(load_connection *c)
{
    const uint8_t *bytes;
    size_t count;
    while ((count = load_connection_output(c, &bytes)) > 0)
        load_connection_sent(c, count);
}

/* Starts calls of all kinds, the last with a message that does not fit the windows. */
static unsigned start(load_connection *c)
{
    unsigned started = 0;
    for (uint32_t tag = 0; tag < CALLS; tag++) {
        const load_call call = {.tag = tag, .kind = (load_kind)(tag % LOAD_KIND_COUNT)};
        if (!load_connection_ready(c, call.kind))
            break;
        uint8_t *message = load_connection_begin(c, MESSAGE_BYTES);
        assert(message);
        memset(message, 1, MESSAGE_BYTES);
        load_connection_commit(c, &call);
        started |= 1U << tag;
    }
    return started;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    unsigned ended = 0;
    const load_connection_options options = {
        .headers = {.authority = "server:1", .scheme = "http", .timeout = "1S"},
        .max_calls = CALLS,
        .max_message_bytes = 4000,
        .on_answer = on_answer,
        .context = &ended,
    };
    if (count == 0)
        return 0;
    load_connection *c = load_connection_new(&options);
    assert(c && load_connection_feed(c, settings, sizeof settings));
    drain(c);
    const unsigned started = start(c);
    drain(c);
    const size_t piece = bytes[0] == 0 ? count : bytes[0];
    for (size_t i = 1; i < count; i += piece) {
        if (!load_connection_feed(c, bytes + i, piece < count - i ? piece : count - i))
            break;
        drain(c);
    }
    load_connection_fail(c, VQLC_UNAVAILABLE, "the input has ended");
    assert(ended == started && load_connection_calls(c) == 0);
    load_connection_free(c);
    return 0;
}
