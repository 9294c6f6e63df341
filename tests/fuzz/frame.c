/*
 * gRPC's length-prefixed messages: the server's parser and the client's assembler, which share
 * nothing, must take the same bytes for the same messages, in whatever pieces they come.
 */
#include "frame.h"

#include <assert.h>
#include <string.h>

#include "assembler.h"
#include "target.h"

enum { MAX_MESSAGE_BYTES = 300 };

/* Whether both find the same at the end of the messages that they could read. */
static bool same_end(frame_result parsed, assembler_state assembled)
{
    switch (parsed) {
    case FRAME_PARTIAL:
        return assembled == ASSEMBLER_WAITING;
    case FRAME_BAD_FLAG:
    case FRAME_COMPRESSED:
        return assembled == ASSEMBLER_COMPRESSED;
    case FRAME_TOO_LONG:
        return assembled == ASSEMBLER_TOO_LARGE;
    case FRAME_WHOLE:
        break;
    }
    return false;
}

/* Takes the next message, or what comes instead, from pieces; *at is moved behind what was read. */
static assembler_state assemble(assembler *a, const uint8_t *bytes, size_t count, size_t *at,
                                size_t piece)
{
    assembler_state state = ASSEMBLER_WAITING;
    while (state == ASSEMBLER_WAITING && *at < count) {
        size_t left = piece < count - *at ? piece : count - *at;
        const uint8_t *from = bytes + *at;
        state = assembler_take(a, &from, &left);
        *at = (size_t)(from - bytes);
    }
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    const size_t piece = 1 + (size_t)bytes[0];
    bytes++;
    count--;
    assembler a;
    assembler_init(&a, MAX_MESSAGE_BYTES);
    size_t parsed = 0;
    size_t assembled = 0;
    for (;;) {
        const frame_prefix frame =
            frame_parse(bytes + parsed, count - parsed, MAX_MESSAGE_BYTES, false);
        const assembler_state state = assemble(&a, bytes, count, &assembled, piece);
        if (frame.result != FRAME_WHOLE) {
            assert(same_end(frame.result, state));
            break;
        }
        assert(state == ASSEMBLER_MESSAGE);
        assert(a.length == frame.length);
        parsed += FRAME_PREFIX_BYTES;
        assert(a.length == 0 || memcmp(a.message, bytes + parsed, a.length) == 0);
        parsed += frame.length;
        assert(assembled == parsed);
    }
    assembler_free(&a);
    return 0;
}
