/*
 * How a program's connections are made, as its options say: encrypted or not, with a token or
 * without.
 */
#ifndef VQL_CLIENT_DIALING_H
#define VQL_CLIENT_DIALING_H

#include <stddef.h>

#include "vqlclient.h"

/* The options' texts, each NULL if it was not given. Any of TLS asks for it. */
typedef struct dialing_options {
    const char *server;
    const char *token, *token_file;
    bool tls;
    const char *tls_ca, *tls_cert, *tls_key, *tls_server_name;
} dialing_options;

typedef struct dialing {
    vqlc_tls *tls;                        /* NULL: none */
    char token[VQLC_MAX_TOKEN_BYTES + 2]; /* "": none */
} dialing;

/*
 * False: error, of error_bytes, names the option and what is wrong with it, and there is nothing to
 * clear.
 */
bool dialing_init(dialing *d, const dialing_options *options, char *error, size_t error_bytes);

/* After everything that uses it. */
void dialing_clear(dialing *d);

#endif
