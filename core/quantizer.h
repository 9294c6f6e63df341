/*
 * Keys and their codes (vql.md §3 and §4), in float64 over the model's float32 parameters, so that
 * every implementation that does the same agrees on near-ties:
 *
 *     W_k [x_i ‖ e_a] = (W_k's item part) x_i + (W_k's type part) e_a
 *                       once an item            once an event type, here
 *     k = norm(that),  z^g = argmin_a ‖k^g − C_a^g‖²,  ties to the lowest index
 *
 * A quantizer has scratch space: it belongs to one thread. The model must outlive it.
 */
#ifndef VQL_CORE_QUANTIZER_H
#define VQL_CORE_QUANTIZER_H

#include <stdint.h>

#include "matrix.h"
#include "model_data.h"

typedef struct vql_quantizer {
    const vql_model *model;
    vql_matrix key;        /* W_k: [D, X+E_a] */
    vql_matrix *codebooks; /* [G] of [K_g, D_g] */
    double *type_parts;    /* [A, D] */
    double *scratch;       /* [max(D, E_a)] */
    double *distances;     /* [max K_g] */
} vql_quantizer;

/* Returns VQL_OK or VQL_NO_MEMORY, with *out as it was. */
vql_code vql_quantizer_init(const vql_allocator *allocator, const vql_model *model,
                            vql_quantizer *out);

/* Releases what init allocated, from the same allocator. */
void vql_quantizer_release(const vql_allocator *allocator, vql_quantizer *quantizer);

/* part = (W_k's item part) x: D numbers of the X in x. */
void vql_quantizer_item_part(const vql_quantizer *quantizer, const double *x, double *part);

/* The key k of an item, by its part, under an event type: D numbers. */
void vql_quantizer_key(const vql_quantizer *quantizer, const double *item_part, uint32_t event_type,
                       double *key);

/* The codes of an item, by its part, under an event type: G numbers. */
void vql_quantizer_codes(vql_quantizer *quantizer, const double *item_part, uint32_t event_type,
                         uint16_t *codes);

/* norm of §3 in place: each head of the D numbers divided by sqrt(mean(x²) + rms_epsilon). */
void vql_norm(const vql_model *model, double *x);

#endif
