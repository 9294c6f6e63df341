/*
 * vqlctl token: a new bearer token, and the line of the server's --tokens file that knows it.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "ctl_commands.h"

/* 256 random bits, in 64 digits behind a prefix by which scanners of secrets can tell them. */
#define RANDOM_BYTES 32
#define PREFIX       "vql_"
#define TEXT_BYTES   (sizeof PREFIX + 2 * RANDOM_BYTES)

#define MAX_NAME_BYTES 64

static bool is_name(const char *text)
{
    static const char characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t length = strlen(text);
    return length > 0 && length <= MAX_NAME_BYTES && strspn(text, characters) == length;
}

/* "score,append": known ones, separated by commas. */
static bool are_scopes(const char *text)
{
    static const char *const known[] = {"score", "append", "admin"};
    for (const char *at = text;; at += strcspn(at, ",") + 1) {
        const size_t length = strcspn(at, ",");
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found = found || (strlen(known[i]) == length && strncmp(at, known[i], length) == 0);
        if (!found)
            return false;
        if (at[length] == '\0')
            return true;
    }
}

static void write_digits(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", (unsigned)bytes[i]);
}

static bool check_operands(const ctl_arguments *arguments)
{
    static const char *const names[] = {"NAME", "TENANT"};
    for (int i = 0; i < 2; i++) {
        if (is_name(arguments->operands[i]))
            continue;
        ctl_complain("%s %s: must be 1 to %d letters, digits, '.', '_' and '-'", names[i],
                     arguments->operands[i], MAX_NAME_BYTES);
        return false;
    }
    if (strcmp(arguments->operands[0], "quota") == 0) {
        ctl_complain("NAME quota: begins a line of another kind in the file");
        return false;
    }
    if (!are_scopes(arguments->operands[2])) {
        ctl_complain("SCOPES %s: must be of score, append and admin, joined by commas",
                     arguments->operands[2]);
        return false;
    }
    return true;
}

static ctl_exit run(const ctl_arguments *arguments)
{
    uint8_t bytes[RANDOM_BYTES];
    uint8_t hash[EVP_MAX_MD_SIZE];
    char token[TEXT_BYTES] = PREFIX;
    char digits[2 * EVP_MAX_MD_SIZE + 1];
    unsigned hash_bytes;
    if (!check_operands(arguments))
        return CTL_USAGE;
    const int error = uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL);
    if (error != 0) {
        ctl_complain("no random bytes: %s", uv_strerror(error));
        return CTL_USAGE;
    }
    write_digits(bytes, sizeof bytes, token + strlen(PREFIX));
    if (EVP_Digest(token, strlen(token), hash, &hash_bytes, EVP_sha256(), NULL) != 1) {
        ctl_complain("OpenSSL has no SHA-256");
        return CTL_USAGE;
    }
    write_digits(hash, hash_bytes, digits);
    (void)printf("%s\n%s %s %s %s\n", token, arguments->operands[0], arguments->operands[1],
                 arguments->operands[2], digits);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(token, sizeof token);
    return CTL_OK;
}

const ctl_command ctl_token_command = {
    .name = "token",
    .operands = "NAME TENANT SCOPES",
    .min_operands = 3,
    .max_operands = 3,
    .help = "Makes a random bearer token. Prints it, for whoever is to use it, and below it the\n"
            "line for the file of vqld --tokens, which has only its hash. SCOPES are score,\n"
            "append and admin, joined by commas. No server is asked.",
    .run = run,
};
