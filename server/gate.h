/*
 * Who may call what: the tokens of a file, for all threads, read again while they are in use.
 *
 *   authorization: Bearer TOKEN ──SHA-256──> token ──> its scopes, its tenant
 *
 * A thread looks at tokens through a view of its own, which takes no lock unless they have changed.
 * Calls that were allowed go on when their token is taken away; the next is refused.
 */
#ifndef VQL_SERVER_GATE_H
#define VQL_SERVER_GATE_H

#include <stdbool.h>

#include "grpc.h"
#include "tenant.h"
#include "token.h"

typedef struct gate gate;

/*
 * Reads the tokens of a file, whose path must outlive what is made of it. NULL: *error says why.
 */
gate *gate_load(const char *path, token_error *error);

/* Reads the file again. False: *error says why, and all is as it was. */
bool gate_reload(gate *g, token_error *error);

/* How many tokens there are. */
size_t gate_count(const gate *g);

/* No thread has a view, or a call, any more. NULL is ignored. */
void gate_free(gate *g);

typedef struct gate_view gate_view;

/* One thread's view. NULL: no memory. */
gate_view *gate_view_new(gate *g);

/* NULL is ignored. */
void gate_view_free(gate_view *v);

/*
 * Whether the authorization field of a request allows what needs `scope`, which is not
 * TOKEN_SCOPE_NONE: *on_behalf is then the token's tenant, valid until gate_free. Otherwise
 * *error says what is wanted (UNAUTHENTICATED, PERMISSION_DENIED), and nothing of what was given.
 */
grpc_status gate_check(gate_view *v, token_scope scope, const char *authorization,
                       tenant **on_behalf, grpc_error *error);

#endif
