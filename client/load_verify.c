#include "load_verify.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vqlclient.h"

enum {
    PAIRS = 64,   /* requests whose answers are known */
    ONE_IN = 8,   /* scores are of these */
    REDRAWS = 16, /* of an append to a user of theirs */
    DEADLINE_MS = 10000,
};

/*
 * Two answers of a server to one request are alike to the last bit unless the user's cache was made
 * anew between them, which adds its float32 sums in another order.
 */
#define TOLERANCE 1e-4f

/* A request and its answer. */
typedef struct pair {
    load_verify *owner;
    uint64_t user;
    uint8_t *message;
    size_t bytes;
    float *scores;
    size_t count;
    bool stale; /* the user's history may have changed since */
} pair;

struct load_verify {
    const load_bench *bench;
    load_random random;
    pair pairs[PAIRS];
    uint32_t asked; /* and not answered yet */
    uint64_t seen, compared, wrong;
    char text[256];
    char error[400]; /* why an answer to compare with could not be got */
};

static vqlc_status refuse(load_verify *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Counts a wrong answer, which is one of DATA_LOSS from now on. */
static vqlc_status refuse(load_verify *v, const char *format, ...)
{
    if (v->wrong++ == 0) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(v->text, sizeof v->text, format, arguments);
        va_end(arguments);
    }
    return VQLC_DATA_LOSS;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Keeps the first thing for which there is nothing to compare with. */
static void set_error(load_verify *v, const char *what, const char *why)
{
    if (v->error[0] == '\0')
        (void)snprintf(v->error, sizeof v->error, "%s%s%s", what, why[0] != '\0' ? ": " : "", why);
}

static void on_scored(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    pair *p = arg;
    load_verify *v = p->owner;
    v->asked--;
    if (answer == NULL) {
        set_error(v, vqlc_status_name(result->status), result->message);
        return;
    }
    p->scores = calloc(answer->n_scores > 0 ? answer->n_scores : 1, sizeof *p->scores);
    if (p->scores == NULL) {
        set_error(v, "no memory", "");
        return;
    }
    memcpy(p->scores, answer->scores, answer->n_scores * sizeof *p->scores);
    p->count = answer->n_scores;
}

/* Draws a request, at a fixed time, and asks for its answer. */
static bool ask(load_verify *v, pair *p, vqlc_channel *channel, int64_t time_ms)
{
    const load_request drawn = load_requests_sample(v->bench->requests, LOAD_SCORE);
    Vql__V1__ScoreRequest request;
    vql__v1__score_request__init(&request);
    request.user_id = drawn.user;
    request.n_item_ids = v->bench->settings->candidates;
    request.item_ids =
        (uint64_t *)(uintptr_t)load_requests_candidates(v->bench->requests, drawn.list);
    request.time_ms = time_ms;
    if (v->bench->settings->model != NULL)
        request.model = v->bench->settings->model;
    p->owner = v;
    p->user = drawn.user;
    p->bytes = vql__v1__score_request__get_packed_size(&request);
    p->message = malloc(p->bytes);
    if (p->message == NULL)
        return false;
    (void)vql__v1__score_request__pack(&request, p->message);
    const vqlc_call_options options = {.deadline_ms = DEADLINE_MS, .wait_for_ready = true};
    const bool asked = vqlc_score(channel, &request, &options, on_scored, p) != NULL;
    v->asked += asked;
    return asked;
}

static void ask_all(load_verify *v, uv_loop_t *loop)
{
    const load_settings *s = v->bench->settings;
    const char *server = s->verify_server != NULL ? s->verify_server : s->server;
    vqlc_channel_options options;
    vqlc_channel *channel;
    vqlc_channel_defaults(&options);
    options.tls = v->bench->target.tls;
    options.token = v->bench->dialing.token[0] != '\0' ? v->bench->dialing.token : NULL;
    const int error = vqlc_channel_open(loop, server, &options, &channel);
    if (error != 0) {
        set_error(v, server,
                  error == UV_EINVAL ? "is not HOST:PORT or unix:/PATH" : uv_strerror(error));
        return;
    }
    const int64_t time_ms = wall_ms();
    for (int i = 0; i < PAIRS; i++)
        if (!ask(v, &v->pairs[i], channel, time_ms))
            set_error(v, "no memory", "");
    while (v->error[0] == '\0' && v->asked > 0)
        (void)uv_run(loop, UV_RUN_ONCE);
    vqlc_channel_close(channel, NULL, NULL);
}

load_verify *load_verify_new(const load_bench *b, settings_error *error)
{
    load_verify *v = calloc(1, sizeof *v);
    uv_loop_t loop;
    if (v == NULL || uv_loop_init(&loop) != 0) {
        (void)settings_fail(error, "verify: no memory");
        free(v);
        return NULL;
    }
    v->bench = b;
    v->random.state = b->settings->seed;
    ask_all(v, &loop);
    const bool failed = v->error[0] != '\0';
    if (failed)
        (void)settings_fail(error, "verify: there is no answer to compare with: %s", v->error);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    if (!failed)
        return v;
    load_verify_free(v);
    return NULL;
}

void load_verify_free(load_verify *v)
{
    if (v == NULL)
        return;
    for (int i = 0; i < PAIRS; i++) {
        free(v->pairs[i].message);
        free(v->pairs[i].scores);
    }
    free(v);
}

/* The next pair of that user behind `from`; PAIRS: there is none. */
static int find_user(const load_verify *v, uint64_t user, int from)
{
    while (from < PAIRS && v->pairs[from].user != user)
        from++;
    return from;
}

/* Appends go to others, if there are others. */
static void spare_users(load_verify *v, load_request *request)
{
    for (int i = 0; i < REDRAWS && find_user(v, request->user, 0) < PAIRS; i++)
        *request = load_requests_sample(v->bench->requests, request->kind);
    for (int i = find_user(v, request->user, 0); i < PAIRS; i = find_user(v, request->user, i + 1))
        v->pairs[i].stale = true;
}

void load_verify_before(load_verify *v, load_request *request)
{
    if (load_kind_appends(request->kind)) {
        spare_users(v, request);
        return;
    }
    const uint64_t drawn = load_random_below(&v->random, (uint64_t)PAIRS * ONE_IN);
    if (drawn >= PAIRS)
        return;
    request->user = v->pairs[drawn].user;
    request->message = v->pairs[drawn].message;
    request->bytes = v->pairs[drawn].bytes;
    request->tag = (uint32_t)drawn + 1;
}

static vqlc_status check_append(load_verify *v, const load_answer *answer)
{
    Vql__V1__AppendResponse *a =
        vql__v1__append_response__unpack(NULL, answer->bytes, answer->message);
    if (a == NULL)
        return refuse(v, "an AppendResponse of %zu bytes cannot be read", answer->bytes);
    const uint32_t events = v->bench->settings->events;
    vqlc_status status = VQLC_OK;
    if (a->appended + a->duplicates != events || a->sequence < a->appended)
        status = refuse(v, "of %u events, %u are appended and %u duplicates, up to %" PRIu64,
                        events, a->appended, a->duplicates, a->sequence);
    vql__v1__append_response__free_unpacked(a, NULL);
    return status;
}

static vqlc_status compare(load_verify *v, const pair *p, const Vql__V1__ScoreResponse *a)
{
    v->compared++;
    if (a->n_scores != p->count)
        return refuse(v, "user %" PRIu64 ": %zu scores, and %zu before", p->user, a->n_scores,
                      p->count);
    for (size_t i = 0; i < p->count; i++)
        if (!(fabsf(a->scores[i] - p->scores[i]) <= TOLERANCE))
            return refuse(v, "user %" PRIu64 ": score %zu is %.9g, and %.9g before", p->user, i,
                          (double)a->scores[i], (double)p->scores[i]);
    return VQLC_OK;
}

static vqlc_status check_scores(load_verify *v, const Vql__V1__ScoreResponse *a, uint32_t tag)
{
    const uint64_t wanted = (uint64_t)v->bench->settings->candidates * a->n_tasks;
    if (a->n_tasks == 0 || a->n_scores != wanted)
        return refuse(v, "%zu scores of %zu tasks, for %u candidates", a->n_scores, a->n_tasks,
                      v->bench->settings->candidates);
    for (size_t i = 0; i < a->n_scores; i++)
        if (!(a->scores[i] >= 0 && a->scores[i] <= 1))
            return refuse(v, "score %zu is %.9g, which is no probability", i, (double)a->scores[i]);
    if (tag == 0 || v->pairs[tag - 1].stale)
        return VQLC_OK;
    return compare(v, &v->pairs[tag - 1], a);
}

vqlc_status load_verify_answer(load_verify *v, const load_call *call, const load_answer *answer)
{
    if (answer->status != VQLC_OK)
        return answer->status;
    v->seen++;
    if (load_kind_appends(call->kind))
        return check_append(v, answer);
    Vql__V1__ScoreResponse *a =
        vql__v1__score_response__unpack(NULL, answer->bytes, answer->message);
    if (a == NULL)
        return refuse(v, "a ScoreResponse of %zu bytes cannot be read", answer->bytes);
    const vqlc_status status = check_scores(v, a, call->tag);
    vql__v1__score_response__free_unpacked(a, NULL);
    return status;
}

uint64_t load_verify_seen(const load_verify *v)
{
    return v->seen;
}

uint64_t load_verify_compared(const load_verify *v)
{
    return v->compared;
}

uint64_t load_verify_wrong(const load_verify *v)
{
    return v->wrong;
}

const char *load_verify_text(const load_verify *v)
{
    return v->text;
}
