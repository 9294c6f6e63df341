#include <nghttp2/nghttp2.h>
#include <string.h>

#include "check_main.h"
#include "random.h"
#include "stray_reset.h"

enum { MAX_BYTES = 4096 };

typedef struct text {
    uint8_t bytes[MAX_BYTES];
    size_t count;
} text;

static void append(text *t, const void *bytes, size_t count)
{
    ck_assert_uint_le(t->count + count, sizeof t->bytes);
    if (count > 0)
        memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
}

static void append_frame(text *t, uint8_t type, uint32_t stream_id, size_t payload)
{
    const uint8_t header[FRAME_HEADER_BYTES] = {
        0,
        (uint8_t)(payload >> 8),
        (uint8_t)payload,
        type,
        0,
        (uint8_t)(stream_id >> 24),
        (uint8_t)(stream_id >> 16),
        (uint8_t)(stream_id >> 8),
        (uint8_t)stream_id,
    };
    uint8_t content[1024];
    for (size_t i = 0; i < payload; i++)
        content[i] = (uint8_t)(i + stream_id);
    append(t, header, sizeof header);
    append(t, content, payload);
}

/* A conversation; stray: with the frames that are to go. */
static text converse(bool stray)
{
    text t = {.count = 0};
    append(&t, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    append_frame(&t, NGHTTP2_SETTINGS, 0, 18);
    if (stray)
        append_frame(&t, NGHTTP2_RST_STREAM, 1, 4);
    append_frame(&t, NGHTTP2_HEADERS, 3, 40);
    append_frame(&t, NGHTTP2_DATA, 3, 700);
    append_frame(&t, NGHTTP2_RST_STREAM, 3, 4); /* open */
    append_frame(&t, NGHTTP2_RST_STREAM, 1, 4); /* closed: RFC 9113 §5.1.1 */
    if (stray) {
        append_frame(&t, NGHTTP2_RST_STREAM, 5, 4);
        append_frame(&t, NGHTTP2_RST_STREAM, 7, 4);
    }
    append_frame(&t, NGHTTP2_HEADERS, 9, 1);
    append_frame(&t, NGHTTP2_DATA, 9, 0);
    append_frame(&t, NGHTTP2_RST_STREAM, 11, 5); /* no such frame: nghttp2's to refuse */
    append_frame(&t, NGHTTP2_RST_STREAM, 0, 4);  /* likewise */
    append_frame(&t, NGHTTP2_RST_STREAM, 12, 4); /* likewise: a server's stream */
    append_frame(&t, NGHTTP2_PING, 0, 8);
    if (stray)
        append_frame(&t, NGHTTP2_RST_STREAM, 0x7fffffff, 4);
    return t;
}

/* Filters one piece of input to the end of out. */
static void filter(stray_reset *s, const uint8_t *bytes, size_t count, text *out)
{
    byte_run input = {bytes, count};
    while (input.count > 0) {
        const size_t before = input.count;
        const byte_run run = stray_reset_next(s, &input);
        ck_assert_uint_lt(input.count, before);
        append(out, run.bytes, run.count);
    }
}

START_TEST(every_chunk_size_gives_the_same)
{
    const text all = converse(true);
    const text wanted = converse(false);
    for (size_t chunk = 1; chunk <= all.count; chunk++) {
        stray_reset s;
        stray_reset_init(&s);
        text out = {.count = 0};
        for (size_t at = 0; at < all.count; at += chunk)
            filter(&s, all.bytes + at, all.count - at < chunk ? all.count - at : chunk, &out);
        ck_assert_uint_eq(out.count, wanted.count);
        ck_assert_mem_eq(out.bytes, wanted.bytes, wanted.count);
    }
}
END_TEST

START_TEST(random_chunks_give_the_same)
{
    const text all = converse(true);
    const text wanted = converse(false);
    random_stream random = {3};
    for (int round = 0; round < 2000; round++) {
        stray_reset s;
        stray_reset_init(&s);
        text out = {.count = 0};
        for (size_t at = 0; at < all.count;) {
            size_t chunk = 1 + random_below(&random, 30);
            chunk = all.count - at < chunk ? all.count - at : chunk;
            filter(&s, all.bytes + at, chunk, &out);
            at += chunk;
        }
        ck_assert_uint_eq(out.count, wanted.count);
        ck_assert_mem_eq(out.bytes, wanted.bytes, wanted.count);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stray_reset");
    TCase *test = tcase_create("stray_reset");
    tcase_set_timeout(test, 60);
    tcase_add_test(test, every_chunk_size_gives_the_same);
    tcase_add_test(test, random_chunks_give_the_same);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
