#include "ctl_ranking.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"

/* A candidate's place in the request and what it is ranked by. */
typedef struct ranked {
    float score;
    size_t index;
} ranked;

static int compare(const void *left, const void *right)
{
    const ranked *a = left;
    const ranked *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return (a->index > b->index) - (a->index < b->index);
}

const char *ranking_make(ranking *r, const Vql__V1__ScoreRequest *request,
                         const Vql__V1__ScoreResponse *answer, size_t top)
{
    const size_t count = request->n_item_ids;
    *r = (ranking){
        .user_id = request->user_id,
        .item_ids = request->item_ids,
        .answer = answer,
        .count = count,
        .top = top > 0 && top < count ? top : count,
    };
    if (answer->n_tasks == 0 || answer->n_scores % answer->n_tasks != 0 ||
        answer->n_scores / answer->n_tasks != count)
        return "the answer does not have a score for each candidate and task";
    ranked *candidates = calloc(count, sizeof *candidates);
    r->order = calloc(count, sizeof *r->order);
    if (candidates == NULL || r->order == NULL) {
        free(candidates);
        ranking_free(r);
        return "out of memory";
    }
    for (size_t i = 0; i < count; i++)
        candidates[i] = (ranked){answer->scores[i * answer->n_tasks], i};
    qsort(candidates, count, sizeof *candidates, compare);
    for (size_t i = 0; i < count; i++)
        r->order[i] = candidates[i].index;
    free(candidates);
    return NULL;
}

void ranking_free(ranking *r)
{
    free(r->order);
    r->order = NULL;
}

/* The number of digits of the printed candidate with the longest id, or more. */
static int item_width(const ranking *r)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < r->top; i++) {
        const uint64_t item = r->item_ids[r->order[i]];
        largest = item > largest ? item : largest;
    }
    const int digits = snprintf(NULL, 0, "%" PRIu64, largest);
    return digits > 6 ? digits : 6;
}

/* The width of a task's column: its name and its numbers fit. */
static int task_width(const char *task)
{
    const size_t length = strlen(task);
    return length > 8 ? (int)length : 8;
}

static void print_latency_table(const ranking_latency *l)
{
    (void)printf("\nrequests    p50 ms    p90 ms    p99 ms    max ms\n"
                 "%8zu  %8.3f  %8.3f  %8.3f  %8.3f\n",
                 l->requests, l->p50_ms, l->p90_ms, l->p99_ms, l->max_ms);
}

void ranking_print_table(const ranking *r)
{
    const Vql__V1__ScoreResponse *answer = r->answer;
    const int width = item_width(r);
    (void)printf("rank  %*s", width, "item");
    for (size_t t = 0; t < answer->n_tasks; t++)
        (void)printf("  %*s", task_width(answer->tasks[t]), answer->tasks[t]);
    (void)printf("\n");
    for (size_t i = 0; i < r->top; i++) {
        const size_t index = r->order[i];
        (void)printf("%4zu  %*" PRIu64, i + 1, width, r->item_ids[index]);
        for (size_t t = 0; t < answer->n_tasks; t++) {
            (void)printf("  %*.6f", task_width(answer->tasks[t]),
                         (double)answer->scores[index * answer->n_tasks + t]);
        }
        (void)printf("\n");
    }
    (void)printf("user %" PRIu64 ": %" PRIu64 " events, model %s, %" PRIu32 " unknown items%s\n",
                 r->user_id, answer->sequence, answer->model, answer->unknown_items,
                 answer->unknown_user ? ", no history" : "");
    if (r->latency.requests > 1)
        print_latency_table(&r->latency);
}

static void print_candidate_json(const ranking *r, size_t rank)
{
    const Vql__V1__ScoreResponse *answer = r->answer;
    const size_t index = r->order[rank];
    (void)printf("%s{\"item\": %" PRIu64 ", \"scores\": {", rank > 0 ? ", " : "",
                 r->item_ids[index]);
    for (size_t t = 0; t < answer->n_tasks; t++) {
        (void)printf("%s", t > 0 ? ", " : "");
        print_json_string(stdout, answer->tasks[t]);
        (void)printf(": %.9g", (double)answer->scores[index * answer->n_tasks + t]);
    }
    (void)printf("}}");
}

void ranking_print_json(const ranking *r)
{
    const Vql__V1__ScoreResponse *answer = r->answer;
    (void)printf("{\"user\": %" PRIu64 ", \"sequence\": %" PRIu64 ", \"model\": ", r->user_id,
                 answer->sequence);
    print_json_string(stdout, answer->model);
    (void)printf(", \"unknown_items\": %" PRIu32 ", \"unknown_user\": %s, \"candidates\": [",
                 answer->unknown_items, answer->unknown_user ? "true" : "false");
    for (size_t i = 0; i < r->top; i++)
        print_candidate_json(r, i);
    (void)printf("]");
    const ranking_latency *l = &r->latency;
    if (l->requests > 1) {
        (void)printf(", \"latency_ms\": {\"requests\": %zu, \"p50\": %.3f, \"p90\": %.3f, "
                     "\"p99\": %.3f, \"max\": %.3f}",
                     l->requests, l->p50_ms, l->p90_ms, l->p99_ms, l->max_ms);
    }
    (void)printf("}\n");
}
