#include "tunnel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust.h"

/* What one record carries (RFC 8446 §5.1). */
#define PLAIN_BYTES 16384

/* The longest flight of a handshake that waits to be sent. */
#define SAID_BYTES (64 << 10)

struct tunnel {
    SSL *ssl;
    bool ready;
    char error[256];

    /* What the server sent and OpenSSL has not taken; the caller's. */
    const uint8_t *in;
    size_t in_bytes;

    /* Where OpenSSL writes: the caller's memory inside tunnel_drain, or else `said`. */
    uint8_t *out;
    size_t out_room;
    size_t said_bytes;
    uint8_t said[SAID_BYTES];
    uint8_t plain[PLAIN_BYTES]; /* before it is encrypted, or after it was decrypted */
};

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *count)
{
    tunnel *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *count = t->in_bytes < capacity ? t->in_bytes : capacity;
    if (*count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, t->in, *count);
    t->in += *count;
    t->in_bytes -= *count;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *written)
{
    tunnel *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    if (count > (t->out != NULL ? t->out_room : sizeof t->said - t->said_bytes))
        return 0;
    if (t->out != NULL) {
        memcpy(t->out, bytes, count);
        t->out += count;
        t->out_room -= count;
    } else {
        memcpy(t->said + t->said_bytes, bytes, count);
        t->said_bytes += count;
    }
    *written = count;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent memory");
    if (method == NULL)
        return;
    (void)BIO_meth_set_read_ex(method, bio_read);
    (void)BIO_meth_set_write_ex(method, bio_write);
    (void)BIO_meth_set_ctrl(method, bio_control);
}

static BIO *new_bio(tunnel *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* The name that the certificate must have, and that the server is told if it is no address. */
static bool set_name(SSL *ssl, const char *name)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* OpenSSL's macro drops const, though nothing is written. */
    if (address == NULL && SSL_set_tlsext_host_name(ssl, (uintptr_t)name) != 1)
        return false;
    return SSL_set1_host(ssl, name) == 1;
}

/* Notes that the connection cannot go on. */
static void set_error(tunnel *t, const char *why)
{
    const long verified = SSL_get_verify_result(t->ssl);
    const bool refused = !t->ready && verified != X509_V_OK;
    (void)snprintf(t->error, sizeof t->error, "TLS: %s%s%s", why, refused ? ": " : "",
                   refused ? X509_verify_cert_error_string(verified) : "");
    t->in_bytes = 0;
}

static void note_failure(tunnel *t, int result)
{
    const int error = SSL_get_error(t->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (error == SSL_ERROR_ZERO_RETURN)
        set_error(t, "the server closed it");
    else
        set_error(t, reason != NULL ? reason : "the connection cannot go on");
}

/* After a step of the handshake: whether it is done, and agreed on HTTP/2. */
static void check_ready(tunnel *t)
{
    if (t->ready || t->error[0] != '\0' || !SSL_is_init_finished(t->ssl))
        return;
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(t->ssl, &chosen, &length);
    if (length == 2 && memcmp(chosen, "h2", 2) == 0)
        t->ready = true;
    else
        set_error(t, "the server does not speak HTTP/2");
}

tunnel *tunnel_new(const vqlc_tls *tls, const char *host)
{
    tunnel *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->ssl = SSL_new(tls->context);
    BIO *bio = t->ssl != NULL ? new_bio(t) : NULL;
    if (bio == NULL) {
        tunnel_free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    if (!set_name(t->ssl, tls->server_name != NULL ? tls->server_name : host)) {
        tunnel_free(t);
        return NULL;
    }
    const int result = SSL_do_handshake(t->ssl);
    note_failure(t, result);
    return t;
}

void tunnel_free(tunnel *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    OPENSSL_cleanse(t->plain, sizeof t->plain);
    free(t);
}

void tunnel_feed(tunnel *t, const uint8_t *bytes, size_t count)
{
    t->in = bytes;
    t->in_bytes = count;
}

size_t tunnel_read(tunnel *t, const uint8_t **plaintext)
{
    size_t count = 0;
    *plaintext = t->plain;
    if (t->error[0] != '\0')
        return 0;
    ERR_clear_error();
    const int result = SSL_read_ex(t->ssl, t->plain, sizeof t->plain, &count);
    if (result != 1)
        note_failure(t, result);
    check_ready(t);
    return t->error[0] == '\0' ? count : 0;
}

/* Moves what TLS itself has to say. */
static size_t drain_said(tunnel *t, uint8_t *out, size_t capacity)
{
    const size_t count = t->said_bytes < capacity ? t->said_bytes : capacity;
    memcpy(out, t->said, count);
    memmove(t->said, t->said + count, t->said_bytes - count);
    t->said_bytes -= count;
    return count;
}

size_t tunnel_drain(tunnel *t, const tunnel_source *source, uint8_t *out, size_t capacity)
{
    size_t used = drain_said(t, out, capacity);
    while (t->ready && t->error[0] == '\0' && capacity - used >= TUNNEL_RECORD_BYTES) {
        const size_t count = source->drain(source->context, t->plain, sizeof t->plain);
        if (count == 0)
            break;
        size_t written;
        ERR_clear_error();
        t->out = out + used;
        t->out_room = capacity - used;
        const int result = SSL_write_ex(t->ssl, t->plain, count, &written);
        used = capacity - t->out_room;
        t->out = NULL;
        if (result != 1)
            note_failure(t, result);
    }
    return used;
}

bool tunnel_ready(const tunnel *t)
{
    return t->ready;
}

const char *tunnel_error(const tunnel *t)
{
    return t->error[0] != '\0' ? t->error : NULL;
}
