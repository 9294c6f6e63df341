/*
 * Whether answers are right: their form, and scores against those that libvqlclient got to the same
 * requests before the run, from the same server or another.
 */
#ifndef VQL_CLIENT_LOAD_VERIFY_H
#define VQL_CLIENT_LOAD_VERIFY_H

#include "load_bench.h"

typedef struct load_verify load_verify;

/*
 * Asks for the answers to compare with. NULL: error says why there are none. The bench must outlive
 * it.
 */
load_verify *load_verify_new(const load_bench *b, settings_error *error);
void load_verify_free(load_verify *v);

/* load_run_options' before_call and on_answer, with v. */
void load_verify_before(load_verify *v, load_request *request);
vqlc_status load_verify_answer(load_verify *v, const load_call *call, const load_answer *answer);

/* How many answers were looked at, and how many of them compared with another. */
uint64_t load_verify_seen(const load_verify *v);
uint64_t load_verify_compared(const load_verify *v);

/* How many were wrong, and what was wrong with the first; "": nothing. */
uint64_t load_verify_wrong(const load_verify *v);
const char *load_verify_text(const load_verify *v);

#endif
