#include <stdlib.h>

#include "ctl_candidates.h"
#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_latency.h"
#include "ctl_ranking.h"

#define MAX_REPEAT 1000000

static const ctl_option options[] = {
    {"candidates", "VQL_CANDIDATES", "FILE", NULL,
     "more items: a column item_id, or one id a line; '-' is standard input"},
    {"time", "VQL_TIME", "MS", "0", "the time to score at; 0: the server's now"},
    {"top", "VQL_TOP", "K", "0", "print the best K only, by the first task; 0: all"},
    {"repeat", "VQL_REPEAT", "N", "1", "send the request N times and print its latencies"},
    {"min-sequence", "VQL_MIN_SEQUENCE", "N", "0", "refuse to score a history of fewer events"},
    {"model", "VQL_SCORE_MODEL", "NAME", "", "the model's version; empty: the active one"},
};

/* One command: the request, and what the answers to it bring. */
typedef struct scoring {
    ctl_client client;
    candidates candidates;
    Vql__V1__ScoreRequest request;
    size_t top;
    bool json;
    uint64_t *latencies_ns; /* [repeat] */
    size_t repeat;
    size_t answered;
    uint64_t sent_ns;
} scoring;

static void send_request(scoring *s);

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

/* Prints the answer; the last of them when the request was repeated. */
static void print_answer(scoring *s, const Vql__V1__ScoreResponse *answer)
{
    ranking r;
    const char *error = ranking_make(&r, &s->request, answer, s->top);
    if (error != NULL) {
        ctl_complain("%s", error);
        s->client.exit = CTL_REFUSED;
        return;
    }
    latency_sort(s->latencies_ns, s->repeat);
    r.latency = (ranking_latency){
        .requests = s->repeat,
        .p50_ms = milliseconds(latency_percentile(s->latencies_ns, s->repeat, 50)),
        .p90_ms = milliseconds(latency_percentile(s->latencies_ns, s->repeat, 90)),
        .p99_ms = milliseconds(latency_percentile(s->latencies_ns, s->repeat, 99)),
        .max_ms = milliseconds(s->latencies_ns[s->repeat - 1]),
    };
    if (s->json)
        ranking_print_json(&r);
    else
        ranking_print_table(&r);
    ranking_free(&r);
}

static void on_score(const vqlc_result *result, const Vql__V1__ScoreResponse *answer, void *arg)
{
    scoring *s = arg;
    const uint64_t now_ns = uv_hrtime();
    if (!ctl_client_answered(&s->client, result))
        return;
    s->latencies_ns[s->answered++] = now_ns - s->sent_ns;
    if (s->answered < s->repeat)
        send_request(s);
    else
        print_answer(s, answer);
}

static void send_request(scoring *s)
{
    s->sent_ns = uv_hrtime();
    ctl_client_expect(&s->client,
                      vqlc_score(s->client.channel, &s->request, &s->client.options, on_score, s));
}

/* Collects the candidates: those of the operands after the user, then those of --candidates. */
static ctl_exit collect_candidates(scoring *s, const ctl_arguments *arguments)
{
    for (int i = 1; i < arguments->operand_count; i++) {
        uint64_t item_id;
        if (!ctl_operand_number(arguments, i, "ITEM", &item_id))
            return CTL_USAGE;
        if (!candidates_add(&s->candidates, item_id))
            return ctl_no_memory();
    }
    const char *path = ctl_text(arguments, "candidates");
    return path != NULL ? candidates_read(&s->candidates, path) : CTL_OK;
}

/* Makes the request of the command line. */
static ctl_exit make_request(scoring *s, const ctl_arguments *arguments)
{
    uint64_t user_id;
    uint64_t time_ms;
    uint64_t top;
    uint64_t repeat;
    uint64_t min_sequence;
    if (!ctl_operand_number(arguments, 0, "USER", &user_id) ||
        !ctl_number(arguments, "time", 0, INT64_MAX, &time_ms) ||
        !ctl_number(arguments, "top", 0, UINT32_MAX, &top) ||
        !ctl_number(arguments, "repeat", 1, MAX_REPEAT, &repeat) ||
        !ctl_number(arguments, "min-sequence", 0, UINT64_MAX, &min_sequence) ||
        !ctl_format(arguments, &s->json))
        return CTL_USAGE;
    const ctl_exit code = collect_candidates(s, arguments);
    if (code != CTL_OK)
        return code;
    s->latencies_ns = calloc(repeat, sizeof *s->latencies_ns);
    if (s->latencies_ns == NULL)
        return ctl_no_memory();
    s->repeat = repeat;
    s->top = top;
    vql__v1__score_request__init(&s->request);
    s->request.user_id = user_id;
    s->request.time_ms = (int64_t)time_ms;
    s->request.min_sequence = min_sequence;
    s->request.model = (char *)(uintptr_t)ctl_text(arguments, "model"); /* not written to */
    s->request.item_ids = s->candidates.item_ids;
    s->request.n_item_ids = s->candidates.count;
    return CTL_OK;
}

/* Asks something else first, so that no measured request has to wait for the connection. */
static ctl_exit connect_first(scoring *s)
{
    event_types types;
    const ctl_exit code = ctl_client_event_types(&s->client, &types);
    event_types_free(&types);
    return code;
}

static ctl_exit run(const ctl_arguments *arguments)
{
    scoring s = {.top = 0};
    ctl_exit code = make_request(&s, arguments);
    if (code == CTL_OK)
        code = ctl_client_open(&s.client, arguments);
    if (code == CTL_OK) {
        code = s.repeat > 1 ? connect_first(&s) : CTL_OK;
        if (code == CTL_OK) {
            send_request(&s);
            code = ctl_client_wait(&s.client);
        }
        ctl_client_close(&s.client);
    }
    free(s.latencies_ns);
    candidates_free(&s.candidates);
    return code;
}

const ctl_command ctl_score_command = {
    .name = "score",
    .operands = "USER [ITEM ...]",
    .min_operands = 1,
    .max_operands = 1 << 20,
    .help = "Scores candidate items for a user and prints them, best first.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
