/*
 * OpenSSL's own client between memory BIOs, for tests of the server's TLS: independent of it, and
 * as right or wrong as the test wants.
 */
#ifndef VQL_TESTS_TLS_CLIENT_H
#define VQL_TESTS_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tls_client_options {
    const char *ca;          /* whom it trusts; NULL: anybody */
    const char *certificate; /* its own; NULL: none */
    const char *key;
    const char *alpn;    /* as in the protocol, "\2h2"; NULL: none */
    int max_version;     /* TLS1_2_VERSION; 0: the newest */
    const char *ciphers; /* of TLS 1.2; NULL: all */
} tls_client_options;

typedef struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    bool failed;
} tls_client;

void tls_client_start(tls_client *c, const tls_client_options *options);
void tls_client_stop(tls_client *c);

/* Bytes from the server and for it; at most capacity, returning how many. */
void tls_client_feed(tls_client *c, const uint8_t *bytes, size_t count);
size_t tls_client_drain(tls_client *c, uint8_t *out, size_t capacity);

/* Whether the handshake is done. */
bool tls_client_ready(const tls_client *c);

/* Plaintext to the server, and from it. */
void tls_client_write(tls_client *c, const void *bytes, size_t count);
size_t tls_client_read(tls_client *c, void *out, size_t capacity);

#endif
