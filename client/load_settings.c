#include "load_settings.h"

#include <stddef.h>
#include <string.h>

#include "decimal.h"
#include "load_schedule.h"

#define FIELD(name) offsetof(load_settings, name)

#define MOST_SHARE 1000000

static const char *const arrivals[] = {
    [LOAD_CONSTANT] = "constant", [LOAD_POISSON] = "poisson", [LOAD_CLOSED] = "closed", NULL};

/* Name, kind, field, default; the least and the most of a number; choices; help. */
static const option options[] = {
    {"server", OPTION_TEXT, FIELD(server), "127.0.0.1:7070", 1, 300, NULL,
     "The server: HOST:PORT, or unix:/PATH."},
    {"rate", OPTION_REAL, FIELD(rate), "1000", 1, 100000000, NULL,
     "Calls a second that are due, whatever becomes of those before. With --search: where to "
     "begin."},
    {"rate-end", OPTION_REAL, FIELD(rate_end), "0", 0, 100000000, NULL,
     "The rate at the end of the run, which changes in a line, or in --steps. 0: that of --rate."},
    {"steps", OPTION_COUNT, FIELD(steps), "0", 0, LOAD_MAX_STEPS, NULL,
     "Steps of equal length from --rate to --rate-end, both included. 0: in a line."},
    {"arrivals", OPTION_CHOICE, FIELD(arrivals), "constant", 0, 0, arrivals,
     "constant: calls are due at even distances; poisson: at random ones; closed: whenever a "
     "stream is free, and --rate does not count."},
    {"duration", OPTION_REAL, FIELD(duration), "10", 0, 1000000, NULL,
     "Seconds that are measured."},
    {"warmup", OPTION_REAL, FIELD(warmup), "1", 0, 1000000, NULL,
     "Seconds before that, at the first rate, of which nothing is counted."},
    {"connections", OPTION_COUNT, FIELD(connections), "8", 1, 10000, NULL, "Connections."},
    {"streams", OPTION_COUNT, FIELD(streams), "64", 1, 100000, NULL,
     "Calls in flight on each connection at most."},
    {"backlog", OPTION_COUNT, FIELD(backlog), "1000000", 1, 100000000, NULL,
     "Calls that are due and wait for a free stream at most. One more is skipped, and counted."},
    {"deadline-ms", OPTION_COUNT, FIELD(deadline_ms), "0", 0, 86400000, NULL,
     "What the server is told as each call's timeout. 0: none."},
    {"drain-ms", OPTION_MS, FIELD(drain_ms), "10000", 0, 3600000, NULL,
     "How long to wait at the end for calls that are not answered."},
    {"interval-ms", OPTION_MS, FIELD(interval_ms), "1000", 10, 3600000, NULL,
     "How often the display, the timeline and the log have a line."},
    {"users", OPTION_TEXT, FIELD(users), "uniform:1000", 1, OPTION_PATH_BYTES - 1, NULL,
     "Whom calls are about. uniform:N: ids 1 to N alike; zipf:N: the lower the more often; "
     "log:FILE: the column user_id of a table, row by row, over and over."},
    {"zipf-exponent", OPTION_REAL, FIELD(zipf), "0.99", 0, 10, NULL,
     "How much more often, of zipf:N: user i is drawn in proportion to i to the power of minus "
     "this, above 0."},
    {"items", OPTION_TEXT, FIELD(items), "1000", 1, OPTION_PATH_BYTES - 1, NULL,
     "What candidates and events are drawn from. N: ids 1 to N; a file: its column item_id, each "
     "row alike."},
    {"candidates", OPTION_COUNT, FIELD(candidates), "100", 1, 1000000, NULL,
     "Candidates of each score."},
    {"events", OPTION_COUNT, FIELD(events), "1", 1, 100000, NULL, "Events of each append."},
    {"event-types", OPTION_COUNT, FIELD(event_types), "1", 1, 1000000, NULL,
     "Types that events are drawn from, from 0 on."},
    {"mix", OPTION_TEXT, FIELD(mix), "score=1", 1, 200, NULL,
     "Shares of score, append, score-stream and append-stream, as score=8,append=1. What streams "
     "is a message of one long stream of each connection."},
    {"model", OPTION_TEXT, FIELD(model), NULL, 1, 255, NULL,
     "The model version to score with. Without it: the active one."},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, UINT32_MAX, NULL,
     "The same seed draws the same calls."},
    {"verify", OPTION_FLAG, FIELD(verify), "false", 0, 0, NULL,
     "Check every answer's form, and one score in eight against the answer to the same request "
     "that libvqlclient got before the run."},
    {"verify-server", OPTION_TEXT, FIELD(verify_server), NULL, 1, 300, NULL,
     "The server, HOST:PORT or unix:/PATH, that --verify takes for right. Without it: that of "
     "--server."},
    {"search", OPTION_REAL, FIELD(search), "0", 0, 3600000, NULL,
     "Find the highest rate at which 99 of 100 calls are answered within so many milliseconds of "
     "when they were due. Each trial takes --warmup and --duration. 0: do not."},
    {"search-step", OPTION_REAL, FIELD(search_step), "5", 1, 100, NULL,
     "The search ends when it knows the rate to so many percent."},
    {"max-failed", OPTION_REAL, FIELD(max_failed), "0", 0, 100, NULL,
     "Calls that may fail, be skipped or not answered in a trial of --search, in percent."},
    {"json", OPTION_FILE, FIELD(json), NULL, 0, 0, NULL,
     "Where to write the results as JSON. -: standard output, in place of the table."},
    {"html", OPTION_FILE, FIELD(html), NULL, 0, 0, NULL,
     "Where to write the results as a page with plots."},
    {"hdr-log", OPTION_FILE, FIELD(hdr_log), NULL, 0, 0, NULL,
     "Where to write the intervals' histograms, in HdrHistogram's log format."},
    {"quiet", OPTION_FLAG, FIELD(quiet), "false", 0, 0, NULL, "Show nothing while it runs."},
    {"tls", OPTION_FLAG, FIELD(tls), "false", 0, 0, NULL,
     "Encrypt. Each of the next four asks for it, too."},
    {"tls-ca", OPTION_FILE, FIELD(tls_ca), NULL, 0, 0, NULL,
     "Who may have signed the server's certificate, in PEM. Without it: whom the system trusts."},
    {"tls-cert", OPTION_FILE, FIELD(tls_cert), NULL, 0, 0, NULL,
     "The client's own certificate, in PEM."},
    {"tls-key", OPTION_FILE, FIELD(tls_key), NULL, 0, 0, NULL, "Its private key, in PEM."},
    {"tls-server-name", OPTION_TEXT, FIELD(tls_server_name), NULL, 1, 253, NULL,
     "The name that the server's certificate must have. Without it: the host of --server."},
    {"token", OPTION_TEXT, FIELD(token), NULL, 1, 300, NULL,
     "A bearer token that goes along with every call. Others on this machine may see it here: "
     "better VQL_TOKEN, or"},
    {"token-file", OPTION_FILE, FIELD(token_file), NULL, 0, 0, NULL,
     "A file whose first line is the token."},
    {"config", OPTION_FILE, FIELD(config), NULL, 0, 0, NULL,
     "A file of lines \"name = value\" for any of these options but this one."},
};

const settings_table load_settings_table = {options, sizeof options / sizeof options[0]};

bool load_settings_check(const load_settings *s, settings_error *error)
{
    if (!(s->duration > 0))
        return settings_fail(error, "duration is 0, but takes more");
    if (!(s->zipf > 0))
        return settings_fail(error, "zipf-exponent is 0, but takes more");
    if (s->rate_end > 0 && s->rate_end < 1)
        return settings_fail(error, "rate-end is %g, but takes 0, or 1 or more", s->rate_end);
    if (s->steps > 0 && !(s->rate_end > 0))
        return settings_fail(error, "steps is %u, but rate-end is not given", s->steps);
    if (s->search > 0 && (s->arrivals == LOAD_CLOSED || s->rate_end > 0))
        return settings_fail(error,
                             "search is %g, which neither closed arrivals nor rate-end go "
                             "with: it sets the rate",
                             s->search);
    if (s->verify_server && !s->verify)
        return settings_fail(error, "verify-server is \"%.80s\", but verify is not asked for",
                             s->verify_server);
    return true;
}

static int find_kind(const char *name, size_t length)
{
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++) {
        const char *known = load_kind_name((load_kind)kind);
        if (strlen(known) == length && strncmp(known, name, length) == 0)
            return kind;
    }
    return -1;
}

bool load_settings_mix(const load_settings *s, uint32_t shares[LOAD_KIND_COUNT],
                       settings_error *error)
{
    uint32_t sum = 0;
    memset(shares, 0, LOAD_KIND_COUNT * sizeof *shares);
    for (const char *at = s->mix; *at != '\0'; at += *at == ',') {
        const size_t name = strcspn(at, "=,");
        const int kind = find_kind(at, name);
        uint64_t share = 0;
        const char *number = at + name + (at[name] == '=');
        const size_t digits = strcspn(number, ",");
        if (kind < 0 || at[name] != '=' || !decimal_parse(number, digits, MOST_SHARE, &share))
            return settings_fail(error,
                                 "mix is \"%.100s\", but takes score, append, score-stream and "
                                 "append-stream, each as NAME=SHARE of 0 to %d, joined by commas",
                                 s->mix, MOST_SHARE);
        shares[kind] = (uint32_t)share;
        at = number + digits;
    }
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        sum += shares[kind];
    return sum > 0 ||
           settings_fail(error, "mix is \"%.100s\", in which no share is above 0", s->mix);
}
