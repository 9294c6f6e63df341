#include "certificates.h"

#include <check.h>
#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, long from_s, long to_s)
{
    char names[128];
    X509 *certificate = X509_new();
    ck_assert_ptr_nonnull(certificate);
    X509_NAME *subject = X509_get_subject_name(certificate);
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    ck_assert_int_eq(X509_set_issuer_name(certificate, subject), 1);
    ck_assert_int_eq(X509_set_version(certificate, X509_VERSION_3), 1);
    ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(certificate), from_s));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(certificate), to_s));
    ck_assert_int_eq(X509_set_pubkey(certificate, key), 1);
    (void)snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1", name);
    add_extension(certificate, NID_subject_alt_name, names);
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

void identity_make(identity *out, const char *folder, const char *name, long from_s, long to_s)
{
    (void)snprintf(out->certificate, sizeof out->certificate, "%.150s/%.50s.cert.pem", folder,
                   name);
    (void)snprintf(out->key, sizeof out->key, "%.150s/%.50s.key.pem", folder, name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(key);
    X509 *certificate = make_certificate(key, name, from_s, to_s);

    FILE *file = fopen(out->certificate, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    ck_assert_int_eq(fclose(file), 0);
    file = fopen(out->key, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(fclose(file), 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void folder_make(char path[CERTIFICATE_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, CERTIFICATE_PATH_BYTES, "%s/vql-test-XXXXXX", parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

void folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            ck_assert_int_eq(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    ck_assert_int_eq(closedir(folder), 0);
    ck_assert_int_eq(rmdir(path), 0);
}
