/*
 * A recorded conversation in every chunking: the same answers, whatever the pieces in which its
 * bytes arrive and the answers leave. Then the conversation mutated, and garbage: no crash, no
 * leak, and every call that begins ends.
 */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "random.h"
#include "session_rig.h"

enum { TAPE_BYTES = 1 << 16, STREAMS = 19, MAX_FRAMES = 256, SEEDS = 2000, BATCH = 500 };

typedef struct tape {
    uint8_t bytes[TAPE_BYTES];
    size_t count;
} tape;

/* What the client said, and what it and the handler got, in the conversation's ordinary course. */
static tape recording;
static tape transcript;
static session_rig reference;

static void tape_add(tape *t, const void *bytes, size_t count)
{
    ck_assert_uint_le(count, sizeof t->bytes - t->count);
    memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
}

/* Carries the client's bytes to the tape and the session, and back what the session answers. */
static void record(session_rig *rig)
{
    for (;;) {
        uint8_t bytes[4096];
        const size_t said = h2_client_drain(rig->client, bytes, sizeof bytes);
        tape_add(&recording, bytes, said);
        (void)session_feed(rig->session, 0, bytes, said);
        const size_t answered = session_drain(rig->session, bytes, sizeof bytes);
        ck_assert(h2_client_feed(rig->client, bytes, answered));
        if (said == 0 && answered == 0)
            return;
    }
}

/* Carries the client's bytes nowhere: its calls are then open, for answers from elsewhere. */
static void discard(session_rig *rig)
{
    uint8_t bytes[4096];
    while (h2_client_drain(rig->client, bytes, sizeof bytes) > 0)
        continue;
}

/* One call with bytes of a body; returns its stream. */
static int32_t converse(session_rig *rig, const char *path, const char *name, const char *value,
                        const char *bytes, size_t count, bool end)
{
    const int32_t id = h2_client_call_with(rig->client, path, name, value);
    h2_client_send(rig->client, id, bytes, count, end);
    return id;
}

/* The conversation: STREAMS calls, good and bad, one after the other and at once. */
static void hold_conversation(session_rig *rig, void (*carry)(session_rig *))
{
    h2_client *client = rig->client;
    carry(rig);
    (void)converse(rig, "/test/Unary", NULL, NULL, "\0\0\0\0\5hello", 10, true);
    carry(rig);
    (void)converse(rig, "/test/Unary", "grpc-timeout", "5S", "\0\0\0\0\0", 5, true);
    const int32_t stream = h2_client_call(client, "/test/Stream", NULL);
    const int32_t other = h2_client_call(client, "/test/Stream", "10M");
    for (const char *i = "abcde"; *i; i++) {
        h2_client_send(client, stream, "\0\0\0", 3, false);
        h2_client_send(client, other, "\0\0\0\0\2", 5, false);
        carry(rig);
        h2_client_send(client, stream, "\0\1", 2, false);
        h2_client_send(client, stream, i, 1, false);
        h2_client_send(client, other, i, 1, false);
        h2_client_send(client, other, i, 1, *i == 'e');
    }
    carry(rig);
    h2_client_send(client, stream, "", 0, true);
    (void)converse(rig, "/test/Stream", NULL, NULL, "\0\0\0\0\1a\0\0\0\0\1b\0\0\0\0\0", 17, true);
    (void)converse(rig, "/test/Stream", NULL, NULL, "", 0, true);
    (void)converse(rig, "/test/Early", NULL, NULL, "\0\0\0\0\1a\0\0\0\0\1b", 12, false);
    (void)converse(rig, "/test/Refuse", NULL, NULL, "\0\0\0\0\1a", 6, true);
    carry(rig);
    (void)converse(rig, "/test/Large", NULL, NULL, "\0\0\0\0\4\0\0\3\0", 9, true);
    (void)converse(rig, "/no/Such", NULL, NULL, "\0\0\0\0\1a", 6, true);
    (void)converse(rig, "/test/Unary", "grpc-timeout", "5s", "\0\0\0\0\1a", 6, true);
    (void)converse(rig, "/test/Unary", "grpc-timeout", "0n", "\0\0\0\0\1a", 6, true);
    (void)converse(rig, "/test/Unary", "grpc-encoding", "gzip", "\1\0\0\0\1a", 6, false);
    (void)converse(rig, "/test/Stream", NULL, NULL, "\0\0\0\0\1a\1\0\0\0\1a", 12, false);
    carry(rig);
    (void)converse(rig, "/test/Stream", NULL, NULL, "\0\0\0\0\1a\0\0\0\0\7hal", 14, true);
    (void)converse(rig, "/test/Stream", NULL, NULL, "\0\xFF\0\0\0tail", 9, false);
    (void)converse(rig, "/test/Stream", "content-type", "text/plain", "text", 4, true);
    const int32_t silent = converse(rig, "/test/Silent", NULL, NULL, "\0\0\0\0\1a", 6, false);
    carry(rig);
    h2_client_cancel(client, silent);
    (void)converse(rig, "/test/Hold", NULL, NULL, "\0\0\0\0\1a\0\0\0\0\1b", 12, true);
    carry(rig);
}

/* Everything that the client got, but for resets: whether one is needed is a matter of timing. */
static void transcribe(const h2_client *client, tape *out)
{
    out->count = 0;
    for (int32_t i = 0; i < STREAMS; i++) {
        const h2_answer *answer = h2_client_answer(client, 2 * i + 1);
        tape_add(out, answer->headers, strlen(answer->headers) + 1);
        tape_add(out, answer->trailers, strlen(answer->trailers) + 1);
        tape_add(out, &answer->body_bytes, sizeof answer->body_bytes);
        if (answer->body_bytes > 0)
            tape_add(out, answer->body, answer->body_bytes);
    }
}

static void start(void)
{
    session_rig_start(&reference, NULL, NULL);
    recording.count = 0;
    hold_conversation(&reference, record);
    transcribe(reference.client, &transcript);
    ck_assert_uint_eq(session_calls(reference.session), 1); /* the held one */
    session_rig_stop(&reference);
}

/* A fresh session's answers to the recording in some pieces. */
typedef struct replay {
    session_rig rig;
    tape answers;
} replay;

static void replay_start(replay *r)
{
    r->rig = (session_rig){.session = session_new(&rig_options, &rig_handler, &r->rig)};
    r->answers.count = 0;
    ck_assert_ptr_nonnull(r->rig.session);
}

static void replay_drain(replay *r, size_t capacity)
{
    uint8_t bytes[4096];
    size_t count;
    do {
        count = session_drain(r->rig.session, bytes, capacity);
        ck_assert_uint_le(count, capacity);
        tape_add(&r->answers, bytes, count);
    } while (count > 0);
}

/* What a client makes of the answers must be the transcript. */
static void compare_answers(const tape *answers)
{
    static tape got, good;
    if (answers->count == good.count && memcmp(answers->bytes, good.bytes, good.count) == 0)
        return; /* byte for byte answers that were right before */
    session_rig decoder = {.client = h2_client_new(&H2_CLIENT_OPTIONS)};
    hold_conversation(&decoder, discard);
    ck_assert(h2_client_feed(decoder.client, answers->bytes, answers->count));
    transcribe(decoder.client, &got);
    h2_client_free(decoder.client);
    ck_assert_uint_eq(got.count, transcript.count);
    ck_assert_mem_eq(got.bytes, transcript.bytes, got.count);
    good = *answers;
}

/* Ends the session and compares what it answered and what its handler was told. */
static void replay_compare(replay *r)
{
    compare_answers(&r->answers);
    session_free(r->rig.session);
    ck_assert_uint_eq(r->rig.begun, reference.begun);
    ck_assert_uint_eq(r->rig.messages, reference.messages);
    ck_assert_uint_eq(r->rig.message_bytes, reference.message_bytes);
    ck_assert_uint_eq(r->rig.half_closed, reference.half_closed);
    ck_assert_uint_eq(r->rig.finished, reference.finished);
    ck_assert_uint_eq(r->rig.cancelled, reference.cancelled);
}

static replay r;

START_TEST(test_recording)
{
    ck_assert_uint_gt(recording.count, 1000);
    ck_assert_uint_eq(reference.begun, 16);
    ck_assert_uint_eq(reference.finished + reference.cancelled, 16);
    ck_assert_uint_eq(reference.cancelled, 2);
    ck_assert_uint_eq(reference.refused, 4);
    replay_start(&r);
    ck_assert(session_feed(r.rig.session, 0, recording.bytes, recording.count));
    replay_drain(&r, 4096);
    replay_compare(&r);
}
END_TEST

START_TEST(test_every_chunk_size)
{
    for (size_t size = (size_t)_i + 1; size <= recording.count; size += 4) {
        replay_start(&r);
        for (size_t at = 0; at < recording.count; at += size) {
            const size_t rest = recording.count - at;
            ck_assert(
                session_feed(r.rig.session, 0, recording.bytes + at, rest < size ? rest : size));
            replay_drain(&r, size < 4096 ? size : 4096);
        }
        replay_compare(&r);
    }
}
END_TEST

START_TEST(test_every_split)
{
    for (size_t at = (size_t)_i; at < recording.count; at += 4) {
        replay_start(&r);
        ck_assert(session_feed(r.rig.session, 0, recording.bytes, at));
        replay_drain(&r, 1000);
        ck_assert(session_feed(r.rig.session, 0, recording.bytes + at, recording.count - at));
        replay_drain(&r, 1000);
        replay_compare(&r);
    }
}
END_TEST

/* Feeds bytes in random pieces, draining at random by random capacities. False: broken. */
static bool feed_at_random(replay *p, random_stream *random, const uint8_t *bytes, size_t count)
{
    const uint32_t greatest = 1 + random_below(random, 300);
    for (size_t at = 0; at < count;) {
        size_t part = 1 + random_below(random, greatest);
        if (part > count - at)
            part = count - at;
        if (!session_feed(p->rig.session, 0, bytes + at, part))
            return false;
        at += part;
        uint8_t out[64];
        for (uint32_t drains = random_below(random, 20); drains > 0; drains--)
            tape_add(&p->answers, out,
                     session_drain(p->rig.session, out, 1 + random_below(random, sizeof out)));
    }
    return true;
}

START_TEST(test_random_chunks)
{
    for (int i = 0; i < BATCH; i++) {
        random_stream random = {.state = (uint64_t)(_i * BATCH + i)};
        replay_start(&r);
        ck_assert(feed_at_random(&r, &random, recording.bytes, recording.count));
        replay_drain(&r, 100);
        replay_compare(&r);
    }
}
END_TEST

/* nghttp2 counts the pieces of a CONTINUATION frame's header: a byte at a time must do. */
START_TEST(test_continuation_a_byte_at_a_time)
{
    static char value[40000];
    session_options options = rig_options;
    options.max_header_bytes = 1 << 16;
    session_rig rig;
    session_rig_start(&rig, &options, NULL);
    memset(value, '~', sizeof value - 1);
    const int32_t id = h2_client_call_with(rig.client, "/test/Unary", "x-large", value);
    h2_client_message(rig.client, id, "hello", 5, true);
    recording.count = 0;
    tape *bytes = &recording;
    bytes->count = h2_client_drain(rig.client, bytes->bytes, sizeof bytes->bytes);
    for (size_t i = 0; i < bytes->count; i++)
        ck_assert(session_feed(rig.session, 0, bytes->bytes + i, 1));
    session_rig_run(&rig);
    ck_assert_int_eq(h2_answer_status(h2_client_answer(rig.client, id)), GRPC_OK);
    session_rig_stop(&rig);
}
END_TEST

/* Ends a session that heard nonsense: every call that began must end. */
static void finish_nonsense(replay *p)
{
    replay_drain(p, 500);
    session_tick(p->rig.session, UINT64_C(3600) * 1000000000);
    replay_drain(p, 500);
    session_free(p->rig.session);
    ck_assert_uint_eq(p->rig.begun, p->rig.finished + p->rig.cancelled);
}

/* Changes, inserts or removes a few bytes. */
static void mutate_bytes(tape *t, random_stream *random)
{
    for (uint32_t changes = 1 + random_below(random, 8); changes > 0; changes--) {
        const size_t at = random_below(random, (uint32_t)t->count);
        size_t span = 1 + random_below(random, 20);
        if (span > t->count - at)
            span = t->count - at;
        switch (random_below(random, 4)) {
        case 0:
            t->bytes[at] = (uint8_t)random_u64(random);
            break;
        case 1:
            t->bytes[at] ^= (uint8_t)(1 << random_below(random, 8));
            break;
        case 2:
            memmove(t->bytes + at, t->bytes + at + span, t->count - at - span);
            t->count -= span;
            break;
        default:
            memmove(t->bytes + at + span, t->bytes + at, t->count - at);
            t->count += span;
            break;
        }
    }
}

START_TEST(test_mutated_bytes)
{
    static tape mutant;
    for (int i = 0; i < BATCH; i++) {
        random_stream random = {.state = (uint64_t)(_i * BATCH + i)};
        mutant = recording;
        mutate_bytes(&mutant, &random);
        replay_start(&r);
        (void)feed_at_random(&r, &random, mutant.bytes, mutant.count);
        finish_nonsense(&r);
    }
}
END_TEST

/* The conversation's frames dropped, repeated and moved, their streams and flags changed. */
static void mutate_frames(tape *out, random_stream *random)
{
    const size_t magic = NGHTTP2_CLIENT_MAGIC_LEN;
    const uint8_t *frames[MAX_FRAMES];
    size_t count = 0;
    for (const uint8_t *f = recording.bytes + magic; f < recording.bytes + recording.count;
         f += 9 + ((size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2])) {
        ck_assert_uint_lt(count, MAX_FRAMES);
        frames[count++] = f;
    }
    out->count = 0;
    tape_add(out, recording.bytes, magic);
    const uint32_t rate = 2 + random_below(random, 30);
    for (size_t i = 0; i < count; i++) {
        const bool strange = random_below(random, rate) == 0;
        const uint8_t *f = frames[strange ? random_below(random, (uint32_t)count) : i];
        const size_t bytes = 9 + ((size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2]);
        if (strange && random_below(random, 3) == 0)
            continue;
        tape_add(out, f, bytes);
        uint8_t *head = out->bytes + out->count - bytes;
        if (strange && random_below(random, 2) == 0)
            head[8] = (uint8_t)(1 + 2 * random_below(random, STREAMS));
        if (strange && random_below(random, 4) == 0)
            head[4] ^= (uint8_t)(1 << random_below(random, 8));
        if (strange && random_below(random, 8) == 0)
            head[3] = (uint8_t)random_below(random, 12);
    }
}

START_TEST(test_mutated_frames)
{
    static tape mutant;
    for (int i = 0; i < BATCH; i++) {
        random_stream random = {.state = (uint64_t)(_i * BATCH + i)};
        mutate_frames(&mutant, &random);
        replay_start(&r);
        (void)feed_at_random(&r, &random, mutant.bytes, mutant.count);
        finish_nonsense(&r);
    }
}
END_TEST

START_TEST(test_garbage)
{
    static tape garbage;
    for (int i = 0; i < BATCH; i++) {
        random_stream random = {.state = (uint64_t)(_i * BATCH + i)};
        garbage.count = 0;
        if (i % 4 != 0) /* the magic and the SETTINGS behind it, then nonsense */
            tape_add(&garbage, recording.bytes, NGHTTP2_CLIENT_MAGIC_LEN + 9 + 6);
        for (uint32_t words = 1 + random_below(&random, 200); words > 0; words--) {
            const uint64_t word = random_u64(&random);
            uint8_t head[9] = {0};
            head[2] = (uint8_t)(word % 40);
            head[3] = (uint8_t)(word >> 8 & 15);
            head[4] = (uint8_t)(word >> 16);
            head[8] = (uint8_t)(word >> 24 & 31);
            if (i % 2 != 0)
                tape_add(&garbage, head, sizeof head);
            tape_add(&garbage, &word, sizeof word);
        }
        replay_start(&r);
        (void)feed_at_random(&r, &random, garbage.bytes, garbage.count);
        finish_nonsense(&r);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_chunks");
    TCase *tests = tcase_create("chunks");
    tcase_set_timeout(tests, 600);
    tcase_add_unchecked_fixture(tests, start, NULL);
    tcase_add_test(tests, test_recording);
    tcase_add_loop_test(tests, test_every_chunk_size, 0, 4);
    tcase_add_loop_test(tests, test_every_split, 0, 4);
    tcase_add_loop_test(tests, test_random_chunks, 0, SEEDS / BATCH);
    tcase_add_test(tests, test_continuation_a_byte_at_a_time);
    tcase_add_loop_test(tests, test_mutated_bytes, 0, SEEDS / BATCH);
    tcase_add_loop_test(tests, test_mutated_frames, 0, SEEDS / BATCH);
    tcase_add_loop_test(tests, test_garbage, 0, SEEDS / BATCH);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
