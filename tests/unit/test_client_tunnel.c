/*
 * The client's TLS against OpenSSL's own server, in memory: whatever pieces the bytes arrive and
 * leave in, and which servers are refused.
 */
#include "tunnel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "certificates.h"
#include "check_main.h"
#include "client_rig.h"
#include "random.h"

enum { DAY_S = 86400, DOWN_BYTES = 100000, MESSAGES = 50, OUT_BYTES = 65536 };

static char folder[CERTIFICATE_PATH_BYTES];
static identity server_identity, stranger;
static vqlc_tls *tls;
static char error[512];

static vqlc_tls *trust(const char *ca, const char *name)
{
    const vqlc_tls_options options = {.ca_file = ca, .server_name = name};
    vqlc_tls *made = vqlc_tls_new(&options, error, sizeof error);
    ck_assert_msg(made != NULL, "%s", error);
    return made;
}

static void setup(void)
{
    folder_make(folder);
    identity_make(&server_identity, folder, "server.test", -DAY_S, DAY_S);
    identity_make(&stranger, folder, "stranger.test", -DAY_S, DAY_S);
    tls = trust(server_identity.certificate, NULL);
}

static void teardown(void)
{
    vqlc_tls_free(tls);
    folder_remove(folder);
}

/* A server, the tunnel to it, and the engine behind that. */
typedef struct wire {
    world world; /* the engine, and the HTTP/2 server that the plaintext is for */
    tunnel *tunnel;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    random_stream random;
    size_t most; /* bytes in one piece */
} wire;

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                     const unsigned char *in, unsigned in_bytes, void *context)
{
    (void)ssl;
    (void)context;
    static const unsigned char h2[] = {2, 'h', '2'};
    unsigned char *chosen;
    ck_assert_int_eq(SSL_select_next_proto(&chosen, out_bytes, h2, sizeof h2, in, in_bytes),
                     OPENSSL_NPN_NEGOTIATED);
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void wire_start(wire *w, const vqlc_tls *how, const char *host, bool alpn)
{
    *w = (wire){.most = 4096};
    world_init(&w->world, 100, 65535);
    w->context = SSL_CTX_new(TLS_server_method());
    ck_assert_ptr_nonnull(w->context);
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(w->context, server_identity.certificate),
                     1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(w->context, server_identity.key, SSL_FILETYPE_PEM),
                     1);
    if (alpn)
        SSL_CTX_set_alpn_select_cb(w->context, choose_h2, NULL);
    w->ssl = SSL_new(w->context);
    w->in = BIO_new(BIO_s_mem());
    w->out = BIO_new(BIO_s_mem());
    ck_assert(w->ssl && w->in && w->out);
    SSL_set_bio(w->ssl, w->in, w->out);
    SSL_set_accept_state(w->ssl);
    w->tunnel = tunnel_new(how, host);
    ck_assert_ptr_nonnull(w->tunnel);
}

static void wire_stop(wire *w)
{
    tunnel_free(w->tunnel);
    SSL_free(w->ssl);
    SSL_CTX_free(w->context);
    world_free(&w->world);
}

static size_t piece(wire *w, size_t most)
{
    return 1 + random_below(&w->random, (uint32_t)(w->most < most ? w->most : most));
}

/* Gives the server's TLS bytes, and its HTTP/2 what they are. */
static void feed_server(wire *w, const uint8_t *bytes, size_t count)
{
    uint8_t plain[4096];
    size_t got;
    ck_assert_int_eq(BIO_write(w->in, bytes, (int)count), (int)count);
    while (SSL_read_ex(w->ssl, plain, sizeof plain, &got) == 1)
        toy_server_feed(w->world.server, plain, got);
    ERR_clear_error();
    if (!SSL_is_init_finished(w->ssl))
        return;
    while ((got = toy_server_drain(w->world.server, plain, sizeof plain)) > 0)
        ck_assert_int_eq(SSL_write(w->ssl, plain, (int)got), (int)got);
}

/* Gives the tunnel bytes, and the engine what they are. */
static void feed_client(wire *w, const uint8_t *bytes, size_t count)
{
    const uint8_t *plain;
    size_t got;
    tunnel_feed(w->tunnel, bytes, count);
    do {
        const bool was_ready = tunnel_ready(w->tunnel);
        got = tunnel_read(w->tunnel, &plain);
        if (!was_ready && tunnel_ready(w->tunnel))
            engine_open(w->world.engine, w->world.now_ns);
        if (got > 0)
            engine_feed(w->world.engine, w->world.now_ns, plain, got);
    } while (got > 0);
}

static size_t drain_engine(void *context, uint8_t *out, size_t capacity)
{
    return engine_drain(context, out, capacity);
}

/* Carries bytes both ways in pieces until there are none. */
static void carry(wire *w)
{
    static uint8_t up[OUT_BYTES];
    size_t waiting = 0;
    uint8_t down[4096];
    const tunnel_source source = {drain_engine, w->world.engine};
    for (;;) {
        waiting = tunnel_drain(w->tunnel, &source, up, sizeof up);
        for (size_t at = 0; at < waiting;) {
            const size_t count = piece(w, waiting - at);
            feed_server(w, up + at, count);
            at += count;
        }
        const int got = BIO_read(w->out, down, (int)piece(w, sizeof down));
        if (got > 0)
            feed_client(w, down, (size_t)got);
        else if (waiting == 0)
            return;
    }
}

START_TEST(any_chunking)
{
    static const size_t most[] = {1, 2, 5, 100, 4096};
    wire w;
    record records[MESSAGES] = {{0}};
    wire_start(&w, tls, _i % 2 ? "127.0.0.1" : "server.test", true);
    w.most = most[(size_t)_i % (sizeof most / sizeof most[0])];
    w.random.state = (uint64_t)_i;
    carry(&w);
    ck_assert(tunnel_ready(w.tunnel));
    ck_assert_ptr_null(tunnel_error(w.tunnel));
    for (size_t i = 0; i < MESSAGES; i++) {
        rpc *r = start(&w.world, &records[i], NO_DEADLINE, true);
        ck_assert_ptr_nonnull(r);
        ck_assert(rpc_send(r, (const uint8_t *)"question", 8));
        rpc_half_close(r);
        engine_tick(w.world.engine, w.world.now_ns);
        carry(&w);
        toy_server_answer(w.world.server, toy_server_call(w.world.server, i), "answer");
        feed_server(&w, (const uint8_t *)"", 0);
        carry(&w);
        ck_assert_str_eq(records[i].messages, "answer;");
        assert_ended(&records[i], VQLC_OK, "", true);
    }
    wire_stop(&w);
}
END_TEST

static void assert_refused(const vqlc_tls *how, const char *host, bool alpn, const char *why)
{
    wire w;
    wire_start(&w, how, host, alpn);
    carry(&w);
    ck_assert(!tunnel_ready(w.tunnel));
    ck_assert_ptr_nonnull(tunnel_error(w.tunnel));
    ck_assert_str_eq(tunnel_error(w.tunnel), why);
    wire_stop(&w);
}

START_TEST(which_servers_are_refused)
{
    assert_refused(tls, "elsewhere.test", true,
                   "TLS: certificate verify failed: hostname mismatch");
    assert_refused(tls, "10.0.0.1", true, "TLS: certificate verify failed: IP address mismatch");
    assert_refused(tls, "server.test", false, "TLS: the server does not speak HTTP/2");
    vqlc_tls *other = trust(stranger.certificate, NULL);
    assert_refused(other, "server.test", true,
                   "TLS: certificate verify failed: self-signed certificate");
    vqlc_tls_free(other);
    vqlc_tls *named = trust(server_identity.certificate, "elsewhere.test");
    assert_refused(named, "server.test", true, "TLS: certificate verify failed: hostname mismatch");
    vqlc_tls_free(named);
}
END_TEST

START_TEST(a_server_without_tls)
{
    wire w;
    wire_start(&w, tls, "server.test", true);
    feed_client(&w, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    ck_assert_str_eq(tunnel_error(w.tunnel), "TLS: wrong version number");
    ck_assert(!tunnel_ready(w.tunnel));
    wire_stop(&w);
}
END_TEST

START_TEST(files_that_cannot_be_used)
{
    static const struct {
        vqlc_tls_options options;
        const char *error;
    } cases[] = {
        {{.ca_file = "no/such"}, "no/such: No such file or directory"},
        {{.certificate_file = "no/such"}, "no/such: a certificate and its key are needed together"},
        {{.key_file = "no/such"}, "no/such: a certificate and its key are needed together"},
        {{.certificate_file = "no/such", .key_file = "k"}, "no/such: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_ptr_null(vqlc_tls_new(&cases[i].options, error, sizeof error));
        ck_assert_str_eq(error, cases[i].error);
    }
    const vqlc_tls_options mixed = {.certificate_file = server_identity.certificate,
                                    .key_file = stranger.key};
    ck_assert_ptr_null(vqlc_tls_new(&mixed, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "key values mismatch"));
    ck_assert_ptr_nonnull(strstr(error, stranger.key));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_tunnel");
    TCase *tests = tcase_create("tunnel");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, any_chunking, 0, 10);
    tcase_add_test(tests, which_servers_are_refused);
    tcase_add_test(tests, a_server_without_tls);
    tcase_add_test(tests, files_that_cannot_be_used);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
