/*
 * What is known of a Redis Cluster, where keys are, and what becomes of answers that no Redis would
 * give.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "news.h"
#include "random.h"
#include "redis_database.h"
#include "redis_server.h"
#include "redis_topology.h"

START_TEST(slots_are_those_of_the_specification)
{
    ck_assert_uint_eq(redis_slot("123456789", 9), 0x31c3);
    ck_assert_uint_eq(redis_slot("{user1000}.following", 20), redis_slot("user1000", 8));
    ck_assert_uint_eq(redis_slot("foo{}{bar}", 10), 8363);
    ck_assert_uint_eq(redis_slot("foo{{bar}}zap", 13), redis_slot("{bar", 4));
    char key[REDIS_KEY_BYTES];
    const uint64_t users[] = {0, 1, 123456789, UINT64_MAX};
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(redis_user_slot(users[i]),
                          redis_slot(key, redis_user_key(users[i], key)));
    ck_assert_str_eq(key, "vql:{18446744073709551615}");
}
END_TEST

START_TEST(every_slot_has_a_channel)
{
    static redis_tags tags;
    char name[REDIS_KEY_BYTES];
    redis_tags_find(&tags);
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++) {
        ck_assert_uint_eq(redis_slot(name, redis_slot_channel(&tags, (uint16_t)slot, name)), slot);
        ck_assert_uint_eq(redis_slot(name, redis_slot_probe(&tags, (uint16_t)slot, name)), slot);
    }
}
END_TEST

START_TEST(addresses_may_have_a_login)
{
    redis_url u;
    ck_assert_ptr_null(redis_url_parse("redis://one:1,[::1]:6379", &u));
    ck_assert_uint_eq(u.seed_count, 2);
    ck_assert_str_eq(u.seeds[1].host, "::1");
    ck_assert_str_eq(u.password, "");
    ck_assert_ptr_null(redis_url_parse("redis://vqld:p%40ss%3a@one:1", &u));
    ck_assert_str_eq(u.user, "vqld");
    ck_assert_str_eq(u.password, "p@ss:");
    ck_assert_ptr_null(redis_url_parse("redis://:secret@one:1", &u));
    ck_assert_str_eq(u.user, "");
    ck_assert_str_eq(u.password, "secret");
    const char *const wrong[] = {"redis:one:1",        "redis://",          "redis://one",
                                 "redis://one:0",      "redis://a@one:1",   "redis://:%4@one:1",
                                 "redis://:%00@one:1", "redis://unix:/one", "rediss://one:1",
                                 "redis://:%zz@one:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(redis_url_parse(wrong[i], &u) != NULL, "%s", wrong[i]);
}
END_TEST

static redisReply *parse(const char *text)
{
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    ck_assert_int_eq(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    return reply;
}

START_TEST(slots_are_taken_from_what_nodes_say)
{
    static redis_topology t;
    redis_url u;
    ck_assert_ptr_null(redis_url_parse("redis://seed:1", &u));
    redis_topology_init(&t, &u);
    redisReply *reply = parse("*2\r\n*3\r\n:0\r\n:99\r\n*2\r\n$3\r\none\r\n:7\r\n"
                              "*3\r\n:100\r\n:16383\r\n*2\r\n$-1\r\n:8\r\n");
    ck_assert(redis_topology_update(&t, 0, reply));
    freeReplyObject(reply);
    ck_assert_str_eq(t.nodes[t.owner[99]].host, "one");
    ck_assert_str_eq(t.nodes[t.owner[100]].host, "seed"); /* without a name: who was asked */
    ck_assert_uint_eq(t.nodes[t.owner[16383]].port, 8);

    const uint16_t moved = redis_topology_redirect(&t, t.owner[99], "MOVED 5 two:9");
    ck_assert_str_eq(t.nodes[moved].host, "two");
    ck_assert_uint_eq(redis_topology_redirect(&t, t.owner[99], "ASK 5 :8") == UINT16_MAX, 0);
    const char *const wrong[] = {"MOVED",      "MOVED 5",         "MOVED 5 one",
                                 "ASK 5 one:", "ASK 5 one:99999", "ASK 5 one:1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_uint_eq(redis_topology_redirect(&t, 0, wrong[i]), UINT16_MAX);
}
END_TEST

START_TEST(what_no_node_would_say_changes_nothing)
{
    static redis_topology t, before;
    redis_url u;
    const char *const wrong[] = {
        "*0\r\n",
        ":1\r\n",
        "-ERR no\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:6\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:5\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:5\r\n$1\r\na\r\n",
    };
    ck_assert_ptr_null(redis_url_parse("redis://seed:1", &u));
    redis_topology_init(&t, &u);
    before = t;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        redisReply *reply = parse(wrong[i]);
        ck_assert_msg(!redis_topology_update(&t, 0, reply), "%s", wrong[i]);
        freeReplyObject(reply);
        ck_assert_mem_eq(&t, &before, sizeof t);
    }
}
END_TEST

START_TEST(there_is_news_of_what_is_heard)
{
    news *n = news_new();
    uint32_t number = news_number(n, 5);
    ck_assert(news_is_current(NULL, 5, 0));
    ck_assert(!news_is_current(n, 5, number)); /* nothing is heard */
    news_listen(n, redis_user_slot(5), true);
    ck_assert(!news_is_current(n, 5, number)); /* it was read before */
    number = news_number(n, 5);
    ck_assert(news_is_current(n, 5, number));
    news_changed(n, 6);
    ck_assert(news_is_current(n, 5, number));
    news_changed(n, 5);
    ck_assert(!news_is_current(n, 5, number));
    number = news_number(n, 5);
    news_listen(n, redis_user_slot(5), false);
    ck_assert(!news_is_current(n, 5, number));
    news_free(n);
}
END_TEST

/* A server that answers anything. */
static int listener;
static random_stream dice = {1};
static pthread_mutex_t dice_lock = PTHREAD_MUTEX_INITIALIZER;

static void *answer_nonsense(void *argument)
{
    static const char seventeen[] = "*17\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"
                                    ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n";
    static const char *const answers[] = {
        "+OK\r\n",
        ":1\r\n",
        ":-5\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*1\r\n$-1\r\n",
        "*2\r\n$0\r\n\r\n$0\r\n\r\n",
        "*2\r\n$3\r\nabc\r\n:7\r\n",
        "*2\r\n*1\r\n:1\r\n*0\r\n",
        seventeen,
        "-MOVED\r\n",
        "-MOVED 1 \r\n",
        "-ASK 99999 nowhere.invalid:0\r\n",
        "-NOSCRIPT\r\n",
        "-TRYAGAIN\r\n",
        "-CLUSTERDOWN\r\n",
        "-WRONGTYPE Operation\r\n",
        "$5\r\nhel",
        "*99999999\r\n",
        "\r\n",
        "hello\r\n",
        "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n",
    };
    const int fd = (int)(intptr_t)argument;
    char bytes[65536];
    ssize_t got;
    for (bool first = true; (got = read(fd, bytes, sizeof bytes)) > 0; first = false) {
        (void)pthread_mutex_lock(&dice_lock);
        const char *text = answers[random_below(&dice, sizeof answers / sizeof *answers)];
        (void)pthread_mutex_unlock(&dice_lock);
        if (first && memmem(bytes, (size_t)got, "SLOTS", 5))
            text = "-ERR This instance has cluster support disabled\r\n";
        if (write(fd, text, strlen(text)) < 0 || memmem(text, strlen(text), "hel", 3))
            break;
    }
    (void)close(fd);
    return NULL;
}

static void *accept_all(void *argument)
{
    (void)argument;
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd < 0)
            return NULL;
        if (pthread_create(&thread, NULL, answer_nonsense, (void *)(intptr_t)fd) == 0)
            (void)pthread_detach(thread);
    }
}

/* Whatever it says, operations fail or give what can be, and nothing else happens. */
START_TEST(nonsense_is_refused)
{
    enum { ROUNDS = 8 };
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    pthread_t thread;
    char url[64];
    database_error error;
    (void)signal(SIGPIPE, SIG_IGN);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 64), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &bytes), 0);
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%d", ntohs(at.sin_port));
    ck_assert_int_eq(pthread_create(&thread, NULL, accept_all, NULL), 0);
    redis_database *d = redis_database_open(url, DURABILITY_ASYNC, &error);
    ck_assert_msg(d != NULL, "%s", error.text);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        store *s = store_redis_open(d);
        event events[3] = {{.item_id = i, .id = i}, {.id = 7}, {.id = 7}}, out[8];
        size_t count = 3, read;
        history_info info;
        store_snapshot snapshot;
        store_code code = STORE_OK;
        uint64_t cursor = 0, users[4], erased;
        bool more;
        (void)store_append(s, i, events, &count, &info, &code);
        (void)store_commit(s);
        ck_assert_uint_le(count, 3);
        store_pin(s);
        (void)store_info(s, i, &info);
        (void)store_read(s, i, 1, out, 8, &read);
        ck_assert_uint_le(read, 8);
        if (store_load(s, i, 1, &snapshot) == STORE_OK)
            free(snapshot.bytes);
        (void)store_drop_applied(s, i, events, &count);
        (void)store_users(s, &cursor, users, 4, &read);
        store_unpin(s);
        (void)store_purge(s, i, 5, &more);
        (void)store_trim(s, i, &(history_info){.first = 1});
        (void)store_erase(s, i, &erased);
        store_close(s);
    }
    redis_database_close(d);
    (void)shutdown(listener, SHUT_RDWR);
    (void)pthread_join(thread, NULL);
    (void)close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis");
    TCase *test = tcase_create("redis");
    tcase_set_timeout(test, 60);
    tcase_add_test(test, slots_are_those_of_the_specification);
    tcase_add_test(test, every_slot_has_a_channel);
    tcase_add_test(test, addresses_may_have_a_login);
    tcase_add_test(test, slots_are_taken_from_what_nodes_say);
    tcase_add_test(test, what_no_node_would_say_changes_nothing);
    tcase_add_test(test, there_is_news_of_what_is_heard);
    tcase_add_test(test, nonsense_is_refused);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
