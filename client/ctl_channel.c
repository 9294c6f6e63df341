#include "ctl_channel.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* Reads the token's file, whose first line is the token. */
static bool read_token(ctl_channel *c, const char *file)
{
    FILE *opened = fopen(file, "r");
    if (opened == NULL) {
        ctl_complain("--token-file %s: %s", file, strerror(errno));
        return false;
    }
    const bool has_line = fgets(c->token, sizeof c->token, opened) != NULL;
    (void)fclose(opened);
    if (has_line)
        c->token[strcspn(c->token, "\r\n")] = '\0';
    if (has_line && c->token[0] != '\0' && strlen(c->token) <= VQLC_MAX_TOKEN_BYTES)
        return true;
    ctl_complain("--token-file %s: its first line must be a token of 1 to %d characters", file,
                 VQLC_MAX_TOKEN_BYTES);
    return false;
}

/* Whether what is sent there stays on this machine. */
static bool is_local(const char *server)
{
    static const char *const local[] = {"127.0.0.1:", "localhost:", "[::1]:"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (strncmp(server, local[i], strlen(local[i])) == 0)
            return true;
    return false;
}

static bool find_token(ctl_channel *c, const ctl_arguments *arguments)
{
    const char *token = ctl_text(arguments, "token");
    const char *file = ctl_text(arguments, "token-file");
    if (token == NULL && file == NULL)
        return true;
    if (token != NULL) {
        if (strlen(token) > VQLC_MAX_TOKEN_BYTES) {
            ctl_complain("--token: a token has at most %d characters", VQLC_MAX_TOKEN_BYTES);
            return false;
        }
        memcpy(c->token, token, strlen(token) + 1);
    } else if (!read_token(c, file)) {
        return false;
    }
    if (c->tls == NULL && !is_local(c->server)) {
        ctl_complain("--token: is not sent to %s without --tls: others could read it", c->server);
        return false;
    }
    c->options.token = c->token;
    return true;
}

/* Any option of TLS asks for it. */
static bool make_tls(ctl_channel *c, const ctl_arguments *arguments)
{
    const vqlc_tls_options options = {
        .ca_file = ctl_text(arguments, "tls-ca"),
        .certificate_file = ctl_text(arguments, "tls-cert"),
        .key_file = ctl_text(arguments, "tls-key"),
        .server_name = ctl_text(arguments, "tls-server-name"),
    };
    if (!ctl_switch(arguments, "tls") && options.ca_file == NULL &&
        options.certificate_file == NULL && options.key_file == NULL && options.server_name == NULL)
        return true;
    char error[512];
    c->tls = vqlc_tls_new(&options, error, sizeof error);
    c->options.tls = c->tls;
    if (c->tls == NULL)
        ctl_complain("TLS: %s", error);
    return c->tls != NULL;
}

ctl_exit ctl_channel_init(ctl_channel *c, const ctl_arguments *arguments)
{
    *c = (ctl_channel){.server = ctl_text(arguments, "server")};
    vqlc_channel_defaults(&c->options);
    if (make_tls(c, arguments) && find_token(c, arguments))
        return CTL_OK;
    ctl_channel_clear(c);
    return CTL_USAGE;
}

void ctl_channel_clear(ctl_channel *c)
{
    vqlc_tls_free(c->tls);
    OPENSSL_cleanse(c, sizeof *c);
}

void ctl_channel_complain(const ctl_channel *c, int error)
{
    if (error == UV_EINVAL)
        ctl_complain("--server %s: must be HOST:PORT%s", c->server,
                     c->options.token != NULL ? ", and a token visible ASCII characters" : "");
    else
        ctl_complain("--server %s: %s", c->server, uv_strerror(error));
}
