/*
 * What a run came to, as a table and as JSON.
 */
#ifndef VQL_CLIENT_LOAD_PRINT_H
#define VQL_CLIENT_LOAD_PRINT_H

#include <stdio.h>

#include "load_bench.h"

/* The quantiles that tables, JSON and plots have. */
enum { LOAD_QUANTILES = 8 };
extern const double load_quantiles[LOAD_QUANTILES];
extern const char *const load_quantile_names[LOAD_QUANTILES]; /* "99.9" */

/* Calls that were answered with OK, a second, up to the last answer. */
double load_result_rate(const load_result *r);

void load_print_table(FILE *file, const load_result *r);

#endif
