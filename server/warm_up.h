/*
 * A version is tried before it serves: it scores candidates that were asked for lately, for users
 * whose histories are made of them. So its tables have been read, and a model whose numbers are no
 * probabilities never serves.
 */
#ifndef VQL_SERVER_WARM_UP_H
#define VQL_SERVER_WARM_UP_H

#include "recent.h"
#include "version.h"
#include "vql/error.h"

/* Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE for a score that is no probability. */
vql_code warm_up(const version *v, recent *requests, vql_error *error);

#endif
