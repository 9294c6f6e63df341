#include "tls.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "byte_queue.h"

/* What TLS may have to say before the socket takes any of it: a handshake's longest flight. */
enum { MAX_SAID_BYTES = 131072 };

struct tls {
    SSL *ssl;
    tls_state state;
    const char *error;

    /* What the peer sent, and OpenSSL has not taken; the caller's. */
    const uint8_t *in;
    size_t in_bytes;

    /* Where OpenSSL writes: the caller's memory inside tls_write, and `said` otherwise. */
    uint8_t *out;
    size_t out_room;
    byte_queue said;
};

/* The two ends of OpenSSL, on the memory above. */

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *count)
{
    tls *t = BIO_get_data(bio);
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
    tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    if (t->out) {
        if (count > t->out_room)
            return 0;
        memcpy(t->out, bytes, count);
        t->out += count;
        t->out_room -= count;
    } else if (count > MAX_SAID_BYTES - byte_queue_size(&t->said) ||
               !byte_queue_append(&t->said, (const uint8_t *)bytes, count)) {
        return 0;
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
    if (!method)
        return;
    (void)BIO_meth_set_read_ex(method, bio_read);
    (void)BIO_meth_set_write_ex(method, bio_write);
    (void)BIO_meth_set_ctrl(method, bio_control);
}

static BIO *new_bio(tls *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

tls *tls_new(credentials *c)
{
    tls *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->ssl = credentials_accept(c);
    BIO *bio = t->ssl ? new_bio(t) : NULL;
    if (!bio) {
        tls_free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, bio, bio);
    return t;
}

void tls_free(tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    byte_queue_clear(&t->said);
    free(t);
}

void tls_feed(tls *t, const uint8_t *bytes, size_t count)
{
    assert(t->in_bytes == 0);
    t->in = bytes;
    t->in_bytes = count;
}

/* Notes what became of a call of OpenSSL's that did not succeed. */
static void note_failure(tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return;
    case SSL_ERROR_ZERO_RETURN:
        t->state = TLS_ENDED;
        break;
    default: {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        t->state = TLS_FAILED;
        t->error = reason ? reason : "the connection cannot go on";
    }
    }
    t->in_bytes = 0;
}

size_t tls_read(tls *t, uint8_t *out, size_t capacity)
{
    if (t->state == TLS_ENDED || t->state == TLS_FAILED) {
        t->in_bytes = 0;
        return 0;
    }
    size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(t->ssl, out, capacity, &count);
    if (result != 1)
        note_failure(t, result);
    if (t->state == TLS_HANDSHAKE && SSL_is_init_finished(t->ssl))
        t->state = TLS_OPEN;
    return count;
}

size_t tls_drain(tls *t, uint8_t *out, size_t capacity)
{
    const size_t waiting = byte_queue_size(&t->said);
    const size_t count = waiting < capacity ? waiting : capacity;
    if (count > 0) {
        memcpy(out, byte_queue_front(&t->said), count);
        byte_queue_take(&t->said, count);
    }
    return count;
}

size_t tls_room(size_t capacity)
{
    const size_t record = TLS_RECORD_BYTES + TLS_OVERHEAD_BYTES;
    const size_t rest = capacity % record;
    return capacity / record * TLS_RECORD_BYTES +
           (rest > TLS_OVERHEAD_BYTES ? rest - TLS_OVERHEAD_BYTES : 0);
}

size_t tls_write(tls *t, const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity)
{
    assert(byte_queue_size(&t->said) == 0 && count <= tls_room(capacity));
    assert(t->state == TLS_OPEN || t->state == TLS_ENDED);
    size_t written = 0;
    ERR_clear_error();
    t->out = out;
    t->out_room = capacity;
    const int result = SSL_write_ex(t->ssl, bytes, count, &written);
    const size_t used = capacity - t->out_room;
    t->out = NULL;
    t->out_room = 0;
    if (result != 1) {
        note_failure(t, result);
        return 0;
    }
    return used;
}

void tls_close(tls *t)
{
    if (t->state == TLS_OPEN || t->state == TLS_ENDED) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
    }
}

tls_state tls_get_state(const tls *t)
{
    return t->state;
}

const char *tls_error(const tls *t)
{
    return t->error ? t->error : "";
}
