/*
 * What users notice when models change: the latency of scores at half of what vqld can serve, while
 * a version is loaded, its caches are made, it takes over, and the one before goes.
 *
 *   bench_reload SERVER FIRST SECOND [RELOADS [CANDIDATES [USERS]]]
 *
 * FIRST, which is active, and SECOND are versions in the server's folder; vqld runs with
 * --model-policy manual. The capacity is measured first, by a closed loop. Then each of RELOADS
 * (10) loads the version that is not loaded, waits until it is ready, activates it, and unloads the
 * other; the requests are counted by the phase in which they were due.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_latency.h"
#include "score_load.h"

typedef enum phase {
    PHASE_QUIET,
    PHASE_LOAD,
    PHASE_REBUILD,
    PHASE_SWAP,
    PHASE_UNLOAD,
    PHASES
} phase;

static const char *const phase_names[PHASES] = {"before", "load", "rebuild", "swap", "unload"};

enum {
    MOST_LATENCIES = 4000000, /* of one phase */
    LOOK_MS = 20,             /* between two looks whether the version is ready */
    SWAP_MS = 300,            /* what is counted as the swap, as the unload, and as quiet */
};

typedef struct reload {
    score_load load;
    char *names[2]; /* the active one first */
    unsigned left;
    phase phase;
    uv_timer_t timer;
    uint64_t *latencies[PHASES]; /* [counts] */
    size_t counts[PHASES];
} reload;

static void on_served(void *context, uint64_t due_ns, uint64_t latency_ns)
{
    reload *r = context;
    (void)due_ns; /* the phase is hardly another one when the answer comes */
    if (r->counts[r->phase] < MOST_LATENCIES)
        r->latencies[r->phase][r->counts[r->phase]++] = latency_ns;
}

static void begin(reload *r, phase next);

static const Vql__V1__Model *find(const Vql__V1__ListModelsResponse *answer, const char *name)
{
    for (size_t i = 0; i < answer->n_models; i++)
        if (strcmp(answer->models[i]->name, name) == 0)
            return answer->models[i];
    return NULL;
}

/* What the phase asked for is done, or looked at. */
static void on_models(const vqlc_result *result, const Vql__V1__ListModelsResponse *answer,
                      void *arg)
{
    reload *r = arg;
    if (result->status != VQLC_OK) {
        (void)fprintf(stderr, "bench_reload: %s: %s: %s\n", phase_names[r->phase],
                      vqlc_status_name(result->status), result->message);
        exit(1);
    }
    if (r->phase == PHASE_LOAD) {
        begin(r, PHASE_REBUILD);
    } else if (r->phase == PHASE_REBUILD) {
        const Vql__V1__Model *model = find(answer, r->names[1]);
        if (model && model->ready)
            begin(r, PHASE_SWAP);
    }
}

static void on_timer(uv_timer_t *timer)
{
    reload *r = timer->data;
    const vqlc_call_options options = {.deadline_ms = 60000};
    if (r->phase == PHASE_REBUILD)
        (void)vqlc_models(r->load.channels[0], &options, on_models, r);
    else if (r->phase == PHASE_QUIET)
        if (r->left-- == 0)
            score_load_end(&r->load);
        else
            begin(r, PHASE_LOAD);
    else
        begin(r, r->phase == PHASE_SWAP ? PHASE_UNLOAD : PHASE_QUIET);
}

static void begin(reload *r, phase next)
{
    const vqlc_call_options options = {.deadline_ms = 60000};
    vqlc_channel *channel = r->load.channels[0];
    Vql__V1__LoadModelRequest load = VQL__V1__LOAD_MODEL_REQUEST__INIT;
    Vql__V1__ActivateModelRequest activate = VQL__V1__ACTIVATE_MODEL_REQUEST__INIT;
    Vql__V1__UnloadModelRequest unload = VQL__V1__UNLOAD_MODEL_REQUEST__INIT;
    load.name = activate.name = r->names[1];
    unload.name = r->names[0];
    (void)uv_timer_stop(&r->timer);
    r->phase = next;
    switch (next) {
    case PHASE_LOAD:
        (void)vqlc_load_model(channel, &load, &options, on_models, r);
        return;
    case PHASE_REBUILD:
        (void)uv_timer_start(&r->timer, on_timer, LOOK_MS, LOOK_MS);
        return;
    case PHASE_SWAP:
        (void)vqlc_activate_model(channel, &activate, &options, on_models, r);
        break;
    case PHASE_UNLOAD:
        (void)vqlc_unload_model(channel, &unload, &options, on_models, r);
        r->names[0] = r->names[1];
        r->names[1] = unload.name;
        break;
    case PHASE_QUIET:
    case PHASES:
        break;
    }
    (void)uv_timer_start(&r->timer, on_timer, SWAP_MS, 0);
}

static double percentile_ms(const reload *r, phase of, unsigned p)
{
    return r->counts[of] > 0 ? (double)latency_percentile(r->latencies[of], r->counts[of], p) * 1e-6
                             : 0;
}

static void print(reload *r)
{
    (void)printf("phase      requests    p50 ms    p99 ms   p99 / before\n");
    for (phase p = 0; p < PHASES; p++)
        latency_sort(r->latencies[p], r->counts[p]);
    for (phase p = 0; p < PHASES; p++)
        (void)printf("%-8s %10zu %9.2f %9.2f %14.2f\n", phase_names[p], r->counts[p],
                     percentile_ms(r, p, 50), percentile_ms(r, p, 99),
                     percentile_ms(r, p, 99) / percentile_ms(r, PHASE_QUIET, 99));
}

static void measure(reload *r)
{
    enum { ALWAYS = 1000000 };
    score_load *b = &r->load;
    const double capacity = score_load_run(b, 0, 3);
    (void)printf("capacity %.0f requests a second, of %zu candidates, %u users\n\n", capacity,
                 b->request.n_item_ids, b->users);
    b->on_served = on_served;
    b->context = r;
    (void)uv_timer_init(&b->loop, &r->timer);
    r->timer.data = r;
    begin(r, PHASE_QUIET);
    (void)score_load_run(b, capacity / 2, ALWAYS);
    uv_close((uv_handle_t *)&r->timer, NULL);
    print(r);
    (void)printf("\nrefused %llu, late %llu, failed %llu\n", (unsigned long long)b->refused,
                 (unsigned long long)b->late, (unsigned long long)b->failed);
}

int main(int argc, char **argv)
{
    static reload r;
    const long reloads = argc > 4 ? strtol(argv[4], NULL, 10) : 10;
    const long candidates = argc > 5 ? strtol(argv[5], NULL, 10) : 500;
    const long users = argc > 6 ? strtol(argv[6], NULL, 10) : 2000;
    if (argc < 4 || argc > 7 || reloads < 1 || reloads > 1000000 || candidates < 1 ||
        candidates > SCORE_LOAD_MOST_CANDIDATES || users < 1 || users > 1000000) {
        (void)fprintf(stderr, "usage: bench_reload HOST:PORT FIRST SECOND [RELOADS [CANDIDATES "
                              "[USERS]]]\n");
        return 2;
    }
    r.names[0] = argv[2];
    r.names[1] = argv[3];
    r.left = (unsigned)reloads;
    r.load.users = (uint32_t)users;
    for (phase p = 0; p < PHASES; p++) {
        r.latencies[p] = calloc(MOST_LATENCIES, sizeof *r.latencies[p]);
        if (!r.latencies[p])
            abort();
    }
    score_load_init(&r.load, argv[1], (size_t)candidates);
    score_load_append(&r.load);
    measure(&r);
    score_load_clear(&r.load);
    for (phase p = 0; p < PHASES; p++)
        free(r.latencies[p]);
    return 0;
}
