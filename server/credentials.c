#include "credentials.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ALPN's name of HTTP/2 over TLS (RFC 9113 §3.2), with its length before it as in the protocol. */
static const unsigned char alpn_h2[] = {2, 'h', '2'};

/* TLS 1.2: those that RFC 9113 appendix A does not forbid. TLS 1.3 has no others. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* Modes of a key file that are refused: others than its user and group have no business there. */
enum { OTHERS = S_IROTH | S_IWOTH | S_IXOTH, TIME_BYTES = 64 };

struct credentials {
    credential_files files;
    pthread_mutex_t mutex; /* of current */
    SSL_CTX *current;
};

/* Writes the error's text and returns false. */
__attribute__((format(printf, 2, 3))) static bool fail(credentials_error *error, const char *format,
                                                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

/* fail with OpenSSL's own reason behind the words. */
static bool fail_with_reason(credentials_error *error, const char *option, const char *file)
{
    const unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return fail(error, "%s: %.300s: %s", option, file, reason ? reason : "cannot be used");
}

/* Opens a file of the option. NULL: the error says why. */
static FILE *open_file(const char *option, const char *file, credentials_error *error)
{
    FILE *opened = fopen(file, "re");
    if (!opened)
        (void)fail(error, "%s: cannot read %.300s: %s", option, file, strerror(errno));
    return opened;
}

static bool check_readable(const char *option, const char *file, credentials_error *error)
{
    FILE *opened = open_file(option, file, error);
    if (opened)
        (void)fclose(opened);
    return opened != NULL;
}

static void format_time(const ASN1_TIME *when, char out[TIME_BYTES])
{
    struct tm broken_down;
    if (!ASN1_TIME_to_tm(when, &broken_down) ||
        strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &broken_down) == 0)
        (void)snprintf(out, TIME_BYTES, "a time that cannot be read");
}

/* Whether the server's own certificate is valid now. */
static bool check_dates(SSL_CTX *context, const char *file, credentials_error *error)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    const ASN1_TIME *before = X509_get0_notBefore(certificate);
    const ASN1_TIME *after = X509_get0_notAfter(certificate);
    char text[TIME_BYTES];
    if (X509_cmp_current_time(after) <= 0) {
        format_time(after, text);
        return fail(error, "tls-cert: %.300s: the certificate has expired at %s", file, text);
    }
    if (X509_cmp_current_time(before) >= 0) {
        format_time(before, text);
        return fail(error, "tls-cert: %.300s: the certificate is not valid before %s", file, text);
    }
    return true;
}

static bool use_certificate(SSL_CTX *context, const char *file, credentials_error *error)
{
    if (!check_readable("tls-cert", file, error))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, file) != 1)
        return fail_with_reason(error, "tls-cert", file);
    return check_dates(context, file, error);
}

/* Asked for when a key is encrypted: nobody is there to type a password. */
static int refuse_password(char *buffer, int capacity, int writing, void *was_asked)
{
    (void)writing;
    if (capacity > 0)
        *buffer = '\0';
    *(bool *)was_asked = true;
    return -1;
}

/* A key that others may read is nobody's secret. */
static bool check_mode(FILE *opened, const char *file, credentials_error *error)
{
    struct stat info;
    if (fstat(fileno(opened), &info) != 0)
        return fail(error, "tls-key: cannot read %.300s: %s", file, strerror(errno));
    if (info.st_mode & OTHERS)
        return fail(error,
                    "tls-key: %.300s: its mode 0%03o lets everybody use the key; make it 0600, or "
                    "0640",
                    file, info.st_mode & 0777U);
    return true;
}

static bool use_key(SSL_CTX *context, const credential_files *files, credentials_error *error)
{
    FILE *opened = open_file("tls-key", files->key, error);
    if (!opened)
        return false;
    bool encrypted = false;
    EVP_PKEY *key = NULL;
    bool ok = check_mode(opened, files->key, error);
    if (ok) {
        key = PEM_read_PrivateKey(opened, NULL, refuse_password, &encrypted);
        if (encrypted)
            ok = fail(error, "tls-key: %.300s: the key is encrypted; only a plain one is taken",
                      files->key);
        else if (!key)
            ok = fail_with_reason(error, "tls-key", files->key);
        else if (SSL_CTX_use_PrivateKey(context, key) != 1)
            ok =
                fail(error, "tls-key: %.200s does not belong to the certificate of tls-cert %.200s",
                     files->key, files->certificate);
    }
    EVP_PKEY_free(key);
    (void)fclose(opened);
    ERR_clear_error();
    return ok;
}

static bool use_client_ca(SSL_CTX *context, const char *file, credentials_error *error)
{
    if (!file)
        return true;
    if (!check_readable("tls-client-ca", file, error))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(context, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_with_reason(error, "tls-client-ca", file);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

/* A client that says nothing of ALPN speaks no HTTP/2. */
static int on_client_hello(SSL *ssl, int *alert, void *context)
{
    (void)context;
    const unsigned char *names;
    size_t bytes;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &names,
                                  &bytes) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                   const unsigned char *in, unsigned in_bytes, void *context)
{
    (void)ssl;
    (void)context;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_bytes, alpn_h2, sizeof alpn_h2, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* What holds whatever the files say. */
static bool configure(SSL_CTX *context)
{
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_hello_cb(context, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    return SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers) == 1;
}

/* What connections are made with, out of the files. NULL: the error says why. */
static SSL_CTX *make_context(const credential_files *files, credentials_error *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || !configure(context))
        (void)fail_with_reason(error, "TLS", "OpenSSL");
    else if (use_certificate(context, files->certificate, error) &&
             use_key(context, files, error) && use_client_ca(context, files->client_ca, error))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

credentials *credentials_load(const credential_files *files, credentials_error *error)
{
    credentials *c = calloc(1, sizeof *c);
    if (!c) {
        (void)fail(error, "no memory for the credentials");
        return NULL;
    }
    c->files = *files;
    c->current = make_context(files, error);
    if (!c->current) {
        free(c);
        return NULL;
    }
    (void)pthread_mutex_init(&c->mutex, NULL);
    return c;
}

bool credentials_reload(credentials *c, credentials_error *error)
{
    SSL_CTX *context = make_context(&c->files, error);
    if (!context)
        return false;
    (void)pthread_mutex_lock(&c->mutex);
    SSL_CTX *old = c->current;
    c->current = context;
    (void)pthread_mutex_unlock(&c->mutex);
    SSL_CTX_free(old); /* connections that are open hold it, too */
    return true;
}

void credentials_free(credentials *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->current);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}

SSL *credentials_accept(credentials *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    SSL *ssl = SSL_new(c->current);
    (void)pthread_mutex_unlock(&c->mutex);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}
