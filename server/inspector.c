#include "inspector.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explained_user.h"
#include "inspection.h"
#include "limit.h"
#include "post.h"
#include "validate.h"

enum { NS_PER_MS = 1000000, TEXT_BYTES = 400 };

/* The latest time that a program in a browser has (ECMA-262, time values). */
static const int64_t latest_ms = INT64_C(8640000000000000);

/* Of HTTP. */
enum { BAD_REQUEST = 400, FORBIDDEN = 403, NOT_FOUND = 404, INTERNAL = 500, UNAVAILABLE = 503 };

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

static void write_json(admin_answer *answer, json_t *json)
{
    (void)json_dumpf(json, answer->body, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(json);
}

/* Answers with what is wrong. Returns false. */
static bool refuse(admin_answer *answer, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(admin_answer *answer, unsigned status, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* A text that is cut within a character, or never was UTF-8, would be no JSON. */
    json_t *said = json_string(text);
    for (char *c = text; !said && *c != '\0'; c++)
        *c = isascii((unsigned char)*c) ? *c : '?';
    answer->status = status;
    write_json(answer, json_pack("{s:o}", "error", said ? said : json_string(text)));
    return false;
}

/* An argument that is a number of digits alone, at most `most`. False: refused. */
static bool parse_argument(const char *name, const char *text, uint64_t most, admin_answer *answer,
                           uint64_t *out)
{
    char *end;
    errno = 0;
    const bool digits = isdigit((unsigned char)*text);
    const unsigned long long number = digits ? strtoull(text, &end, 10) : 0;
    if (!digits || *end != '\0' || errno != 0 || number > most)
        return refuse(answer, BAD_REQUEST, "%s: \"%.40s\" is no number from 0 to %llu", name, text,
                      (unsigned long long)most);
    *out = number;
    return true;
}

/* What is asked for. */
typedef struct arguments {
    uint64_t user_id;
    const char *model; /* empty: the user's */
    explained_request explained;
} arguments;

static bool parse(const admin_request *asked, admin_answer *answer, arguments *out)
{
    const char *user = admin_argument(asked, "id");
    const char *candidate = admin_argument(asked, "candidate");
    const char *when = admin_argument(asked, "time");
    const char *model = admin_argument(asked, "model");
    uint64_t time_ms = 0;
    if (!user)
        return refuse(answer, BAD_REQUEST, "id: the user is missing");
    if (!parse_argument("id", user, UINT64_MAX, answer, &out->user_id))
        return false;
    if (candidate &&
        !parse_argument("candidate", candidate, UINT64_MAX, answer, &out->explained.candidate))
        return false;
    if (when && !parse_argument("time", when, (uint64_t)latest_ms, answer, &time_ms))
        return false;
    if (model && strlen(model) > VQL_MAX_NAME_BYTES)
        return refuse(answer, BAD_REQUEST, "model: a name of %zu bytes; at most %d", strlen(model),
                      VQL_MAX_NAME_BYTES);
    out->explained.has_candidate = candidate != NULL;
    out->explained.time_ms = time_ms > 0 ? (int64_t)time_ms : now_ms(CLOCK_REALTIME);
    out->model = model ? model : "";
    return true;
}

static bool refuse_error(admin_answer *answer, const grpc_error *error)
{
    unsigned status = UNAVAILABLE;
    if (error->status == GRPC_NOT_FOUND)
        status = NOT_FOUND;
    else if (error->status == GRPC_DATA_LOSS)
        status = INTERNAL;
    return refuse(answer, status, "%s", error->message);
}

/* One more inspection this second. False: refused. */
static bool admit(inspector *in, admin_answer *answer)
{
    const int64_t second = now_ms(CLOCK_MONOTONIC) / 1000;
    if (in->second != second) {
        in->second = second;
        in->inspections = 0;
    }
    if (++in->inspections <= LIMIT_INSPECTIONS)
        return true;
    return refuse(answer, UNAVAILABLE, "more than %d inspections in a second", LIMIT_INSPECTIONS);
}

/* Gives the inspection its version and has its shard do it. False: refused, and it is gone. */
static bool ask_shard(const inspector *in, inspection *i, admin_answer *answer)
{
    static const request_limits limits; /* none of them is about an inspection */
    job *j = &i->job;
    uint32_t home;
    if (!validate(j, &limits, i->models, 0)) {
        (void)refuse_error(answer, &j->error);
        inspection_free(i);
        return false;
    }
    const uint32_t most = explained_events(j->version->model);
    j->max_events = most < j->max_events ? most : j->max_events;
    j->arrived_ns = (uint64_t)now_ms(CLOCK_MONOTONIC) * NS_PER_MS;
    j->deadline_ns = j->arrived_ns + (uint64_t)LIMIT_INSPECT_MS * NS_PER_MS;
    if (post_inspect(in->workers[0].post->all, in->count, i, &home) != GRPC_OK) {
        (void)refuse_error(answer, &j->error);
        inspection_free(i);
        return false;
    }
    worker_wake(&in->workers[home]);
    if (inspection_wait(i, LIMIT_INSPECT_MS))
        return true;
    return refuse(answer, UNAVAILABLE, "the shard did not answer within %d ms: requests go first",
                  LIMIT_INSPECT_MS);
}

/* Answers with what the inspection, which was answered, came to. */
static void show(const inspection *i, const explained_request *asked, admin_answer *answer)
{
    const job *j = &i->job;
    vql_error error;
    if (j->error.status != GRPC_OK || !i->taken) {
        (void)refuse_error(answer, &j->error);
        return;
    }
    if (!i->cache) {
        (void)refuse(answer, NOT_FOUND, "id: user %llu has no history",
                     (unsigned long long)j->user_id);
        return;
    }
    json_t *json = explained_user(i, asked, &error);
    if (json)
        write_json(answer, json);
    else
        (void)refuse(answer, INTERNAL, "%s", error.text);
}

void inspector_show(void *context, const admin_request *asked, admin_answer *answer)
{
    inspector *in = context;
    arguments wanted = {0};
    answer->type = admin_json;
    if (!in->allowed) {
        (void)refuse(answer, FORBIDDEN,
                     "inspect: users are not shown here; --inspect on shows them on any address");
        return;
    }
    if (!parse(asked, answer, &wanted) || !admit(in, answer))
        return;
    model_set *models = registry_share(in->models);
    inspection *i = inspection_new(models, wanted.user_id, LIMIT_INSPECT_EVENTS);
    model_set_release(models);
    if (!i) {
        (void)refuse(answer, UNAVAILABLE, "the server is out of memory");
        return;
    }
    (void)snprintf(i->job.model, sizeof i->job.model, "%s", wanted.model);
    if (ask_shard(in, i, answer)) {
        show(i, &wanted.explained, answer);
        inspection_free(i);
    }
}
