/*
 * All that a measurement came to, as JSON and as a page with plots that needs no other file.
 */
#ifndef VQL_CLIENT_LOAD_REPORT_H
#define VQL_CLIENT_LOAD_REPORT_H

#include <stdio.h>

#include "load_bench.h"
#include "load_search.h"
#include "load_verify.h"

typedef struct load_report {
    const load_settings *settings;
    load_result *results[LOAD_MAX_TRIALS]; /* one, or the trials of a search, in order; owned */
    size_t count;
    const load_result *chosen; /* the one that figures are of; NULL: no rate held */
    const load_verify *verify; /* NULL: nothing was verified */
} load_report;

/* False: there is no memory, or the file cannot be written. */
bool load_report_json(const load_report *r, FILE *file);
bool load_report_html(const load_report *r, FILE *file);

#endif
