/*
 * The inside of a vqlc_tls, for tunnel.c.
 */
#ifndef VQL_CLIENT_TRUST_H
#define VQL_CLIENT_TRUST_H

#include <openssl/types.h>

#include "vqlclient.h"

struct vqlc_tls {
    SSL_CTX *context;
    char *server_name; /* NULL: the host that is connected to */
};

#endif
