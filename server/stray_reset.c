#include "stray_reset.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "budget.h"

enum { RESET_PAYLOAD_BYTES = 4 };

void stray_reset_init(stray_reset *s)
{
    *s = (stray_reset){.preface_left = NGHTTP2_CLIENT_MAGIC_LEN};
}

static byte_run take(byte_run *input, size_t count)
{
    const byte_run run = {input->bytes, count < input->count ? count : input->count};
    input->bytes += run.count;
    input->count -= run.count;
    return run;
}

/* Looks at a frame header: how long its payload is, and whether it is to be dropped. */
static void read_header(stray_reset *s, const uint8_t header[FRAME_HEADER_BYTES])
{
    s->cost_ns += budget_frame_ns(header);
    const uint8_t type = header[3];
    s->blocks += type != NGHTTP2_CONTINUATION;
    s->in_block = type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION;
    s->ends_block = header[4] & NGHTTP2_FLAG_END_HEADERS;
    const uint32_t stream_id = (uint32_t)(header[5] & 0x7f) << 24 | (uint32_t)header[6] << 16 |
                               (uint32_t)header[7] << 8 | header[8];
    s->payload_left = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
    if (type == NGHTTP2_HEADERS && stream_id > s->last_stream_id)
        s->last_stream_id = stream_id;
    s->dropping = type == NGHTTP2_RST_STREAM && s->payload_left == RESET_PAYLOAD_BYTES &&
                  stream_id % 2 == 1 && stream_id > s->last_stream_id;
}

/* The bytes of a header that began in earlier input: a run once it is whole, unless dropped. */
static byte_run join_header(stray_reset *s, byte_run *input)
{
    const byte_run rest = take(input, FRAME_HEADER_BYTES - s->held_count);
    memcpy(s->held + s->held_count, rest.bytes, rest.count);
    s->held_count += rest.count;
    if (s->held_count < FRAME_HEADER_BYTES)
        return (byte_run){NULL, 0};
    s->held_count = 0;
    read_header(s, s->held);
    if (s->dropping)
        return (byte_run){NULL, 0};
    return (byte_run){s->held, sizeof s->held};
}

/* How many bytes from the front of the input on are whole headers and payloads, none dropped. */
static size_t run_length(stray_reset *s, const byte_run *input)
{
    size_t length = 0;
    for (;;) {
        const size_t left = input->count - length;
        const size_t payload = s->payload_left < left ? s->payload_left : left;
        length += payload;
        s->payload_left -= payload;
        if (s->payload_left > 0 || input->count - length < FRAME_HEADER_BYTES)
            return length;
        read_header(s, input->bytes + length);
        if (s->dropping)
            return length;
        length += FRAME_HEADER_BYTES;
    }
}

byte_run stray_reset_next(stray_reset *s, byte_run *input)
{
    if (s->preface_left > 0) {
        const byte_run preface = take(input, s->preface_left);
        s->preface_left -= preface.count;
        return preface;
    }
    if (s->dropping) {
        s->payload_left -= take(input, s->payload_left).count;
        s->dropping = s->payload_left > 0;
        return (byte_run){NULL, 0};
    }
    if (s->held_count > 0)
        return join_header(s, input);
    const byte_run run = take(input, run_length(s, input));
    if (s->dropping)
        (void)take(input, FRAME_HEADER_BYTES);
    else if (s->payload_left == 0 && input->count > 0)
        (void)join_header(s, input);
    return run;
}

bool stray_reset_in_headers(const stray_reset *s)
{
    return s->held_count > 0 || (s->in_block && (s->payload_left > 0 || !s->ends_block));
}
