#include "secrets.h"

#include "log.h"

/* Brings the stamp of a file up to date. True: it has changed. */
static bool has_changed(file_stamp *stamp, const char *path)
{
    const file_stamp now = file_stamp_of(path);
    const bool changed = !file_stamp_equal(&now, stamp);
    *stamp = now;
    return changed;
}

/* Brings the stamps of the certificate's files up to date. True: one has changed. */
static bool credentials_have_changed(secrets *s)
{
    const bool certificate = has_changed(&s->stamps[0], s->files.certificate);
    const bool key = has_changed(&s->stamps[1], s->files.key);
    const bool client_ca = has_changed(&s->stamps[2], s->files.client_ca);
    return certificate || key || client_ca;
}

static bool load_credentials(secrets *s)
{
    credentials_error error;
    if (!s->files.certificate)
        return true;
    (void)credentials_have_changed(s);
    s->credentials = credentials_load(&s->files, &error);
    if (!s->credentials)
        log_error("cannot use the certificate", log_str("error", error.text));
    return s->credentials != NULL;
}

static void reload_credentials(secrets *s, bool all)
{
    credentials_error error;
    if (!s->credentials || !(credentials_have_changed(s) || all))
        return;
    if (credentials_reload(s->credentials, &error))
        log_info("certificate reloaded", log_str("tls_cert", s->files.certificate));
    else
        log_error("new certificate refused, the old one stays", log_str("error", error.text));
}

static bool load_gate(secrets *s)
{
    token_error error;
    if (!s->tokens) {
        log_warn("no tokens: everybody who can connect may do everything");
        return true;
    }
    if (!s->files.certificate)
        log_warn("tokens without TLS: whoever can read the network can read them");
    (void)has_changed(&s->tokens_stamp, s->tokens);
    s->gate = gate_load(s->tokens, &error);
    if (!s->gate)
        log_error("cannot use the tokens", log_str("error", error.text));
    return s->gate != NULL;
}

static void reload_gate(secrets *s, bool all)
{
    token_error error;
    if (!s->gate || !(has_changed(&s->tokens_stamp, s->tokens) || all))
        return;
    if (gate_reload(s->gate, &error))
        log_info("tokens reloaded", log_str("tokens", s->tokens),
                 log_u64("count", gate_count(s->gate)));
    else
        log_error("new tokens refused, the old ones stay", log_str("error", error.text));
}

bool secrets_load(secrets *s, const config *c)
{
    *s = (secrets){
        .files = {c->tls_cert, c->tls_key, c->tls_client_ca},
        .tokens = c->tokens,
    };
    if (!load_credentials(s))
        return false;
    if (load_gate(s))
        return true;
    secrets_free(s);
    return false;
}

void secrets_reload(secrets *s, bool all)
{
    reload_credentials(s, all);
    reload_gate(s, all);
}

void secrets_free(secrets *s)
{
    gate_free(s->gate);
    credentials_free(s->credentials);
    *s = (secrets){0};
}
