/*
 * The server's TLS against OpenSSL's own client, in memory: whatever pieces the bytes arrive and
 * leave in; who is refused; what is allocated; and bytes that are no TLS.
 */
#include "tls.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "certificates.h"
#include "check_main.h"
#include "random.h"
#include "tls_client.h"

enum { DAY_S = 86400, PLAIN_BYTES = 100000, OUT_BYTES = 65536, SEEDS = 200 };

static char folder[CERTIFICATE_PATH_BYTES];
static identity server_identity, client_identity, stranger;
static credentials *plain_credentials, *mutual_credentials;

/*
 * What OpenSSL allocates: blocks that it has, and how many it ever took above a size. A record
 * costs OpenSSL 3.0 up to three blocks of its packet writer (WPACKET_SUB), given back at once.
 */
enum { SMALL_BYTES = 64 };
static size_t blocks, large_blocks;

static void *counting_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    blocks++;
    large_blocks += bytes > SMALL_BYTES;
    return malloc(bytes);
}

static void *counting_realloc(void *block, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    blocks += block == NULL;
    large_blocks += bytes > SMALL_BYTES;
    return realloc(block, bytes);
}

static void counting_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    blocks -= block != NULL;
    free(block);
}

static void setup(void)
{
    credentials_error error;
    folder_make(folder);
    identity_make(&server_identity, folder, "server", -DAY_S, DAY_S);
    identity_make(&client_identity, folder, "client", -DAY_S, DAY_S);
    identity_make(&stranger, folder, "stranger", -DAY_S, DAY_S);
    credential_files files = {server_identity.certificate, server_identity.key, NULL};
    plain_credentials = credentials_load(&files, &error);
    ck_assert_msg(plain_credentials != NULL, "%s", error.text);
    files.client_ca = client_identity.certificate;
    mutual_credentials = credentials_load(&files, &error);
    ck_assert_msg(mutual_credentials != NULL, "%s", error.text);
}

static void teardown(void)
{
    credentials_free(plain_credentials);
    credentials_free(mutual_credentials);
    folder_remove(folder);
}

/* The two ends, and what has come out at each. */
typedef struct wire {
    tls *server;
    tls_client client;
    random_stream random;
    size_t most; /* bytes in one piece */
    uint8_t got[PLAIN_BYTES];
    size_t got_bytes; /* at the server */
} wire;

static void wire_start(wire *w, credentials *c, const tls_client_options *options, size_t most)
{
    *w = (wire){.most = most};
    w->server = tls_new(c);
    ck_assert_ptr_nonnull(w->server);
    tls_client_start(&w->client, options);
}

static void wire_stop(wire *w)
{
    tls_free(w->server);
    tls_client_stop(&w->client);
}

static size_t piece(wire *w, size_t most)
{
    const size_t limit = w->most < most ? w->most : most;
    return 1 + random_below(&w->random, (uint32_t)limit);
}

/* Takes what the server makes of a piece. */
static void feed_server(wire *w, const uint8_t *bytes, size_t count)
{
    size_t decrypted;
    tls_feed(w->server, bytes, count);
    do {
        const size_t room = sizeof w->got - w->got_bytes;
        decrypted = tls_read(w->server, w->got + w->got_bytes, piece(w, room > 0 ? room : 1));
        w->got_bytes += decrypted;
        ck_assert_uint_le(w->got_bytes, sizeof w->got);
    } while (decrypted > 0);
}

/* Carries bytes both ways in pieces until there are none. */
static void carry(wire *w)
{
    uint8_t bytes[4096];
    for (size_t up = 1, down = 1; up + down > 0;) {
        up = tls_client_drain(&w->client, bytes, piece(w, sizeof bytes));
        if (up > 0)
            feed_server(w, bytes, up);
        down = tls_drain(w->server, bytes, piece(w, sizeof bytes));
        tls_client_feed(&w->client, bytes, down);
    }
}

static const tls_client_options h2 = {.alpn = "\2h2"};

static void shake_hands(wire *w)
{
    carry(w);
    ck_assert_int_eq(tls_get_state(w->server), TLS_OPEN);
    ck_assert(tls_client_ready(&w->client));
}

static const uint8_t *pattern(void)
{
    static uint8_t bytes[PLAIN_BYTES];
    random_stream random = {.state = 7};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_u64(&random);
    return bytes;
}

/* Sends the pattern from the server in pieces, and compares what the client gets. */
static void send_down(wire *w, const uint8_t *bytes)
{
    static uint8_t out[OUT_BYTES], got[PLAIN_BYTES];
    size_t sent = 0;
    size_t got_bytes = 0;
    while (sent < PLAIN_BYTES) {
        const size_t capacity = TLS_OVERHEAD_BYTES + 1 + random_below(&w->random, OUT_BYTES / 2);
        const size_t room = tls_room(capacity);
        const size_t rest = PLAIN_BYTES - sent;
        const size_t count = piece(w, room < rest ? room : rest);
        const size_t written = tls_write(w->server, bytes + sent, count, out, capacity);
        ck_assert_uint_gt(written, count);
        ck_assert_uint_le(written, capacity);
        sent += count;
        tls_client_feed(&w->client, out, written);
        size_t decrypted;
        while ((decrypted = tls_client_read(&w->client, got + got_bytes, 777)) > 0)
            got_bytes += decrypted;
    }
    ck_assert_uint_eq(got_bytes, PLAIN_BYTES);
    ck_assert_mem_eq(got, bytes, PLAIN_BYTES);
}

/* Whatever the pieces, both sides get what the other one sent. */
START_TEST(any_chunking)
{
    static wire w;
    static const size_t most[] = {1, 2, 5, 6, 100, 4096};
    const uint8_t *bytes = pattern();
    const size_t kinds = sizeof most / sizeof most[0];
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        tls_client_options options = h2;
        options.max_version = version;
        wire_start(&w, plain_credentials, &options, most[(size_t)_i % kinds]);
        w.random.state = (uint64_t)_i;
        shake_hands(&w);
        ck_assert_int_eq(SSL_version(w.client.ssl), version);
        for (size_t at = 0; at < PLAIN_BYTES; at += 10000)
            tls_client_write(&w.client, bytes + at, 10000);
        carry(&w);
        ck_assert_uint_eq(w.got_bytes, PLAIN_BYTES);
        ck_assert_mem_eq(w.got, bytes, PLAIN_BYTES);
        w.most = PLAIN_BYTES;
        send_down(&w, bytes);
        wire_stop(&w);
    }
}
END_TEST

static void assert_refused(credentials *c, const tls_client_options *options, const char *reason)
{
    static wire w;
    wire_start(&w, c, options, 4096);
    carry(&w);
    ck_assert_int_eq(tls_get_state(w.server), TLS_FAILED);
    ck_assert_str_eq(tls_error(w.server), reason);
    ck_assert_uint_eq(w.got_bytes, 0);
    tls_close(w.server);
    ck_assert_uint_eq(tls_drain(w.server, w.got, sizeof w.got), 0);
    wire_stop(&w);
}

START_TEST(who_is_refused)
{
    const tls_client_options no_alpn = {0};
    const tls_client_options http1 = {.alpn = "\10http/1.1"};
    const tls_client_options old = {.alpn = "\2h2", .max_version = TLS1_1_VERSION};
    const tls_client_options cbc = {
        .alpn = "\2h2", .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256"};
    const tls_client_options sha1 = {
        .alpn = "\2h2", .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"};
    assert_refused(plain_credentials, &no_alpn, "callback failed");
    assert_refused(plain_credentials, &http1, "no application protocol");
    assert_refused(plain_credentials, &old, "unsupported protocol");
    assert_refused(plain_credentials, &cbc, "no shared cipher");
    assert_refused(plain_credentials, &sha1, "no shared cipher");
}
END_TEST

START_TEST(clients_certificates)
{
    static wire w;
    tls_client_options options = h2;
    assert_refused(mutual_credentials, &options, "peer did not return a certificate");
    options.certificate = stranger.certificate;
    options.key = stranger.key;
    assert_refused(mutual_credentials, &options, "certificate verify failed");
    options.certificate = client_identity.certificate;
    options.key = client_identity.key;
    wire_start(&w, mutual_credentials, &options, 100);
    shake_hands(&w);
    wire_stop(&w);
}
END_TEST

/* A client may go by an old session nowhere: a certificate that was taken back counts at once. */
START_TEST(nothing_is_resumed)
{
    static wire w;
    tls_client_options options = h2;
    options.max_version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    wire_start(&w, plain_credentials, &options, 4096);
    shake_hands(&w);
    uint8_t out[256];
    const size_t written = tls_write(w.server, (const uint8_t *)"x", 1, out, sizeof out);
    tls_client_feed(&w.client, out, written);
    ck_assert_uint_eq(tls_client_read(&w.client, out, sizeof out), 1);
    SSL_SESSION *session = SSL_get1_session(w.client.ssl);
    ck_assert_int_eq(SSL_SESSION_is_resumable(session), 0);
    SSL_SESSION_free(session);
    wire_stop(&w);
}
END_TEST

START_TEST(renegotiation_is_refused)
{
    static wire w;
    tls_client_options options = h2;
    options.max_version = TLS1_2_VERSION;
    wire_start(&w, plain_credentials, &options, 4096);
    shake_hands(&w);
    ck_assert_int_eq(SSL_renegotiate(w.client.ssl), 1);
    (void)SSL_do_handshake(w.client.ssl);
    carry(&w);
    uint8_t byte;
    (void)tls_client_read(&w.client, &byte, 1);
    ck_assert(w.client.failed || SSL_renegotiate_pending(w.client.ssl));
    wire_stop(&w);
}
END_TEST

/* Once the handshake is done, reading and writing keeps no memory and takes no buffers. */
START_TEST(nothing_is_allocated)
{
    static wire w;
    static uint8_t out[OUT_BYTES], up[OUT_BYTES];
    const uint8_t *bytes = pattern();
    tls_client_options options = h2;
    options.max_version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    wire_start(&w, plain_credentials, &options, 4096);
    shake_hands(&w);
    for (int round = 0; round < 10; round++) {
        tls_client_write(&w.client, bytes, 20000);
        const size_t count = tls_client_drain(&w.client, up, sizeof up);
        const size_t blocks_before = blocks;
        const size_t large_before = large_blocks;
        w.got_bytes = 0;
        feed_server(&w, up, count);
        const size_t written = tls_write(w.server, bytes, 40000, out, sizeof out);
        const size_t large_after = large_blocks;
        const size_t blocks_after = blocks;
        ck_assert_uint_eq(w.got_bytes, 20000);
        ck_assert_uint_gt(written, 40000);
        if (round > 0) {
            ck_assert_uint_eq(large_after, large_before);
            ck_assert_uint_eq(blocks_after, blocks_before);
        }
    }
    wire_stop(&w);
}
END_TEST

START_TEST(both_sides_say_good_bye)
{
    static wire w;
    wire_start(&w, plain_credentials, &h2, 4096);
    shake_hands(&w);
    (void)SSL_shutdown(w.client.ssl);
    carry(&w);
    ck_assert_int_eq(tls_get_state(w.server), TLS_ENDED);
    tls_close(w.server);
    carry(&w);
    ck_assert_int_eq(SSL_shutdown(w.client.ssl), 1);
    wire_stop(&w);
}
END_TEST

/* Bytes that are no TLS, and TLS with a bit turned, fail and do no harm. */
START_TEST(nonsense)
{
    static wire w;
    uint8_t bytes[4096];
    wire_start(&w, plain_credentials, &h2, 4096);
    feed_server(&w, (const uint8_t *)"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    ck_assert_int_eq(tls_get_state(w.server), TLS_FAILED);
    wire_stop(&w);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        wire_start(&w, seed % 2 ? mutual_credentials : plain_credentials, &h2, 4096);
        w.random.state = seed;
        uint32_t turned = random_below(&w.random, 2000);
        for (size_t up = 1, down = 1; up + down > 0;) {
            up = tls_client_drain(&w.client, bytes, sizeof bytes);
            if (turned < up)
                bytes[turned] ^= (uint8_t)(1 << random_below(&w.random, 8));
            turned -= turned < up ? 0 : (uint32_t)up;
            feed_server(&w, bytes, up);
            down = tls_drain(w.server, bytes, sizeof bytes);
            tls_client_feed(&w.client, bytes, down);
        }
        wire_stop(&w);
    }
}
END_TEST

/* What fits: every capacity's room is enough for what it becomes. */
START_TEST(room_is_enough)
{
    static wire w;
    static uint8_t out[OUT_BYTES];
    const uint8_t *bytes = pattern();
    wire_start(&w, plain_credentials, &h2, 4096);
    shake_hands(&w);
    ck_assert_uint_eq(tls_room(0), 0);
    ck_assert_uint_eq(tls_room(TLS_OVERHEAD_BYTES), 0);
    for (size_t capacity = TLS_OVERHEAD_BYTES + 1; capacity <= OUT_BYTES; capacity += 331) {
        const size_t written = tls_write(w.server, bytes, tls_room(capacity), out, capacity);
        ck_assert_uint_gt(written, tls_room(capacity));
    }
    wire_stop(&w);
}
END_TEST

int main(void)
{
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) != 1)
        return EXIT_FAILURE;
    Suite *suite = suite_create("tls");
    TCase *tests = tcase_create("tls");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, any_chunking, 0, 12);
    tcase_add_test(tests, who_is_refused);
    tcase_add_test(tests, clients_certificates);
    tcase_add_loop_test(tests, nothing_is_resumed, 0, 2);
    tcase_add_test(tests, renegotiation_is_refused);
    tcase_add_loop_test(tests, nothing_is_allocated, 0, 2);
    tcase_add_test(tests, both_sides_say_good_bye);
    tcase_add_test(tests, nonsense);
    tcase_add_test(tests, room_is_enough);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
