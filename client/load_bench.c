#include "load_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"

enum { MOST_ANSWER_BYTES = 64 << 20 };

static bool init_dialing(load_bench *b, settings_error *error)
{
    const load_settings *s = b->settings;
    const dialing_options options = {
        .server = s->server,
        .token = s->token,
        .token_file = s->token_file,
        .tls = s->tls,
        .tls_ca = s->tls_ca,
        .tls_cert = s->tls_cert,
        .tls_key = s->tls_key,
        .tls_server_name = s->tls_server_name,
    };
    return dialing_init(&b->dialing, &options, error->text, sizeof error->text);
}

/* Takes --items: a number, or a file. */
static bool init_items(load_bench *b, settings_error *error)
{
    const char *text = b->settings->items;
    uint64_t count;
    if (decimal_parse(text, strlen(text), UINT64_MAX, &count)) {
        b->items = (load_ids){.first = 1, .count = count};
        return count > 0 || settings_fail(error, "items is 0, but takes 1 or more, or a file");
    }
    char why[400];
    return load_ids_read(&b->items, text, "item_id", why, sizeof why) ||
           settings_fail(error, "items: %s", why);
}

static bool init_requests(load_bench *b, settings_error *error)
{
    const load_settings *s = b->settings;
    const load_requests_options options = {
        .users = &b->users,
        .items = &b->items,
        .candidates = s->candidates,
        .events = s->events,
        .event_types = s->event_types,
        .model = s->model,
        .shares = {b->shares[0], b->shares[1], b->shares[2], b->shares[3]},
        .seed = s->seed,
    };
    b->requests = load_requests_new(&options);
    return b->requests != NULL || settings_fail(error, "no memory for requests");
}

bool load_bench_init(load_bench *b, const load_settings *settings, settings_error *error)
{
    char why[400];
    *b = (load_bench){.settings = settings};
    if (!load_settings_mix(settings, b->shares, error))
        return false;
    if (!load_target_resolve(&b->target, settings->server, why, sizeof why))
        return settings_fail(error, "server %s", why);
    if (!init_dialing(b, error))
        return false;
    if (!load_users_init(&b->users, settings->users, settings->zipf, why, sizeof why)) {
        (void)settings_fail(error, "users %s", why);
        goto no_users;
    }
    if (!init_items(b, error))
        goto no_items;
    if (!init_requests(b, error))
        goto no_requests;
    b->target.tls = b->dialing.tls;
    if (b->dialing.token[0] != '\0')
        (void)snprintf(b->authorization, sizeof b->authorization, "Bearer %s", b->dialing.token);
    (void)snprintf(b->timeout, sizeof b->timeout, "%um", settings->deadline_ms);
    return true;
no_requests:
    load_ids_free(&b->items);
no_items:
    load_users_free(&b->users);
no_users:
    dialing_clear(&b->dialing);
    return false;
}

void load_bench_clear(load_bench *b)
{
    load_requests_free(b->requests);
    load_ids_free(&b->items);
    load_users_free(&b->users);
    dialing_clear(&b->dialing);
}

load_run_options load_bench_options(const load_bench *b, double rate)
{
    const load_settings *s = b->settings;
    const bool local = strncmp(s->server, "unix:", 5) == 0;
    return (load_run_options){
        .plan = {.rate = rate,
                 .rate_end = s->rate_end > 0 ? s->rate_end : rate,
                 .steps = s->steps,
                 .warmup_s = s->warmup,
                 .duration_s = s->duration,
                 .poisson = s->arrivals == LOAD_POISSON,
                 .seed = s->seed},
        .closed = s->arrivals == LOAD_CLOSED,
        .connections = s->connections,
        .streams = s->streams,
        .most_waiting = s->backlog,
        .drain_ns = s->drain_ms * 1000000,
        .interval_ns = s->interval_ms * 1000000,
        .target = &b->target,
        .connection = {.headers = {.authority = local ? "localhost" : s->server,
                                   .scheme = b->target.tls != NULL ? "https" : "http",
                                   .authorization =
                                       b->authorization[0] != '\0' ? b->authorization : NULL,
                                   .timeout = s->deadline_ms > 0 ? b->timeout : NULL},
                       .max_message_bytes = MOST_ANSWER_BYTES},
        .requests = b->requests,
    };
}

load_result *load_result_new(bool keeps_histograms)
{
    load_result *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->outcome.tally = load_tally_new();
    r->timeline = load_timeline_new(keeps_histograms);
    if (r->outcome.tally != NULL && r->timeline != NULL)
        return r;
    load_result_free(r);
    return NULL;
}

void load_result_free(load_result *r)
{
    if (r == NULL)
        return;
    free(r->outcome.tally);
    load_timeline_free(r->timeline);
    free(r);
}

bool load_bench_run(const load_run_options *options, load_result *result)
{
    result->rate = options->closed ? 0 : options->plan.rate;
    if (!load_run_all(options, &result->outcome))
        return false;
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++) {
        load_histogram_merge(&result->due, &result->outcome.tally->due[kind]);
        load_histogram_merge(&result->sent, &result->outcome.tally->sent[kind]);
    }
    return true;
}
