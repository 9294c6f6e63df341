/*
 * What impressions owe to the events before a reference time, summed up by codeword: for every head
 * and term of the kernel, of impressions j with c = ∂κ/∂(a term's decay) / Z · e^ŝ, a row of
 *
 *     Σ c g qᵀ [d, d] · Σ c (g·o) q [d] · Σ c g [d] · Σ c g·o · Σ c τ g [d] · Σ c τ g·o
 *
 * where g is the slope of o and τ the hours from the reference time to the impression. In the first
 * two parts d numbers are padded to whole vectors. An event l of the codeword, with
 * e = e^{-λ_r (t_ref - t_l)}, is then owed (vql.md §8)
 *
 *     dv = Σ_r e Σ c g,   dk = Σ_r e (Σ c q (g·v) - Σ c (g·o) q) / √d
 */
#ifndef VQL_TRAIN_SCAN_DEBT_H
#define VQL_TRAIN_SCAN_DEBT_H

#include "pass.h"

/* Numbers of a row, padded to whole vectors. */
size_t scan_debt_stride(const train_pass *pass);

/* Numbers of all rows. */
size_t scan_debt_size(const train_pass *pass);

/* The rows [K_g, stride] of a head and a term. */
loops_matrix scan_debt_rows(const train_pass *pass, float *debt, uint32_t head, uint32_t kernel);

/* Writes an impression's row without c: [stride]. */
void scan_debt_terms(const train_pass *pass, size_t impression, uint32_t head, float hours,
                     float *terms);

/* Moves the reference time back by hours >= 0. */
void scan_debt_retreat(const train_pass *pass, float *debt, double hours);

/*
 * Hands a row with the weights Σ e [R] and ages Σ (t_ref - t_l) e [R] of its events what it is
 * owed: adds to the thread's slopes of its key and value, of λ and of w.
 */
void scan_debt_pay(const train_pass *pass, pass_thread *thread, float *debt, uint32_t slot,
                   const float *weights, const float *ages);

#endif
