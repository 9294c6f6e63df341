/*
 * Ranks 1 … n with probabilities proportional to rank^-exponent, drawn by rejection-inversion
 * (Hörmann and Derflinger 1996): no table, whatever n.
 */
#ifndef VQL_CLIENT_LOAD_ZIPF_H
#define VQL_CLIENT_LOAD_ZIPF_H

#include "load_random.h"

typedef struct load_zipf {
    uint64_t n;
    double exponent;
    double first, last; /* the integral of the density at the ends */
    double near;        /* a draw that lies so near its rank is taken without a look */
} load_zipf;

/* n from 1 to 2^53, exponent above 0. */
void load_zipf_init(load_zipf *z, uint64_t n, double exponent);

uint64_t load_zipf_draw(const load_zipf *z, load_random *random);

#endif
