/*
 * A client's bytes, from its preface on, to a session with all services behind it. The first byte
 * says in what pieces they come.
 */
#include "session.h"

#include <assert.h>

#include "backend.h"
#include "target.h"

enum { OUT_BYTES = 4096, NS_PER_PIECE = 1000000 };

static const session_options options = {
    .max_streams = 20,
    .max_header_bytes = 4096,
    .stream_window = 20000,
    .connection_window = 70000,
    .max_message_bytes = 5000,
    .max_unsent_bytes = 3000,
};

static void on_wake(peer *p)
{
    (void)p; /* the session is drained after every piece */
}

static void drain(session *s)
{
    uint8_t out[OUT_BYTES];
    while (session_drain(s, out, sizeof out) > 0)
        ;
}

static void converse(session *s, backend *b, const uint8_t *bytes, size_t count, size_t piece)
{
    uint64_t now_ns = 0;
    bool alive = true;
    while (alive && count > 0) {
        const size_t part = piece < count ? piece : count;
        alive = session_feed(s, now_ns, bytes, part);
        bytes += part;
        count -= part;
        backend_run(b);
        drain(s);
        now_ns += NS_PER_PIECE;
        assert(session_calls(s) <= options.max_streams);
    }
    session_tick(s, UINT64_MAX);
    drain(s);
    session_shutdown(s);
    drain(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    static backend b;
    backend_start(&b);
    peer p = {.router = &b.router, .wake = on_wake};
    session *s = session_new(&options, &router_handler, &p);
    assert(s);
    const size_t piece = bytes[0] == 0 ? count : bytes[0];
    converse(s, &b, bytes + 1, count - 1, piece);
    session_free(s);
    backend_stop(&b);
    return 0;
}
