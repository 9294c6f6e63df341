/*
 * Whom and what vqlbench's calls are about: users, ids from files, messages, and the options that
 * say so.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "load_requests.h"
#include "load_settings.h"
#include "vqlclient.h"

enum { DRAWS = 400000, USERS = 50 };

static char error[400];

/* Writes a file of the test's own; path has room for its name. */
static void write_file(char path[32], const char *text)
{
    (void)snprintf(path, 32, "/tmp/vqlbench-XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    (void)close(fd);
}

START_TEST(zipf_has_its_frequencies)
{
    static const double exponents[] = {0.5, 0.99, 1, 1.5, 3};
    const double exponent = exponents[_i];
    load_users u;
    load_random random = {5};
    double counts[USERS + 1] = {0};
    double sum = 0;
    ck_assert(load_users_init(&u, "zipf:50", exponent, error, sizeof error));
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t user = load_users_draw(&u, &random);
        ck_assert(user >= 1 && user <= USERS);
        counts[user]++;
    }
    for (int user = 1; user <= USERS; user++)
        sum += pow(user, -exponent);
    for (int user = 1; user <= USERS; user++) {
        const double expected = DRAWS * pow(user, -exponent) / sum;
        ck_assert(fabs(counts[user] - expected) < 5 * sqrt(expected) + 1);
    }
    load_users_free(&u);
}
END_TEST

START_TEST(uniform_users_are_alike)
{
    static const char *const texts[] = {"50", "uniform:50"};
    load_users u;
    load_random random = {6};
    const double expected = (double)DRAWS / USERS;
    double counts[USERS + 1] = {0};
    ck_assert(load_users_init(&u, texts[_i], 1, error, sizeof error));
    for (int i = 0; i < DRAWS; i++)
        counts[load_users_draw(&u, &random)]++;
    ck_assert(counts[0] == 0);
    for (int user = 1; user <= USERS; user++)
        ck_assert(fabs(counts[user] - expected) < 5 * sqrt(expected));
    load_users_free(&u);
}
END_TEST

START_TEST(a_log_is_followed)
{
    char path[32];
    char text[64] = "log:";
    static const char *const files[] = {"item_id\tuser_id\n9\t4\n9\t7\n9\t4\n", "4\n7\n4\n"};
    write_file(path, files[_i]);
    (void)snprintf(text, sizeof text, "log:%s", path);
    load_users u;
    load_random random = {7};
    ck_assert_msg(load_users_init(&u, text, 1, error, sizeof error), "%s", error);
    for (int round = 0; round < 3; round++) {
        ck_assert_uint_eq(load_users_draw(&u, &random), 4);
        ck_assert_uint_eq(load_users_draw(&u, &random), 7);
        ck_assert_uint_eq(load_users_draw(&u, &random), 4);
    }
    load_users_free(&u);
    (void)unlink(path);
}
END_TEST

START_TEST(what_is_wrong_with_users_is_told)
{
    static const char *const texts[] = {"", "0", "zipf:0", "zipf:", "-3", "9007199254740993", "1x"};
    load_users u;
    ck_assert(!load_users_init(&u, texts[_i], 1, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, texts[_i]));
}
END_TEST

START_TEST(what_is_wrong_with_a_file_is_told)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"user_id\n4\nx\n", ":3: user_id 'x'"}, {"", "has no ids"}, {"user_id\n", "no ids"}};
    char path[32];
    load_ids ids;
    write_file(path, cases[_i].text);
    ck_assert(!load_ids_read(&ids, path, "user_id", error, sizeof error));
    ck_assert_msg(strstr(error, cases[_i].said) != NULL, "%s", error);
    (void)unlink(path);
    ck_assert(!load_ids_read(&ids, "/nonexistent", "user_id", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "/nonexistent"));
}
END_TEST

static void check_score(load_requests *r, const load_request *q, const uint8_t *bytes, size_t count)
{
    Vql__V1__ScoreRequest *read = vql__v1__score_request__unpack(NULL, count, bytes);
    ck_assert_ptr_nonnull(read);
    ck_assert_uint_eq(read->user_id, q->user);
    ck_assert_uint_eq(read->n_item_ids, 7);
    ck_assert_mem_eq(read->item_ids, load_requests_candidates(r, q->list), 7 * sizeof(uint64_t));
    ck_assert_str_eq(read->model, "v2");
    vql__v1__score_request__free_unpacked(read, NULL);
}

static void check_append(const load_request *q, const uint8_t *bytes, size_t count)
{
    Vql__V1__AppendRequest *read = vql__v1__append_request__unpack(NULL, count, bytes);
    ck_assert_ptr_nonnull(read);
    ck_assert_uint_eq(read->user_id, q->user);
    ck_assert_uint_eq(read->n_events, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(read->events[i]->item_id >= UINT64_MAX - 9);
        ck_assert_uint_lt(read->events[i]->type, 300);
        ck_assert_int_eq(read->events[i]->time_ms, 0);
    }
    vql__v1__append_request__free_unpacked(read, NULL);
}

START_TEST(protobuf_c_reads_the_messages)
{
    load_users u;
    const load_ids items = {.first = UINT64_MAX - 9, .count = 10};
    ck_assert(load_users_init(&u, "zipf:1000000000000", 0.5, error, sizeof error));
    const load_requests_options options = {.users = &u,
                                           .items = &items,
                                           .candidates = 7,
                                           .events = 3,
                                           .event_types = 300,
                                           .model = "v2",
                                           .shares = {3, 1, 0, 1},
                                           .seed = 8};
    load_requests *r = load_requests_new(&options);
    ck_assert_ptr_nonnull(r);
    double kinds[LOAD_KIND_COUNT] = {0};
    for (int i = 0; i < 10000; i++) {
        const load_kind kind = load_requests_kind(r);
        const load_request q = load_requests_draw(r, kind);
        uint8_t bytes[512];
        const size_t count = load_request_bytes(r, &q);
        ck_assert_uint_le(count, sizeof bytes);
        load_request_write(r, &q, bytes);
        kinds[kind]++;
        if (load_kind_appends(kind))
            check_append(&q, bytes, count);
        else
            check_score(r, &q, bytes, count);
    }
    ck_assert(fabs(kinds[LOAD_SCORE] - 6000) < 250 && fabs(kinds[LOAD_APPEND] - 2000) < 250);
    ck_assert(kinds[LOAD_SCORE_STREAM] == 0);
    load_requests_free(r);
    load_users_free(&u);
}
END_TEST

static bool load(load_settings *s, settings_error *e, const char *name, const char *value)
{
    char *const environment[] = {NULL};
    char words[2][64];
    (void)snprintf(words[0], sizeof words[0], "--%s", name);
    (void)snprintf(words[1], sizeof words[1], "%s", value);
    char *const arguments[] = {words[0], words[1]};
    uint32_t shares[LOAD_KIND_COUNT];
    return settings_load(&load_settings_table, s, 2, arguments, environment, e) &&
           load_settings_check(s, e) && load_settings_mix(s, shares, e);
}

START_TEST(what_is_wrong_with_options_is_told)
{
    static const char *const cases[][2] = {
        {"rate", "0"},        {"duration", "0"},      {"steps", "3"},      {"mix", "score"},
        {"mix", "score=0"},   {"mix", "get=1"},       {"streams", "0"},    {"arrivals", "never"},
        {"mix", "score=1;"},  {"zipf-exponent", "0"}, {"rate-end", "0.5"}, {"verify-server", "a:1"},
        {"interval-ms", "9"}, {"max-failed", "101"},
    };
    load_settings s = {0};
    settings_error e;
    ck_assert(!load(&s, &e, cases[_i][0], cases[_i][1]));
    ck_assert_msg(strstr(e.text, cases[_i][0]) != NULL, "%s", e.text);
    settings_free(&load_settings_table, &s);
}
END_TEST

START_TEST(a_mix_has_shares)
{
    load_settings s = {0};
    settings_error e;
    uint32_t shares[LOAD_KIND_COUNT];
    ck_assert(load(&s, &e, "mix", "append=2,score=7,append-stream=1"));
    ck_assert(load_settings_mix(&s, shares, &e));
    ck_assert(shares[LOAD_SCORE] == 7 && shares[LOAD_APPEND] == 2);
    ck_assert(shares[LOAD_SCORE_STREAM] == 0 && shares[LOAD_APPEND_STREAM] == 1);
    settings_free(&load_settings_table, &s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load_users");
    TCase *cases = tcase_create("cases");
    suite_add_tcase(suite, cases);
    tcase_add_loop_test(cases, zipf_has_its_frequencies, 0, 5);
    tcase_add_loop_test(cases, uniform_users_are_alike, 0, 2);
    tcase_add_loop_test(cases, a_log_is_followed, 0, 2);
    tcase_add_loop_test(cases, what_is_wrong_with_users_is_told, 0, 7);
    tcase_add_loop_test(cases, what_is_wrong_with_a_file_is_told, 0, 3);
    tcase_add_test(cases, protobuf_c_reads_the_messages);
    tcase_add_loop_test(cases, what_is_wrong_with_options_is_told, 0, 14);
    tcase_add_test(cases, a_mix_has_shares);
    return check_main(suite);
}
