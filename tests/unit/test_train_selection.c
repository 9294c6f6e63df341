/*
 * Which events attention that chooses among them keeps, against a choice of one event at a time.
 */
#include <math.h>
#include <stdlib.h>

#include "check_main.h"
#include "selection.h"

enum { MOST_EVENTS = 90 };

/* Whether event i is among the `most` of the largest logits, of equal ones the later. */
static bool is_kept(const float *logits, size_t count, size_t most, size_t i)
{
    size_t before = 0;
    for (size_t j = 0; j < count; j++)
        before += logits[j] > logits[i] || (logits[j] == logits[i] && j > i);
    return before < most;
}

/* Histories of a few rows that repeat: many events have the same logit. */
START_TEST(counts_events)
{
    memory_buffer room = {0};
    for (size_t count = 1; count <= MOST_EVENTS; count++)
        for (size_t most = 1; most <= count + 1; most += 1 + count / 7) {
            float logits[MOST_EVENTS], weights[MOST_EVENTS + LOOPS_LANES] = {0.0F};
            const size_t rows = 1 + (count * 13 + most * 7) % count;
            for (size_t i = 0; i < count; i++) {
                logits[i] = sinf((float)(i * i % rows));
                weights[i] = (float)(i + 1);
            }
            const train_panel panel = {
                .count = count, .columns = loops_padded(count), .weights = weights};
            const float *chosen = selection_top(&room, &panel, logits, most);
            size_t kept = 0;
            for (size_t i = 0; i < count; i++) {
                const bool wanted = is_kept(logits, count, most, i);
                ck_assert_float_eq(chosen[i], wanted ? weights[i] : 0.0F);
                kept += chosen[i] > 0.0F;
            }
            ck_assert_uint_eq(kept, most < count ? most : count);
            for (size_t i = count; i < panel.columns; i++)
                ck_assert_float_eq(chosen[i], 0.0F);
        }
    free(room.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_selection");
    TCase *all = tcase_create("all");
    tcase_add_test(all, counts_events);
    suite_add_tcase(suite, all);
    return check_main(suite);
}
