#include "ctl_channel.h"

ctl_exit ctl_channel_init(ctl_channel *c, const ctl_arguments *arguments)
{
    *c = (ctl_channel){.server = ctl_text(arguments, "server")};
    vqlc_channel_defaults(&c->options);
    const dialing_options options = {
        .server = c->server,
        .token = ctl_text(arguments, "token"),
        .token_file = ctl_text(arguments, "token-file"),
        .tls = ctl_switch(arguments, "tls"),
        .tls_ca = ctl_text(arguments, "tls-ca"),
        .tls_cert = ctl_text(arguments, "tls-cert"),
        .tls_key = ctl_text(arguments, "tls-key"),
        .tls_server_name = ctl_text(arguments, "tls-server-name"),
    };
    char error[1024];
    if (!dialing_init(&c->dialing, &options, error, sizeof error)) {
        ctl_complain("%s", error);
        return CTL_USAGE;
    }
    c->options.tls = c->dialing.tls;
    c->options.token = c->dialing.token[0] != '\0' ? c->dialing.token : NULL;
    return CTL_OK;
}

void ctl_channel_clear(ctl_channel *c)
{
    dialing_clear(&c->dialing);
}

void ctl_channel_complain(const ctl_channel *c, int error)
{
    if (error == UV_EINVAL)
        ctl_complain("--server %s: must be HOST:PORT, or unix:/PATH without TLS%s", c->server,
                     c->options.token != NULL ? ", and a token visible ASCII characters" : "");
    else
        ctl_complain("--server %s: %s", c->server, uv_strerror(error));
}
