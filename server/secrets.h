/*
 * What the server knows from files that may change while it runs: its certificate and key, whose
 * certificates it takes from clients, and who may do what. They are read at the start, on SIGHUP,
 * and when a file has changed; what cannot be used is refused with a line in the log, and what was
 * there before stays.
 */
#ifndef VQL_SERVER_SECRETS_H
#define VQL_SERVER_SECRETS_H

#include <stdbool.h>

#include "config.h"
#include "credentials.h"
#include "file_stamp.h"
#include "gate.h"

enum { SECRETS_CREDENTIAL_FILES = 3 };

typedef struct secrets {
    credentials *credentials; /* NULL: no TLS */
    credential_files files;
    file_stamp stamps[SECRETS_CREDENTIAL_FILES]; /* of the last attempt */
    gate *gate;                                  /* NULL: everything is allowed */
    const char *tokens;                          /* NULL if gate is */
    file_stamp tokens_stamp;                     /* of the last attempt */
} secrets;

/*
 * Reads everything that the configuration, which must outlive the secrets, names. False: logged,
 * and there is nothing to free.
 */
bool secrets_load(secrets *s, const config *c);

/* Reads again what has changed, or all of it, and logs how that went. */
void secrets_reload(secrets *s, bool all);

/* Nobody uses them any more. */
void secrets_free(secrets *s);

#endif
