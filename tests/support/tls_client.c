#include "tls_client.h"

#include <check.h>
#include <openssl/err.h>
#include <string.h>

void tls_client_start(tls_client *c, const tls_client_options *options)
{
    *c = (tls_client){.context = SSL_CTX_new(TLS_client_method())};
    ck_assert_ptr_nonnull(c->context);
    SSL_CTX_set_security_level(c->context, 0);
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(c->context, 0), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(c->context, options->max_version), 1);
    if (options->ca) {
        ck_assert_int_eq(SSL_CTX_load_verify_file(c->context, options->ca), 1);
        SSL_CTX_set_verify(c->context, SSL_VERIFY_PEER, NULL);
    }
    if (options->certificate) {
        ck_assert_int_eq(
            SSL_CTX_use_certificate_file(c->context, options->certificate, SSL_FILETYPE_PEM), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(c->context, options->key, SSL_FILETYPE_PEM),
                         1);
    }
    if (options->alpn)
        ck_assert_int_eq(SSL_CTX_set_alpn_protos(c->context, (const uint8_t *)options->alpn,
                                                 (unsigned)strlen(options->alpn)),
                         0);
    if (options->ciphers)
        ck_assert_int_eq(SSL_CTX_set_cipher_list(c->context, options->ciphers), 1);
    c->ssl = SSL_new(c->context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    ck_assert(c->ssl && c->in && c->out);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    (void)SSL_do_handshake(c->ssl);
}

void tls_client_stop(tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    *c = (tls_client){0};
}

void tls_client_feed(tls_client *c, const uint8_t *bytes, size_t count)
{
    if (count > 0)
        ck_assert_int_eq(BIO_write(c->in, bytes, (int)count), (int)count);
    if (SSL_is_init_finished(c->ssl) || c->failed)
        return;
    const int result = SSL_do_handshake(c->ssl);
    c->failed = result != 1 && SSL_get_error(c->ssl, result) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
}

size_t tls_client_drain(tls_client *c, uint8_t *out, size_t capacity)
{
    const int count = BIO_read(c->out, out, (int)capacity);
    return count > 0 ? (size_t)count : 0;
}

bool tls_client_ready(const tls_client *c)
{
    return SSL_is_init_finished(c->ssl) && !c->failed;
}

void tls_client_write(tls_client *c, const void *bytes, size_t count)
{
    ck_assert_int_eq(SSL_write(c->ssl, bytes, (int)count), (int)count);
}

size_t tls_client_read(tls_client *c, void *out, size_t capacity)
{
    size_t count = 0;
    const int result = SSL_read_ex(c->ssl, out, capacity, &count);
    if (result != 1 && SSL_get_error(c->ssl, result) != SSL_ERROR_WANT_READ)
        c->failed = true;
    ERR_clear_error();
    return count;
}
