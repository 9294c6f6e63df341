/*
 * A handler and a client that do anything that they may at any moment, by a seed: calls held,
 * resumed, answered and finished from within any callback and from outside, expired, cancelled and
 * left unread. What session.h promises is asserted at every step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "h2_client.h"
#include "random.h"
#include "session.h"

enum { SEEDS = 400, BATCH = 50, STEPS = 300, MAX_CALLS = 600, HEAD_BYTES = 4 };

/* One call as the handler sees it, and as the client does. Number i is stream 2i + 1. */
typedef struct party {
    call *call; /* NULL before on_call and after the end */
    bool begun, ended;
    bool held;
    bool half_closed;
    uint32_t received; /* messages delivered; each begins with its number */
    uint32_t answered;
    uint32_t sent; /* by the client */
    bool said_all;
    bool poisoned; /* the client has sent a message that no one can read */
} party;

static struct {
    session *session;
    h2_client *client;
    random_stream random;
    uint64_t now_ns;
    party parties[MAX_CALLS];
    uint32_t opened;  /* by the client */
    uint32_t depth;   /* of callbacks */
    uint32_t in_call; /* inside call_send, call_hold or call_resume */
} world;

static uint32_t below(uint32_t bound)
{
    return random_below(&world.random, bound);
}

static void write_number(uint8_t *out, uint32_t number)
{
    memcpy(out, &number, HEAD_BYTES);
}

static uint32_t read_number(const uint8_t *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, HEAD_BYTES);
    return number;
}

/* A size mostly small, sometimes beyond a window. */
static size_t random_size(void)
{
    const uint32_t most = below(10) == 0 ? 90000 : 300;
    return HEAD_BYTES + below(most);
}

static uint8_t *random_message(uint32_t number, size_t *bytes)
{
    *bytes = random_size();
    uint8_t *message = calloc(1, *bytes);
    ck_assert_ptr_nonnull(message);
    write_number(message, number);
    return message;
}

static void act_on(party *p)
{
    switch (below(8)) {
    case 0:
    case 1:
        p->held = true;
        world.in_call++;
        call_hold(p->call);
        world.in_call--;
        break;
    case 2:
    case 3:
        p->held = false;
        world.in_call++;
        call_resume(p->call);
        world.in_call--;
        break;
    case 4:
    case 5: {
        size_t bytes;
        uint8_t *message = random_message(p->answered++, &bytes);
        world.in_call++;
        ck_assert(call_send(p->call, message, bytes));
        world.in_call--;
        free(message);
        break;
    }
    case 6:
        if (below(6) == 0) {
            call *c = p->call;
            p->call = NULL;
            p->ended = true;
            call_finish(c, (grpc_status)below(17), below(2) ? "a reason" : NULL, -1);
        }
        break;
    default:
        break;
    }
}

/* The handler does something to some calls. */
static void act(void)
{
    if (world.depth > 3 || world.opened == 0)
        return;
    for (uint32_t actions = below(4); actions > 0; actions--) {
        party *p = &world.parties[below(world.opened)];
        if (p->call)
            act_on(p);
    }
}

static party *check(call *c)
{
    party *p = call_data(c);
    ck_assert_ptr_eq(p->call, c);
    ck_assert(!p->ended);
    return p;
}

static void on_call(void *context, call *c, const char *path)
{
    (void)context;
    ck_assert_uint_eq(world.in_call, 0);
    const unsigned long number = strtoul(path + 1, NULL, 10);
    ck_assert_uint_lt(number, world.opened);
    party *p = &world.parties[number];
    ck_assert(!p->begun);
    p->begun = true;
    p->call = c;
    call_set_data(c, p);
    world.depth++;
    act();
    world.depth--;
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    (void)context;
    party *p = check(c);
    ck_assert(!p->held);
    ck_assert(!p->half_closed);
    ck_assert_uint_ge(bytes, HEAD_BYTES);
    ck_assert_uint_eq(read_number(message), p->received);
    p->received++;
    world.depth++;
    act();
    world.depth--;
    ck_assert_uint_eq(read_number(message), p->received - 1); /* valid during the callback */
}

static void on_refused(void *context, call *c, const grpc_error *error)
{
    (void)context;
    party *p = check(c);
    ck_assert(p->poisoned);
    ck_assert_int_ne(error->status, GRPC_OK);
    ck_assert_uint_eq(world.in_call, 0);
    p->call = NULL;
    p->ended = true;
    call_finish(c, error->status, error->message, -1);
    world.depth++;
    act();
    world.depth--;
}

static void on_half_close(void *context, call *c)
{
    (void)context;
    party *p = check(c);
    ck_assert(!p->held);
    ck_assert(!p->half_closed);
    ck_assert(p->said_all && !p->poisoned);
    ck_assert_uint_eq(p->received, p->sent);
    p->half_closed = true;
    world.depth++;
    act();
    world.depth--;
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    party *p = check(c);
    ck_assert_uint_eq(world.in_call, 0);
    p->call = NULL;
    p->ended = true;
    world.depth++;
    act();
    world.depth--;
}

static const session_handler handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_refused = on_refused,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

/* The client does something. */
static void speak(void)
{
    const uint32_t choice = below(10);
    if (choice < 2 && world.opened < MAX_CALLS) {
        char path[16];
        (void)snprintf(path, sizeof path, "/%u", world.opened++);
        (void)h2_client_call(world.client, path, below(4) == 0 ? "50m" : NULL);
        return;
    }
    if (world.opened == 0)
        return;
    const uint32_t back = below(world.opened < 10 ? world.opened : 10);
    const uint32_t i = world.opened - 1 - back;
    const int32_t id = (int32_t)(2 * i + 1);
    party *p = &world.parties[i];
    if (h2_client_answer(world.client, id)->closed || p->said_all)
        return;
    if (choice < 8) {
        size_t bytes;
        uint8_t *message = random_message(p->sent++, &bytes);
        p->said_all = below(8) == 0;
        h2_client_message(world.client, id, message, bytes, p->said_all);
        free(message);
    } else if (choice == 8 && below(4) == 0) {
        p->said_all = true;
        p->poisoned = below(2) == 0;
        if (p->poisoned)
            h2_client_send(world.client, id, "\3\0\0\0\0", 5, below(2) == 0);
        else
            h2_client_cancel(world.client, id);
    } else if (choice == 9) {
        h2_client_open_window(world.client, below(2) ? id : 0, (int32_t)(1 + below(30000)));
    }
}

/* Some bytes each way, in pieces of any size. */
static void carry(void)
{
    uint8_t bytes[3000];
    for (uint32_t turns = below(12); turns > 0; turns--) {
        const size_t said = h2_client_drain(world.client, bytes, 1 + below(sizeof bytes));
        ck_assert(session_feed(world.session, world.now_ns, bytes, said));
        const size_t answered = session_drain(world.session, bytes, 1 + below(sizeof bytes));
        ck_assert(h2_client_feed(world.client, bytes, answered));
    }
}

static void check_count(void)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < world.opened; i++)
        open += world.parties[i].call != NULL;
    ck_assert_uint_eq(session_calls(world.session), open);
}

/* The messages that arrived at the client are the first that were answered. */
static void check_answers(void)
{
    for (uint32_t i = 0; i < world.opened; i++) {
        const h2_answer *answer = h2_client_answer(world.client, (int32_t)(2 * i + 1));
        const uint8_t *message;
        uint32_t count = 0;
        size_t bytes;
        while ((message = h2_answer_message(answer, count, &bytes)) != NULL) {
            ck_assert_uint_eq(read_number(message), count);
            count++;
        }
        ck_assert_uint_le(count, world.parties[i].answered);
        if (answer->ended)
            ck_assert_uint_eq(count, world.parties[i].answered);
    }
}

static void run(uint64_t seed)
{
    const session_options options = {
        .max_streams = MAX_CALLS,
        .max_header_bytes = 8192,
        .stream_window = 65535,
        .connection_window = 200000,
        .max_message_bytes = 100000,
        .max_unsent_bytes = 50000,
    };
    memset(&world, 0, sizeof world);
    world.random.state = seed;
    world.session = session_new(&options, &handler, NULL);
    world.client = h2_client_new(
        &(h2_client_options){.stream_window = 1 + below(70000), .reads = below(4) != 0});
    ck_assert_ptr_nonnull(world.session);
    for (int step = 0; step < STEPS; step++) {
        speak();
        carry();
        act();
        if (below(10) == 0) {
            world.now_ns += below(20) * UINT64_C(1000000);
            session_tick(world.session, world.now_ns);
            ck_assert_uint_gt(session_due(world.session), world.now_ns);
        }
        check_count();
    }
    check_answers();
    session_free(world.session);
    for (uint32_t i = 0; i < world.opened; i++)
        ck_assert_int_eq(world.parties[i].begun, world.parties[i].ended);
    h2_client_free(world.client);
}

START_TEST(test_chaos)
{
    for (uint64_t seed = 0; seed < BATCH; seed++)
        run((uint64_t)_i * BATCH + seed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_chaos");
    TCase *tests = tcase_create("chaos");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, test_chaos, 0, SEEDS / BATCH);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
