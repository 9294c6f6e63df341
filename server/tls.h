/*
 * The TLS of one connection, sans I/O: no sockets, no clock. It stands between a socket and a
 * session and changes bytes.
 *
 *   socket ─ ciphertext ─> tls_feed, tls_read ─ plaintext ─> session_feed
 *   socket <─ ciphertext ─ tls_write <──────── plaintext ─── session_drain
 *   socket <─ ciphertext ─ tls_drain: what TLS itself has to say, the handshake and alerts
 *
 * OpenSSL does the work, on memory that the caller lends it for the length of a call. Once the
 * handshake is done nothing here allocates; OpenSSL 3.0 takes up to three blocks of 40 bytes a
 * record, and gives them back.
 */
#ifndef VQL_SERVER_TLS_H
#define VQL_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "credentials.h"

/* What tls_write may add to one record: RFC 5246 §6.2.3.3, RFC 8446 §5.2. */
enum { TLS_RECORD_BYTES = 16384, TLS_OVERHEAD_BYTES = 64 };

typedef enum tls_state {
    TLS_HANDSHAKE, /* no plaintext may be written yet */
    TLS_OPEN,
    TLS_ENDED,  /* the peer has said that it sends no more; plaintext may still be written */
    TLS_FAILED, /* tls_error says why; what tls_drain has is the last */
} tls_state;

typedef struct tls tls;

/* The server's side of a fresh connection. NULL: no memory. */
tls *tls_new(credentials *c);

/* NULL is ignored. */
void tls_free(tls *t);

/* Gives bytes from the peer, which must stay until tls_read has returned 0. */
void tls_feed(tls *t, const uint8_t *bytes, size_t count);

/*
 * Takes the next plaintext, at most capacity bytes of it, and returns how many there are. 0: all
 * that was fed has been taken.
 */
size_t tls_read(tls *t, uint8_t *out, size_t capacity);

/* Writes what TLS itself has to say to out, and returns how many bytes that is. */
size_t tls_drain(tls *t, uint8_t *out, size_t capacity);

/* How much plaintext tls_write may be given when there is room for so many bytes. */
size_t tls_room(size_t capacity);

/*
 * Encrypts count bytes, at most tls_room(capacity), and writes them to out of capacity bytes.
 * Returns how many bytes that is; 0: TLS has failed. Only while TLS is open or the peer has ended,
 * and tls_drain has nothing.
 */
size_t tls_write(tls *t, const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity);

/* Tells the peer that no more comes, once the handshake is done; tls_drain has the bytes. */
void tls_close(tls *t);

tls_state tls_get_state(const tls *t);

/* Why TLS has failed, in OpenSSL's words: static, never NULL. */
const char *tls_error(const tls *t);

#endif
