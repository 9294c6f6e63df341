/*
 * One head's columns of one moment, gathered so that inner loops run over neighbours, and attention
 * over them (vql.md §6, the first form, and §8's backward). Columns are what the caller says: rows
 * of the history, or codewords with the mean of their values.
 */
#ifndef VQL_TRAIN_PANEL_H
#define VQL_TRAIN_PANEL_H

#include "pass.h"

typedef struct train_panel {
    uint32_t head;
    size_t count;          /* of columns */
    size_t columns;        /* padded to a multiple of LOOPS_LANES */
    size_t width;          /* d, padded likewise */
    const float *weights;  /* κ: [columns], 0 beyond count */
    const uint32_t *slots; /* [count]: the rows of the columns; read by ATTENTION_HASH alone */
    const float *shared;   /* q · k of all heads: [impressions from first on, columns], or NULL */
    uint32_t first;        /* the moment's; with shared */

    /* What is filled in, zeros beyond count and d. */
    loops_matrix keys_across;   /* [d, columns], unless attention sees no keys */
    loops_matrix values;        /* [columns, width]: forward */
    loops_matrix values_across; /* [d, columns]: backward */
    loops_matrix keys;          /* [columns, width]: backward, unless attention sees no keys */

    /* What panel_backward adds to: zeros at first. Those of keys lack the factor 1 / √d. */
    loops_matrix key_slopes, value_slopes; /* [columns, width] */
    float *kappa;                          /* the slopes of log κ: [columns]; the caller's */
} train_panel;

/* Whether attention depends on keys. */
bool panel_sees_keys(const train_pass *pass);

/* A panel with room for what is filled in, in the thread's memory until its next call. */
train_panel panel_of(const train_pass *pass, pass_thread *thread, uint32_t head, size_t count,
                     bool backward);

/* Fills in a matrix of the panel from the columns' rows [count], of which each has d numbers. */
void panel_gather(const train_panel *panel, size_t depth, const float *const *rows,
                  loops_matrix narrow);
void panel_gather_across(const train_pass *pass, const train_panel *panel, size_t depth,
                         const float *const *rows, loops_matrix across);

/* Writes the head's o of the moment's impressions into pass->inputs. */
void panel_forward(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                   const train_moment *moment);

/*
 * From the slopes of o in pass->input_slopes, and o: writes the head's part of pass->query_slopes,
 * and adds to the panel's slopes. Writes α of the moment's impressions [count, columns] to alphas
 * unless NULL.
 */
void panel_backward(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                    const train_moment *moment, float *alphas);

#endif
