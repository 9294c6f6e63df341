/*
 * The client's messages on their way: into the outbox, out of it in pieces, and put together again.
 */
#include <stdlib.h>
#include <string.h>

#include "assembler.h"
#include "check_main.h"
#include "outbox.h"

#define MESSAGES 40

/* Message i of the tests: i · i bytes, all of them i. */
static size_t make_message(unsigned i, uint8_t out[MESSAGES * MESSAGES])
{
    memset(out, (int)i, MESSAGES * MESSAGES);
    return (size_t)i * i;
}

/* Takes all messages out of an outbox, `piece` bytes at a time, and checks them. */
static void check_messages(outbox *o, size_t piece)
{
    uint8_t expected[MESSAGES * MESSAGES];
    uint8_t bytes[64];
    unsigned seen = 0;
    assembler a;
    assembler_init(&a, sizeof expected);
    size_t count;
    while ((count = outbox_take(o, bytes, piece)) > 0) {
        const uint8_t *at = bytes;
        while (count > 0) {
            if (assembler_take(&a, &at, &count) == ASSEMBLER_MESSAGE) {
                ck_assert_uint_eq(a.length, make_message(seen, expected));
                ck_assert_mem_eq(a.message, expected, a.length);
                seen++;
            }
        }
    }
    ck_assert_uint_eq(seen, MESSAGES);
    ck_assert(!assembler_partial(&a));
    assembler_free(&a);
}

START_TEST(messages_survive_any_pieces)
{
    outbox o = {0};
    uint8_t message[MESSAGES * MESSAGES];
    size_t total = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        const size_t count = make_message(i, message);
        ck_assert(outbox_put(&o, message, count));
        total += MESSAGE_PREFIX_BYTES + count;
    }
    ck_assert_uint_eq(outbox_bytes(&o), total);
    check_messages(&o, (size_t)_i);
    ck_assert_uint_eq(outbox_bytes(&o), 0);
    outbox_free(&o);
}
END_TEST

START_TEST(putting_and_taking_may_alternate)
{
    outbox o = {0};
    uint8_t in[7];
    uint8_t out[12];
    for (unsigned i = 0; i < 1000; i++) {
        memset(in, (int)(i & 255), sizeof in);
        ck_assert(outbox_put(&o, in, sizeof in));
        if (i == 0)
            continue; /* one message stays behind */
        ck_assert_uint_eq(outbox_take(&o, out, sizeof out), sizeof out);
        ck_assert_mem_eq(out, "\0\0\0\0\7", MESSAGE_PREFIX_BYTES);
        ck_assert_uint_eq(out[MESSAGE_PREFIX_BYTES], (i - 1) & 255);
    }
    ck_assert_uint_eq(outbox_bytes(&o), 12);
    ck_assert_uint_lt(o.capacity, 200); /* it does not grow with what has passed */
    outbox_free(&o);
}
END_TEST

START_TEST(an_outbox_refuses_what_a_prefix_cannot_say)
{
    outbox o = {0};
    const uint8_t byte = 1;
    ck_assert(!outbox_put(&o, &byte, (size_t)UINT32_MAX + 1));
    ck_assert_uint_eq(outbox_bytes(&o), 0);
    outbox_free(&o);
}
END_TEST

static assembler_state feed(assembler *a, const char *bytes, size_t count)
{
    const uint8_t *at = (const uint8_t *)bytes;
    return assembler_take(a, &at, &count);
}

START_TEST(an_assembler_refuses_lengths_and_flags)
{
    assembler a;
    assembler_init(&a, 4);
    ck_assert_int_eq(feed(&a, "\0\0\0\0\4abcd", 9), ASSEMBLER_MESSAGE);
    ck_assert_int_eq(feed(&a, "\0\0\0\0\5", 5), ASSEMBLER_TOO_LARGE);
    assembler_free(&a);
    assembler_init(&a, 4);
    ck_assert_int_eq(feed(&a, "\0\377\377\377\377", 5), ASSEMBLER_TOO_LARGE);
    assembler_free(&a);
    assembler_init(&a, 4);
    ck_assert_int_eq(feed(&a, "\1\0\0\0\1", 5), ASSEMBLER_COMPRESSED);
    assembler_free(&a);
}
END_TEST

START_TEST(an_assembler_knows_when_a_message_is_under_way)
{
    assembler a;
    assembler_init(&a, 4);
    ck_assert(!assembler_partial(&a));
    ck_assert_int_eq(feed(&a, "\0", 1), ASSEMBLER_WAITING);
    ck_assert(assembler_partial(&a));
    ck_assert_int_eq(feed(&a, "\0\0\0\1", 4), ASSEMBLER_WAITING);
    ck_assert(assembler_partial(&a));
    ck_assert_int_eq(feed(&a, "x", 1), ASSEMBLER_MESSAGE);
    ck_assert(!assembler_partial(&a));
    ck_assert_int_eq(feed(&a, "", 0), ASSEMBLER_WAITING);
    ck_assert_int_eq(feed(&a, "\0\0\0\0\0", 5), ASSEMBLER_MESSAGE);
    ck_assert_uint_eq(a.length, 0);
    assembler_free(&a);
}
END_TEST

static Suite *framing_suite(void)
{
    Suite *suite = suite_create("client_framing");
    TCase *framing = tcase_create("framing");
    tcase_add_loop_test(framing, messages_survive_any_pieces, 1, 64);
    tcase_add_test(framing, putting_and_taking_may_alternate);
    tcase_add_test(framing, an_outbox_refuses_what_a_prefix_cannot_say);
    tcase_add_test(framing, an_assembler_refuses_lengths_and_flags);
    tcase_add_test(framing, an_assembler_knows_when_a_message_is_under_way);
    suite_add_tcase(suite, framing);
    return suite;
}

int main(void)
{
    return check_main(framing_suite());
}
