#include "load_zipf.h"

#include <math.h>

/* expm1(x) / x, and log1p(x) / x, which are 1 at 0. */
static double expm1_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double density(const load_zipf *z, double x)
{
    return exp(-z->exponent * log(x));
}

static double integral(const load_zipf *z, double x)
{
    return expm1_ratio((1 - z->exponent) * log(x)) * log(x);
}

static double integral_inverse(const load_zipf *z, double y)
{
    return exp(log1p_ratio(fmax(y * (1 - z->exponent), -1)) * y);
}

void load_zipf_init(load_zipf *z, uint64_t n, double exponent)
{
    *z = (load_zipf){.n = n, .exponent = exponent};
    z->first = integral(z, 1.5) - 1;
    z->last = integral(z, (double)n + 0.5);
    z->near = 2 - integral_inverse(z, integral(z, 2.5) - density(z, 2));
}

uint64_t load_zipf_draw(const load_zipf *z, load_random *random)
{
    for (;;) {
        const double y = z->last + load_random_unit(random) * (z->first - z->last);
        const double x = integral_inverse(z, y);
        const double rank = fmin(fmax(round(x), 1), (double)z->n);
        if (rank - x <= z->near || y >= integral(z, rank + 0.5) - density(z, rank))
            return (uint64_t)rank;
    }
}
