#include "config.h"

#include <stddef.h>
#include <string.h>

#include "limit.h"
#include "redis_url.h"
#include "vql/cache.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const char *const durabilities[] = {
    [CONFIG_DURABILITY_AUTO] = "auto",
    [CONFIG_DURABILITY_MEMORY] = "memory",
    [CONFIG_DURABILITY_ASYNC] = "async",
    [CONFIG_DURABILITY_SYNC] = "sync",
    NULL,
};
static const char *const model_policies[] = {
    [CONFIG_MODELS_LATEST] = "latest", [CONFIG_MODELS_MANUAL] = "manual", NULL};
static const char *const log_levels[] = {
#define LEVEL_TEXT(name, text) [LOG_LEVEL_##name] = text,
    LOG_LEVELS(LEVEL_TEXT)
#undef LEVEL_TEXT
        NULL,
};

static const char *const kernels[] = {"auto",       "scalar", "avx2", "avx512",
                                      "avx512vnni", "neon",   NULL};
static const char *const cache_formats[] = {
    [VQL_CACHE_FP32] = "fp32",
    [VQL_CACHE_BF16] = "bf16",
    [VQL_CACHE_INT16] = "int16",
    [VQL_CACHE_INT8] = "int8",
    NULL,
};
static const char *const scoring_formats[] = {
    [CONFIG_SCORING_F32] = "f32", [CONFIG_SCORING_INT16] = "int16", NULL};

static const char *const inspects[] = {
    [CONFIG_INSPECT_AUTO] = "auto", [CONFIG_INSPECT_OFF] = "off", [CONFIG_INSPECT_ON] = "on", NULL};

static const char *const stores[] = {"memory", "rocksdb:DIR", "redis:ADDRESSES", "rediss:ADDRESSES",
                                     NULL};

#define FIELD(name) offsetof(config, name)

/* Name, kind, field, default; the least and the most of a number; choices; help. */
static const option options[] = {
    {"model", OPTION_FILE, FIELD(model), NULL, 0, 0, NULL,
     "The model to score with, a safetensors file, or a folder of them: NAME.safetensors is the "
     "version NAME, and the last by name is active at the start. Required."},
    {"model-policy", OPTION_CHOICE, FIELD(model_policy), "latest", 0, 0, model_policies,
     "Of a folder of models. latest: the last by name is loaded when it comes, active when it is "
     "ready, and the one before it stays loaded; manual: Models.Load and Activate say what is."},
    {"max-models", OPTION_COUNT, FIELD(max_models), "4", 1, LIMIT_MODELS, NULL,
     "Versions of the model that are loaded at once."},
    {"listen", OPTION_ADDRESSES, FIELD(listen), "127.0.0.1:7070", 1, LIMIT_LISTENERS, NULL,
     "Where to serve gRPC. Port 0 takes a free port: the log and port-file name it. On the command "
     "line it may also be given several times."},
    {"admin", OPTION_ADDRESSES, FIELD(admin), NULL, 1, 1, NULL,
     "Where to show metrics, status and health over HTTP, to everybody who can connect: "
     "docs/SECURITY.md says who should. Without it nowhere."},
    {"inspect", OPTION_CHOICE, FIELD(inspect), "auto", 0, 0, inspects,
     "Whether the admin port also shows single users: histories, caches and why a candidate got "
     "its "
     "score. auto: on a loopback address or a Unix socket alone."},
    {"unix-mode", OPTION_MODE, FIELD(unix_mode), "0600", 0, 0777, NULL,
     "Who may connect to the Unix sockets of listen and admin."},
    {"tls-cert", OPTION_FILE, FIELD(tls_cert), NULL, 0, 0, NULL,
     "The server's certificate and those up to its root, in PEM: HOST:PORT is then served over TLS "
     "alone. Read again when it changes, and on SIGHUP, as are the next three files."},
    {"tls-key", OPTION_FILE, FIELD(tls_key), NULL, 0, 0, NULL,
     "The certificate's private key, in PEM, not readable by everybody."},
    {"tls-client-ca", OPTION_FILE, FIELD(tls_client_ca), NULL, 0, 0, NULL,
     "Certificates in PEM, one of which must have signed the client's: others are turned away."},
    {"tokens", OPTION_FILE, FIELD(tokens), NULL, 0, 0, NULL,
     "Who may do what, by bearer token, and the tenants' quotas: docs/SECURITY.md has the format. "
     "Without it everybody may do everything."},
    {"max-handshakes", OPTION_COUNT, FIELD(max_handshakes), "256", 1, 1000000, NULL,
     "TLS handshakes under way on one thread; one more ends the oldest."},
    {"store", OPTION_FORM, FIELD(store), "memory", 0, 0, stores,
     "Where histories are kept: in memory, which a restart empties; in a folder; or in a Redis "
     "that "
     "servers share, redis://[USER:PASSWORD@]HOST:PORT[,HOST:PORT]. It has no TLS: rediss: is "
     "refused."},
    {"durability", OPTION_CHOICE, FIELD(durability), "auto", 0, 0, durabilities,
     "When an append is answered. sync: it is on disk; async: the system has it, and writes it "
     "within 50 ms; memory: the process has it. With redis, sync: the primary and a replica have "
     "it; async: the primary has it. auto: sync, or async with redis, or memory with that store."},
    {"retain-events", OPTION_COUNT, FIELD(retain_events), "0", 0, UINT32_MAX, NULL,
     "How many events of each user are kept, the last ones; an eighth more may be there. 0: all."},
    {"retain-days", OPTION_COUNT, FIELD(retain_days), "0", 0, 36500, NULL,
     "For how many days after its time an event is kept, and at most an hour more. 0: for ever."},
    {"threads", OPTION_COUNT, FIELD(threads), "0", 0, 256, NULL,
     "Event loops, each with its own connections and users. 0: one for each core."},
    {"memory", OPTION_BYTES, FIELD(memory), "0", 0, 1024 * 1024 * GIB, NULL,
     "What users' caches may take, all threads together: those least used are dropped, and made "
     "again from the store when they are needed. 0: no limit."},
    {"config", OPTION_FILE, FIELD(config_file), NULL, 0, 0, NULL,
     "A file of lines \"name = value\" for any of these options but this one."},
    {"check", OPTION_FLAG, FIELD(check), "false", 0, 0, NULL,
     "Verify the configuration, the model and the store, then exit without serving."},
    {"export", OPTION_FILE, FIELD(export_file), NULL, 0, 0, NULL,
     "A file, or -, to write the store's events to, for vqlctl import; then exit. The store may be "
     "in use."},
    {"backup", OPTION_FILE, FIELD(backup), NULL, 0, 0, NULL,
     "A folder for copies of the store: SIGUSR1 makes one there, named by the time. On the store's "
     "own file system it takes next to no room."},
    {"log-level", OPTION_CHOICE, FIELD(log_level), "info", 0, 0, log_levels,
     "The least important lines that are logged."},
    {"log-calls", OPTION_COUNT, FIELD(log_calls), "10", 0, 100000, NULL,
     "Lines a second that one thread may log about calls: those that failed, were slow, or whose "
     "traceparent says that they are sampled. 0: none."},
    {"slow-call-ms", OPTION_MS, FIELD(slow_call_ms), "1000", 0, 86400000, NULL,
     "From how many milliseconds on a call is slow; streams are as long as they are. 0: none is."},
    {"port-file", OPTION_FILE, FIELD(port_file), NULL, 0, 0, NULL,
     "A file to write the addresses to, a line each, once the server answers."},
    {"max-candidates", OPTION_COUNT, FIELD(max_candidates), "10000", 1, 100000, NULL,
     "Candidates of one request."},
    {"max-events", OPTION_COUNT, FIELD(max_events), "10000", 1, 100000, NULL,
     "Events of one request."},
    {"max-message-bytes", OPTION_BYTES, FIELD(max_message_bytes), "4MiB", KIB, 64 * MIB, NULL,
     "The size of one request message."},
    {"max-connection-bytes", OPTION_BYTES, FIELD(max_connection_bytes), "16MiB", KIB, GIB, NULL,
     "What the unfinished messages of one connection may take, and its unread answers; at least "
     "twice max-message-bytes."},
    {"max-pending-bytes", OPTION_BYTES, FIELD(max_pending_bytes), "256MiB", MIB, 1024 * GIB, NULL,
     "What all requests and answers of one thread may take before further ones are refused."},
    {"handshake-ms", OPTION_MS, FIELD(handshake_ms), "10000", 0, 86400000, NULL,
     "How long a client may take, TLS included, to say that it speaks HTTP/2. 0: no limit."},
    {"headers-ms", OPTION_MS, FIELD(headers_ms), "10000", 0, 86400000, NULL,
     "How long the headers of a call may take to arrive. 0: no limit."},
    {"body-ms", OPTION_MS, FIELD(body_ms), "30000", 0, 86400000, NULL,
     "How long a message may take to arrive, and a second more for each 512 bytes. 0: no limit."},
    {"stall-ms", OPTION_MS, FIELD(stall_ms), "30000", 0, 86400000, NULL,
     "How long a client may read nothing of the answers that wait for it. 0: no limit."},
    {"idle-ms", OPTION_MS, FIELD(idle_ms), "600000", 0, 86400000, NULL,
     "How long a connection may have no call before it is closed. 0: no limit."},
    {"max-future-ms", OPTION_MS, FIELD(max_future_ms), "86400000", 0, UINT64_C(3153600000000), NULL,
     "How far an event may lie ahead of the server's clock."},
    {"max-streams", OPTION_COUNT, FIELD(max_streams), "256", 1, 65536, NULL,
     "Calls that one connection may have open at once."},
    {"max-connections", OPTION_COUNT, FIELD(max_connections), "1024", 1, 1000000, NULL,
     "Connections that one thread serves at once."},
    {"max-connections-per-address", OPTION_COUNT, FIELD(max_connections_per_address), "0", 0,
     1000000, NULL,
     "Connections from one IPv4 address, or one /64 of IPv6, to all threads. 0: any number."},
    {"table-bytes", OPTION_BYTES, FIELD(table_bytes), "1GiB", 0, 1024 * GIB, NULL,
     "The most that the model's table of item weights may take; scoring is slower without it."},
    {"max-new-items", OPTION_COUNT, FIELD(max_new_items), "100000", 0, 100000000, NULL,
     "Items that may be added to a version, or changed, while it is loaded; they take no memory "
     "before they are there."},
    {"kernel", OPTION_CHOICE, FIELD(kernel), "auto", 0, 0, kernels,
     "The instruction set that scores are computed with; auto: the best that the machine has."},
    {"cache-format", OPTION_CHOICE, FIELD(cache_format), "int8", 0, 0, cache_formats,
     "The numbers in users' caches, for histories too long to be kept exactly."},
    {"scoring-format", OPTION_CHOICE, FIELD(scoring_format), "int16", 0, 0, scoring_formats,
     "The numbers that attention is computed with; int16 is faster and takes half the memory."},
    {"shed-target-ms", OPTION_COUNT, FIELD(shed_target_ms), "3", 1, 60000, NULL,
     "How many milliseconds a short request may wait for its turn while more come than can be "
     "served; longer ones may wait longer."},
    {"shed-interval-ms", OPTION_COUNT, FIELD(shed_interval_ms), "100", 1, 60000, NULL,
     "How many milliseconds requests may pile up for before that rule holds; until then one may "
     "wait as long."},
    {"drain-ms", OPTION_MS, FIELD(drain_ms), "10000", 0, 3600000, NULL,
     "How long a stop waits for the calls that are open."},
    {"compress-above", OPTION_BYTES, FIELD(compress_above), "0", 0, 64 * MIB, NULL,
     "Answers of at least this many bytes are compressed for clients that accept gzip. 0: none."},
    {"max-connection-age-ms", OPTION_MS, FIELD(max_connection_age_ms), "0", 0,
     UINT64_C(31536000000), NULL,
     "How old a connection becomes, give or take a tenth, before its client is asked to open "
     "another. 0: any age."},
    {"max-connection-age-grace-ms", OPTION_MS, FIELD(max_connection_age_grace_ms), "0", 0,
     UINT64_C(31536000000), NULL,
     "How long the calls of a connection that is too old may still take. 0: any time."},
    {"keepalive-ms", OPTION_MS, FIELD(keepalive_ms), "0", 0, 86400000, NULL,
     "After how long a silence a client is pinged. 0: never."},
    {"keepalive-timeout-ms", OPTION_MS, FIELD(keepalive_timeout_ms), "20000", 1, 86400000, NULL,
     "How long a client may take to answer a ping before its connection is closed."},
};

static const settings_table table = {options, sizeof options / sizeof options[0]};

const char *config_store_folder(const config *c)
{
    static const char prefix[] = "rocksdb:";
    const size_t length = strlen(prefix);
    return strncmp(c->store, prefix, length) == 0 ? c->store + length : NULL;
}

const char *config_store_redis(const config *c)
{
    return strncmp(c->store, "redis:", strlen("redis:")) == 0 ? c->store : NULL;
}

/* The same where the store is in Redis. The text may have a password, and is not repeated. */
static bool resolve_redis(config *c, config_error *error)
{
    redis_url where;
    const char *wrong = config_store_redis(c)
                            ? redis_url_parse(c->store, &where)
                            : "TLS is not there: the library, hiredis 0.14, has none; use redis:// "
                              "through a TLS proxy, or on a network that is trusted";
    if (wrong)
        return settings_fail(error, "store: redis: %s", wrong);
    if (c->durability == CONFIG_DURABILITY_AUTO)
        c->durability = CONFIG_DURABILITY_ASYNC;
    if (c->durability == CONFIG_DURABILITY_MEMORY)
        return settings_fail(error, "durability is \"memory\", but store redis has only \"async\" "
                                    "and \"sync\"");
    if (c->export_file || c->backup)
        return settings_fail(error, "%s: needs a store on disk; Redis's own tools copy it",
                             c->export_file ? "export" : "backup");
    return true;
}

/* Checks what is said of the store, and settles the durability. */
static bool resolve_store(config *c, config_error *error)
{
    const char *folder = config_store_folder(c);
    if (strncmp(c->store, "redis", strlen("redis")) == 0)
        return resolve_redis(c, error);
    if (c->durability == CONFIG_DURABILITY_AUTO)
        c->durability = folder ? CONFIG_DURABILITY_SYNC : CONFIG_DURABILITY_MEMORY;
    if (!folder && c->durability != CONFIG_DURABILITY_MEMORY)
        return settings_fail(error, "durability is \"%s\", but store memory has only \"memory\"",
                             durabilities[c->durability]);
    if (!folder && (c->export_file || c->backup))
        return settings_fail(error, "%s: needs a store on disk",
                             c->export_file ? "export" : "backup");
    return true;
}

/* What no single option can say. */
static bool check_together(config *c, config_error *error)
{
    if (!c->model)
        return settings_fail(error, "model: required: --model FILE|DIR, VQL_MODEL, or a line of "
                                    "the file of --config");
    if (!c->tls_cert != !c->tls_key)
        return settings_fail(error, "%s: is needed with %s", c->tls_cert ? "tls-key" : "tls-cert",
                             c->tls_cert ? "tls-cert" : "tls-key");
    if (c->tls_client_ca && !c->tls_cert)
        return settings_fail(error, "tls-cert: is needed with tls-client-ca");
    return resolve_store(c, error);
}

config_outcome config_load(config *out, int argc, char *const *argv, char *const *environment,
                           config_error *error)
{
    *out = (config){0};
    error->text[0] = '\0';
    argc--;
    argv++;
    if (settings_asked(argc, argv, "--help"))
        return CONFIG_HELP;
    if (settings_asked(argc, argv, "--version"))
        return CONFIG_VERSION;
    if (settings_load(&table, out, argc, argv, environment, error) && check_together(out, error))
        return CONFIG_LOADED;
    config_free(out);
    return CONFIG_FAILED;
}

void config_free(config *c)
{
    settings_free(&table, c);
}

void config_print_help(FILE *out)
{
    (void)fputs(
        "Usage: vqld --model FILE|DIR [--option value | --option=value]...\n"
        "An online scoring server that keeps each user's whole history.\n"
        "An option may also be given by its variable, or by a line of the file of --config;\n"
        "the command line goes before a variable, a variable before the file.\n\n",
        out);
    settings_print(&table, out);
}

const char *config_kernel(const config *c)
{
    return c->kernel == 0 ? NULL : kernels[c->kernel];
}

void config_each(const config *c, void (*tell)(void *context, const char *name, const char *value),
                 void *context)
{
    char text[OPTION_PATH_BYTES];
    for (size_t i = 0; i < table.count; i++)
        if (option_text(&table.options[i], c, text, sizeof text))
            tell(context, table.options[i].name, text);
}
