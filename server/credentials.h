/*
 * What the server shows its clients and asks of them in TLS: the certificate, its key, and who may
 * sign clients' certificates. Read from files when the server starts and again whenever they
 * change; connections that are open keep what they began with.
 *
 *   TLS 1.3, and TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9113 §9.2 and
 *   appendix A); ALPN "h2", refused otherwise; no renegotiation, no compression, no resumption: a
 *   client whose certificate is not taken any more cannot come back by an old session.
 *
 * Any thread may begin a connection while another reloads.
 */
#ifndef VQL_SERVER_CREDENTIALS_H
#define VQL_SERVER_CREDENTIALS_H

#include <stdbool.h>

typedef struct credentials credentials;

/* The paths must outlive the credentials made of them. */
typedef struct credential_files {
    const char *certificate; /* PEM: the server's own first, then what leads to its root */
    const char *key;         /* PEM, unencrypted, not for others to read */
    const char *client_ca;   /* PEM: who may sign clients' certificates; NULL: none is asked for */
} credential_files;

/* Names the file and what is wrong with it. */
typedef struct credentials_error {
    char text[512];
} credentials_error;

/*
 * Reads and checks the files: that they can be read, belong together and are valid today, and that
 * the key is private. NULL: *error says why.
 */
credentials *credentials_load(const credential_files *files, credentials_error *error);

/*
 * Reads the files again; connections that begin from now on use what they say. False: *error says
 * why, and all is as it was.
 */
bool credentials_reload(credentials *c, credentials_error *error);

/* No connection begins any more; those that are open go on. NULL is ignored. */
void credentials_free(credentials *c);

/* An SSL object of OpenSSL's for a connection that a client has opened; NULL: no memory. */
struct ssl_st *credentials_accept(credentials *c);

#endif
