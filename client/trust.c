#include "trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TLS 1.2: those that RFC 9113 appendix A does not forbid. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* "h2", with its length before it. */
static const unsigned char alpn_h2[] = {2, 'h', '2'};

/* What is wrong with which file. */
typedef struct complaint {
    char *text;
    size_t bytes;
} complaint;

/* Says what is wrong with a file, and returns false. */
static bool refuse(const complaint *c, const char *file, const char *why)
{
    (void)snprintf(c->text, c->bytes, "%.300s: %s", file, why);
    ERR_clear_error();
    return false;
}

/* The same in OpenSSL's words. */
static bool refuse_by_openssl(const complaint *c, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return refuse(c, file, reason != NULL ? reason : "cannot be used");
}

static bool check_readable(const complaint *c, const char *file)
{
    FILE *opened = fopen(file, "r");
    if (opened == NULL)
        return refuse(c, file, strerror(errno));
    (void)fclose(opened);
    return true;
}

static bool use_ca(SSL_CTX *context, const char *file, const complaint *c)
{
    if (file == NULL)
        return SSL_CTX_set_default_verify_paths(context) == 1 ||
               refuse_by_openssl(c, "the system's certificates");
    return check_readable(c, file) &&
           (SSL_CTX_load_verify_file(context, file) == 1 || refuse_by_openssl(c, file));
}

/* Asked for when a key is encrypted: nobody is there to type a password. */
static int no_password(char *buffer, int capacity, int writing, void *context)
{
    (void)writing;
    (void)context;
    if (capacity > 0)
        *buffer = '\0';
    return -1;
}

static bool use_certificate(SSL_CTX *context, const vqlc_tls_options *options, const complaint *c)
{
    const char *certificate = options->certificate_file;
    const char *key = options->key_file;
    if (certificate == NULL && key == NULL)
        return true;
    if (certificate == NULL || key == NULL)
        return refuse(c, certificate != NULL ? certificate : key,
                      "a certificate and its key are needed together");
    SSL_CTX_set_default_passwd_cb(context, no_password);
    if (!check_readable(c, certificate) || !check_readable(c, key))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return refuse_by_openssl(c, certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return refuse_by_openssl(c, key);
    return true;
}

static bool configure(SSL_CTX *context, const complaint *c)
{
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
            SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
            SSL_CTX_set_alpn_protos(context, alpn_h2, sizeof alpn_h2) == 0) ||
           refuse_by_openssl(c, "OpenSSL");
}

vqlc_tls *vqlc_tls_new(const vqlc_tls_options *options, char *error, size_t error_bytes)
{
    complaint c = {.bytes = error_bytes};
    c.text = error;
    vqlc_tls *tls = calloc(1, sizeof *tls);
    if (tls != NULL)
        tls->context = SSL_CTX_new(TLS_client_method());
    if (tls != NULL && options->server_name != NULL)
        tls->server_name = strdup(options->server_name);
    const bool made = tls != NULL && tls->context != NULL &&
                      (tls->server_name != NULL || options->server_name == NULL);
    if (!made)
        (void)refuse(&c, "TLS", "no memory");
    if (made && configure(tls->context, &c) && use_ca(tls->context, options->ca_file, &c) &&
        use_certificate(tls->context, options, &c))
        return tls;
    vqlc_tls_free(tls);
    return NULL;
}

void vqlc_tls_free(vqlc_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls->server_name);
    free(tls);
}
