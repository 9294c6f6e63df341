/*
 * Certificates and keys of a test's own making, as PEM files in a folder of their own.
 */
#ifndef VQL_TESTS_CERTIFICATES_H
#define VQL_TESTS_CERTIFICATES_H

enum { CERTIFICATE_PATH_BYTES = 256 };

/* A certificate that signs itself, for 127.0.0.1, localhost and the name. */
typedef struct identity {
    char certificate[CERTIFICATE_PATH_BYTES];
    char key[CERTIFICATE_PATH_BYTES]; /* mode 0600 */
} identity;

/*
 * Makes NAME.cert.pem and NAME.key.pem in the folder, or makes them anew; valid from so many
 * seconds from now to so many.
 */
void identity_make(identity *out, const char *folder, const char *name, long from_s, long to_s);

/* A folder of a test's own, and its removal with the files in it. */
void folder_make(char path[CERTIFICATE_PATH_BYTES]);
void folder_remove(const char *path);

#endif
