/*
 * The TLS of one connection, sans I/O: it stands between a socket and an engine, or whatever else
 * speaks HTTP/2, and changes bytes.
 *
 *   socket ─ ciphertext ─> tunnel_feed, tunnel_read ─ plaintext ─> engine_feed
 *   socket <─ ciphertext ─ tunnel_drain <─ plaintext ─ engine_drain
 *
 * The server's certificate is checked against the name that it is called by. TLS 1.2 and 1.3; ALPN
 * must agree on "h2" (RFC 9113 §3.2).
 */
#ifndef VQL_CLIENT_TUNNEL_H
#define VQL_CLIENT_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

typedef struct tunnel tunnel;

/*
 * A fresh connection to a server called `host`, unless tls names another, which must outlive it.
 * The first bytes to drain are the client's hello. NULL when there is no memory.
 */
tunnel *tunnel_new(const vqlc_tls *tls, const char *host);

/* NULL is ignored. */
void tunnel_free(tunnel *t);

/* Gives bytes from the server, which must stay until tunnel_read has returned 0. */
void tunnel_feed(tunnel *t, const uint8_t *bytes, size_t count);

/*
 * Takes the next plaintext, valid until the next call, and returns its bytes. 0: all that was fed
 * has been taken.
 */
size_t tunnel_read(tunnel *t, const uint8_t **plaintext);

/* Where plaintext comes from: writes up to capacity bytes to out and returns how many. */
typedef struct tunnel_source {
    size_t (*drain)(void *context, uint8_t *out, size_t capacity);
    void *context;
} tunnel_source;

/*
 * Writes what is to be sent to out of at least TUNNEL_RECORD_BYTES: what TLS itself has to say, or
 * else what the source has, encrypted. Returns the bytes; 0: nothing for now.
 */
#define TUNNEL_RECORD_BYTES (16384 + 256)
size_t tunnel_drain(tunnel *t, const tunnel_source *source, uint8_t *out, size_t capacity);

/* Whether the handshake is done, and plaintext may flow. */
bool tunnel_ready(const tunnel *t);

/* Why the connection cannot go on; NULL: it can. */
const char *tunnel_error(const tunnel *t);

#endif
