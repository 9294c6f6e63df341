/*
 * What a moment attends to: columns, each a distinct row of its history (of attention
 * that chooses among events, an event) with its weight of the temporal kernel,
 *
 *     κ_h[u] = Σ_r w_{h,r} f_r P_r[u],   P_r[u] = Σ e^{-λ_r (t_ref - t_l)} over the row's events l
 *     f_r = e^{-(λ_r - min λ)(t - t_ref)}
 *
 * with t_ref the time of the last event; what all f_r have in common cancels (vql.md §6).
 */
#ifndef VQL_TRAIN_COLUMNS_H
#define VQL_TRAIN_COLUMNS_H

#include "pass.h"

typedef struct train_columns {
    size_t count;    /* of columns */
    size_t padded;   /* a multiple of LOOPS_LANES; what is beyond count weighs 0 */
    uint32_t *slots; /* [count] */
    float *sums;     /* P: [R, padded] */
    float *ages;     /* Σ (t_ref - t_l) e^{…}, in hours: [R, padded]; NULL unless asked for */
    float *weights;  /* κ: [H, padded] */
    double delay;    /* t - t_ref, in hours */
    float factors[TRAIN_MAX_KERNELS]; /* f: [R] */
} train_columns;

/* The columns of a moment with a history, in the thread's memory until its next call. */
train_columns columns_of(const train_pass *pass, pass_thread *thread, const train_moment *moment,
                         bool ages);

/* Adds to the slopes of λ and w, from slopes [H, padded] of log κ. */
void columns_backward(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                      const float *slopes);

#endif
