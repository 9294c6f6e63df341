#include "dialing.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where a complaint goes. */
typedef struct complaint {
    char *text;
    size_t bytes;
} complaint;

static bool refuse(const complaint *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const complaint *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(c->text, c->bytes, format, arguments);
    va_end(arguments);
    return false;
}

/* Reads the token's file, whose first line is the token. */
static bool read_token(dialing *d, const char *file, const complaint *c)
{
    FILE *opened = fopen(file, "r");
    if (opened == NULL)
        return refuse(c, "--token-file %s: %s", file, strerror(errno));
    const bool has_line = fgets(d->token, sizeof d->token, opened) != NULL;
    (void)fclose(opened);
    if (has_line)
        d->token[strcspn(d->token, "\r\n")] = '\0';
    if (has_line && d->token[0] != '\0' && strlen(d->token) <= VQLC_MAX_TOKEN_BYTES)
        return true;
    return refuse(c, "--token-file %s: its first line must be a token of 1 to %d characters", file,
                  VQLC_MAX_TOKEN_BYTES);
}

/* Whether what is sent there stays on this machine. */
static bool is_local(const char *server)
{
    static const char *const local[] = {"127.0.0.1:", "localhost:", "[::1]:", "unix:"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (strncmp(server, local[i], strlen(local[i])) == 0)
            return true;
    return false;
}

static bool find_token(dialing *d, const dialing_options *o, const complaint *c)
{
    if (o->token == NULL && o->token_file == NULL)
        return true;
    if (o->token != NULL) {
        if (strlen(o->token) > VQLC_MAX_TOKEN_BYTES)
            return refuse(c, "--token: a token has at most %d characters", VQLC_MAX_TOKEN_BYTES);
        memcpy(d->token, o->token, strlen(o->token) + 1);
    } else if (!read_token(d, o->token_file, c)) {
        return false;
    }
    if (d->tls == NULL && !is_local(o->server))
        return refuse(c, "--token: is not sent to %s without --tls: others could read it",
                      o->server);
    return true;
}

static bool make_tls(dialing *d, const dialing_options *o, const complaint *c)
{
    const vqlc_tls_options options = {
        .ca_file = o->tls_ca,
        .certificate_file = o->tls_cert,
        .key_file = o->tls_key,
        .server_name = o->tls_server_name,
    };
    if (!o->tls && options.ca_file == NULL && options.certificate_file == NULL &&
        options.key_file == NULL && options.server_name == NULL)
        return true;
    char error[512];
    d->tls = vqlc_tls_new(&options, error, sizeof error);
    return d->tls != NULL || refuse(c, "TLS: %s", error);
}

bool dialing_init(dialing *d, const dialing_options *options, char *error, size_t error_bytes)
{
    complaint c = {.bytes = error_bytes};
    c.text = error;
    *d = (dialing){0};
    if (make_tls(d, options, &c) && find_token(d, options, &c))
        return true;
    dialing_clear(d);
    return false;
}

void dialing_clear(dialing *d)
{
    vqlc_tls_free(d->tls);
    OPENSSL_cleanse(d, sizeof *d);
}
