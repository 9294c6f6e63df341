/*
 * The client's typed calls: each goes to its method, with its user, and brings its kind of answer.
 */
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "toy_host.h"
#include "vqlclient.h"

typedef struct rig {
    uv_loop_t loop;
    toy_host host;
    vqlc_channel *channel;
    unsigned done;
} rig;

/* The answers, one for each method, in the order of the calls. */
static const struct {
    const char *path;
    const char *user;
    const char *answer; /* protobuf */
} methods[] = {
    {"/vql.v1.Scoring/Score", "1", "\x20\x0b"},       /* sequence = 11 */
    {"/vql.v1.History/Append", "2", "\x08\x0c"},      /* sequence = 12 */
    {"/vql.v1.History/Get", "3", "\x08\x0d"},         /* sequence = 13 */
    {"/vql.v1.History/Delete", "4", "\x08\x0e"},      /* events = 14 */
    {"/vql.v1.Models/List", "", "\x0a\x03\x0a\x01m"}, /* models = { name = "m" } */
    {"/grpc.health.v1.Health/Check", "", "\x08\x01"}, /* status = SERVING */
};

enum { METHODS = sizeof methods / sizeof methods[0] };

static void serve(toy_peer *peer, void *context)
{
    (void)context;
    for (size_t i = 0; i < toy_server_calls(peer->server); i++) {
        toy_call *c = toy_server_call(peer->server, i);
        if (!c->half_closed || c->ending)
            continue;
        ck_assert_uint_lt(i, METHODS);
        ck_assert_str_eq(c->path, methods[i].path);
        ck_assert_str_eq(c->user, methods[i].user);
        toy_server_answer(peer->server, c, methods[i].answer);
    }
}

/* Notes one more answer, which must be the one that comes next. */
static void note(rig *r, const vqlc_result *result, unsigned order)
{
    ck_assert_str_eq(vqlc_status_name(result->status), "OK");
    ck_assert_uint_eq(r->done, order);
    r->done++;
}

static void on_score(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    note(arg, result, 0);
    ck_assert_uint_eq(answer->sequence, 11);
}

static void on_append(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    note(arg, result, 1);
    ck_assert_uint_eq(answer->sequence, 12);
}

static void on_get(const vqlc_result *result, const Vql__V1__GetResponse *answer, void *arg)
{
    note(arg, result, 2);
    ck_assert_uint_eq(answer->sequence, 13);
}

static void on_delete(const vqlc_result *result, const Vql__V1__DeleteResponse *answer, void *arg)
{
    note(arg, result, 3);
    ck_assert_uint_eq(answer->events, 14);
}

static void on_models(const vqlc_result *result, const Vql__V1__ListModelsResponse *answer,
                      void *arg)
{
    note(arg, result, 4);
    ck_assert_uint_eq(answer->n_models, 1);
    ck_assert_str_eq(answer->models[0]->name, "m");
}

static void on_health(const vqlc_result *result,
                      const Grpc__Health__V1__HealthCheckResponse *answer, void *arg)
{
    note(arg, result, 5);
    ck_assert_int_eq(answer->status,
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
}

/* Starts one call of each method. */
static void call_all(rig *r)
{
    Vql__V1__ScoreRequest score = VQL__V1__SCORE_REQUEST__INIT;
    Vql__V1__AppendRequest append = VQL__V1__APPEND_REQUEST__INIT;
    Vql__V1__GetRequest get = VQL__V1__GET_REQUEST__INIT;
    Vql__V1__DeleteRequest delete = VQL__V1__DELETE_REQUEST__INIT;
    score.user_id = 1;
    append.user_id = 2;
    get.user_id = 3;
    delete.user_id = 4;
    ck_assert_ptr_nonnull(vqlc_score(r->channel, &score, NULL, on_score, r));
    ck_assert_ptr_nonnull(vqlc_append(r->channel, &append, NULL, on_append, r));
    ck_assert_ptr_nonnull(vqlc_get(r->channel, &get, NULL, on_get, r));
    ck_assert_ptr_nonnull(vqlc_delete(r->channel, &delete, NULL, on_delete, r));
    ck_assert_ptr_nonnull(vqlc_models(r->channel, NULL, on_models, r));
    ck_assert_ptr_nonnull(vqlc_health(r->channel, "vql.v1.Scoring", NULL, on_health, r));
}

START_TEST(each_call_goes_to_its_method)
{
    rig r = {.done = 0};
    ck_assert_int_eq(uv_loop_init(&r.loop), 0);
    toy_host_start(&r.host, &r.loop, 0, serve, NULL);
    char server[32];
    (void)snprintf(server, sizeof server, "127.0.0.1:%d", r.host.port);
    vqlc_channel_options options;
    vqlc_channel_defaults(&options);
    char token[] = "t0ken";
    options.token = token;
    ck_assert_int_eq(vqlc_channel_open(&r.loop, server, &options, &r.channel), 0);
    memset(token, 'x', sizeof token - 1); /* it was copied */
    call_all(&r);
    while (r.done < METHODS)
        ck_assert_int_ne(uv_run(&r.loop, UV_RUN_ONCE), 0);
    toy_call *health = toy_server_call(r.host.peers[0].server, METHODS - 1);
    ck_assert_mem_eq(health->body, "\0\0\0\0\x10\x0a\x0evql.v1.Scoring", 21);
    for (size_t i = 0; i < METHODS; i++) {
        const toy_call *c = toy_server_call(r.host.peers[0].server, i);
        ck_assert_str_eq(c->authorization, "Bearer t0ken");
        ck_assert_str_eq(c->scheme, "http");
    }
    vqlc_channel_close(r.channel, NULL, NULL);
    toy_host_stop(&r.host);
    ck_assert_int_eq(uv_run(&r.loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&r.loop), 0);
    toy_host_free(&r.host);
}
END_TEST

START_TEST(what_is_no_token)
{
    static char longest[VQLC_MAX_TOKEN_BYTES + 2];
    memset(longest, 't', VQLC_MAX_TOKEN_BYTES + 1);
    const char *const bad[] = {"",          " ",    "two words", "tail ",
                               "new\nline", "\x7f", "\xc3\xa4",  longest};
    uv_loop_t loop;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vqlc_channel_options options;
        vqlc_channel *channel;
        vqlc_channel_defaults(&options);
        options.token = bad[i];
        ck_assert_int_eq(vqlc_channel_open(&loop, "127.0.0.1:1", &options, &channel), UV_EINVAL);
    }
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_methods");
    TCase *tests = tcase_create("methods");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_call_goes_to_its_method);
    tcase_add_test(tests, what_is_no_token);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
