/*
 * The files of TLS: what is wrong with one is said with its name, and a bad one does not replace
 * what is in use.
 */
#include "credentials.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "certificates.h"
#include "check_main.h"

enum { DAY_S = 86400 };

static char folder[CERTIFICATE_PATH_BYTES];
static identity first, second;
static credentials_error error;

static void setup(void)
{
    folder_make(folder);
    identity_make(&first, folder, "first", -DAY_S, DAY_S);
    identity_make(&second, folder, "second", -DAY_S, DAY_S);
}

static void teardown(void)
{
    folder_remove(folder);
}

/* Loading must fail with words that the error has. */
static void assert_fails(const char *certificate, const char *key, const char *client_ca,
                         const char *file, const char *words)
{
    const credential_files files = {certificate, key, client_ca};
    ck_assert_ptr_null(credentials_load(&files, &error));
    ck_assert_msg(strstr(error.text, file) != NULL, "%s is not in: %s", file, error.text);
    ck_assert_msg(strstr(error.text, words) != NULL, "%s is not in: %s", words, error.text);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static char *path_of(const char *name)
{
    static char path[2 * CERTIFICATE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

START_TEST(missing_and_bad_files)
{
    char *bad = path_of("bad.pem");
    assert_fails(bad, first.key, NULL, "tls-cert: cannot read", "bad.pem: No such file");
    assert_fails(first.certificate, bad, NULL, "tls-key: cannot read", "bad.pem: No such file");
    assert_fails(first.certificate, first.key, bad, "tls-client-ca: cannot read", "No such file");
    write_text(bad, "no certificate\n");
    ck_assert_int_eq(chmod(bad, 0600), 0);
    assert_fails(bad, first.key, NULL, "tls-cert: ", "no start line");
    assert_fails(first.certificate, bad, NULL, "tls-key: ", "bad.pem");
    assert_fails(first.certificate, first.key, bad, "tls-client-ca: ", "bad.pem");
    assert_fails(folder, first.key, NULL, "tls-cert: ", folder);
}
END_TEST

START_TEST(a_key_of_another_certificate)
{
    assert_fails(first.certificate, second.key, NULL, second.key, "does not belong to");
}
END_TEST

START_TEST(a_key_that_everybody_may_read)
{
    ck_assert_int_eq(chmod(first.key, 0644), 0);
    assert_fails(first.certificate, first.key, NULL, first.key, "mode 0644");
    ck_assert_int_eq(chmod(first.key, 0640), 0);
    const credential_files files = {first.certificate, first.key, NULL};
    credentials *c = credentials_load(&files, &error);
    ck_assert_msg(c != NULL, "%s", error.text);
    credentials_free(c);
}
END_TEST

START_TEST(an_encrypted_key)
{
    char *path = path_of("secret.pem");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    unsigned char password[] = "password";
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), password, 8, NULL, NULL),
                     1);
    ck_assert_int_eq(fclose(file), 0);
    EVP_PKEY_free(key);
    ck_assert_int_eq(chmod(path, 0600), 0);
    assert_fails(first.certificate, path, NULL, path, "the key is encrypted");
}
END_TEST

START_TEST(certificates_have_their_time)
{
    identity past, future;
    identity_make(&past, folder, "past", -2 * DAY_S, -DAY_S);
    assert_fails(past.certificate, past.key, NULL, past.certificate, "has expired at 20");
    identity_make(&future, folder, "future", DAY_S, 2 * DAY_S);
    assert_fails(future.certificate, future.key, NULL, future.certificate, "not valid before 20");
}
END_TEST

/* The certificate that the next connection will show. */
static X509 *shown(credentials *c)
{
    SSL *ssl = credentials_accept(c);
    ck_assert_ptr_nonnull(ssl);
    X509 *certificate = SSL_get_certificate(ssl);
    ck_assert_ptr_nonnull(certificate);
    ck_assert_int_eq(X509_up_ref(certificate), 1);
    SSL_free(ssl);
    return certificate;
}

START_TEST(reloading)
{
    const credential_files files = {first.certificate, first.key, NULL};
    credentials *c = credentials_load(&files, &error);
    ck_assert_msg(c != NULL, "%s", error.text);
    X509 *old = shown(c);

    /* A new certificate and not yet its key: refused, and the old pair stays. */
    char key[CERTIFICATE_PATH_BYTES + 8];
    (void)snprintf(key, sizeof key, "%s.old", first.key);
    ck_assert_int_eq(rename(first.key, key), 0);
    identity_make(&first, folder, "first", -DAY_S, DAY_S);
    ck_assert_int_eq(rename(first.key, path_of("new.key")), 0);
    ck_assert_int_eq(rename(key, first.key), 0);
    ck_assert(!credentials_reload(c, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "does not belong to"));
    X509 *still = shown(c);
    ck_assert_int_eq(X509_cmp(old, still), 0);

    /* Both: used from now on, while a connection that began before keeps the old one. */
    SSL *begun = credentials_accept(c);
    ck_assert_int_eq(rename(path_of("new.key"), first.key), 0);
    ck_assert_msg(credentials_reload(c, &error), "%s", error.text);
    X509 *now = shown(c);
    ck_assert_int_ne(X509_cmp(old, now), 0);
    ck_assert_int_eq(X509_cmp(old, SSL_get_certificate(begun)), 0);
    SSL_free(begun);
    X509_free(old);
    X509_free(still);
    X509_free(now);
    credentials_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credentials");
    TCase *tests = tcase_create("credentials");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, missing_and_bad_files);
    tcase_add_test(tests, a_key_of_another_certificate);
    tcase_add_test(tests, a_key_that_everybody_may_read);
    tcase_add_test(tests, an_encrypted_key);
    tcase_add_test(tests, certificates_have_their_time);
    tcase_add_test(tests, reloading);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
