#include "generate.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "dataset.h"
#include "random.h"

#define START_MS INT64_C(1600000000000)
#define DAY_MS   INT64_C(86400000)

enum { PATH_BYTES = 4096, TYPES = 2, MAX_TOPICS = 64, RECENT_STEP_HOURS = 44 };

typedef enum event_kind { KIND_LIKE, KIND_SKIP, KIND_FILLER } event_kind;
static const char *const kind_names[] = {"like", "skip", "view"};

/* A file being written. */
typedef struct output {
    gzFile file;
    bool failed;
    char path[PATH_BYTES];
} output;

/* ---- what there is ---- */

/* B, a topic's events in a history: four fifths of what the filler at the end leaves, or all. */
static uint32_t block_of(const generate_spec *spec)
{
    const uint32_t room = (spec->length - GENERATE_RECENT) / spec->topics;
    const uint32_t most = room - room / 5;
    return (most > GENERATE_BLOCK ? most : GENERATE_BLOCK) / 4 * 4;
}

static uint64_t topic_item(uint32_t topic)
{
    return 1 + topic;
}

static uint64_t candidate_item(const generate_spec *spec, uint32_t topic, uint64_t index)
{
    return 1 + spec->topics + topic * GENERATE_CANDIDATES + index;
}

static uint32_t first_filler(const generate_spec *spec)
{
    return 1 + spec->topics * (1 + GENERATE_CANDIDATES);
}

/* The item of the user's index-th event of filler: the same for all users. */
static uint64_t filler_item(const generate_spec *spec, uint32_t index)
{
    const uint32_t first = first_filler(spec);
    assert(first <= spec->items);
    return first + index % (spec->items + 1 - first);
}

/* Of two neighbours one is interested in a topic and the other is not. */
static bool is_interested(const generate_spec *spec, uint32_t user, uint32_t topic)
{
    const random_stream pair = random_open(spec->seed, RANDOM_INTERESTS, user / 2);
    return random_below(pair, topic, 2) == user % 2;
}

/* The events before the filler at the end. */
static uint32_t old_events(const generate_spec *spec)
{
    return spec->length - GENERATE_RECENT;
}

/* When the index-th event of a user happens: the old ones on the first day, the others later. */
static int64_t event_time(const generate_spec *spec, uint32_t index)
{
    const uint32_t old = old_events(spec);
    return index < old ? START_MS + DAY_MS * index / old
                       : START_MS + DAY_MS + (index + 1 - old) * RECENT_STEP_HOURS * (DAY_MS / 24);
}

/* ---- files ---- */

__attribute__((format(printf, 2, 3))) static void put(output *out, const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    out->failed = out->failed || gzwrite(out->file, line, (unsigned)length) != length;
}

/* Events of a user that are still to come before the filler at the end. */
typedef struct urn {
    uint32_t left[MAX_TOPICS][TYPES];
    uint32_t filler;
    uint32_t total;
} urn;

static urn fill_urn(const generate_spec *spec, uint32_t user)
{
    const uint32_t block = block_of(spec);
    urn u = {.total = old_events(spec)};
    u.filler = u.total - spec->topics * block;
    for (uint32_t t = 0; t < spec->topics; t++) {
        const uint32_t likes = is_interested(spec, user, t) ? block / 4 * 3 : block / 4;
        u.left[t][KIND_LIKE] = likes;
        u.left[t][KIND_SKIP] = block - likes;
    }
    return u;
}

/* Draws an event from the urn: its topic and kind. */
static event_kind draw(urn *u, const generate_spec *spec, uint64_t number, uint32_t *topic)
{
    u->total--;
    for (*topic = 0; *topic < spec->topics; (*topic)++) {
        for (int kind = 0; kind < TYPES; kind++) {
            uint32_t *left = &u->left[*topic][kind];
            if (number < *left) {
                (*left)--;
                return (event_kind)kind;
            }
            number -= *left;
        }
    }
    u->filler--;
    return KIND_FILLER;
}

static void put_events(const generate_spec *spec, uint32_t user, output *out)
{
    const random_stream stream = random_open(spec->seed, RANDOM_EVENTS, user);
    urn u = fill_urn(spec, user);
    uint32_t filler = 0;
    for (uint32_t i = 0; i < spec->length + spec->impressions; i++) {
        uint32_t topic;
        event_kind kind = KIND_FILLER;
        if (u.total > 0)
            kind = draw(&u, spec, random_below(stream, i, u.total), &topic);
        const uint64_t item = kind == KIND_FILLER ? filler_item(spec, filler++) : topic_item(topic);
        put(out, "%" PRIu32 "\t%" PRIu64 "\t%s\t%" PRId64 "\n", user + 1, item, kind_names[kind],
            event_time(spec, i));
    }
}

static void put_all_events(const generate_spec *spec, output *out)
{
    put(out, "user_id\titem_id\tevent_type\ttimestamp_ms\n");
    for (uint32_t user = 0; user < spec->users && !out->failed; user++)
        put_events(spec, user, out);
}

static void put_impression(const generate_spec *spec, uint32_t user, uint32_t index, output *out)
{
    const random_stream stream = random_open(spec->seed, RANDOM_IMPRESSIONS, user);
    const uint64_t first = (uint64_t)3 * index;
    const uint32_t topic = (uint32_t)random_below(stream, first, spec->topics);
    const uint64_t candidate = random_below(stream, first + 1, GENERATE_CANDIDATES);
    const double chance =
        is_interested(spec, user, topic) ? GENERATE_BEST_AUC : 1 - GENERATE_BEST_AUC;
    const train_split split = (uint64_t)10 * index < (uint64_t)8 * spec->impressions   ? SPLIT_TRAIN
                              : (uint64_t)10 * index < (uint64_t)9 * spec->impressions ? SPLIT_VALID
                                                                                       : SPLIT_TEST;
    put(out, "%" PRIu32 "\t%" PRIu64 "\t%" PRId64 "\t%s\t%d\n", user + 1,
        candidate_item(spec, topic, candidate), event_time(spec, spec->length + index) - 1,
        train_split_name(split), random_uniform(stream, first + 2) < chance);
}

static void put_impressions(const generate_spec *spec, output *out)
{
    put(out, "user_id\titem_id\ttimestamp_ms\tsplit\tclick\n");
    for (uint32_t index = 0; index < spec->impressions && !out->failed; index++)
        for (uint32_t user = 0; user < spec->users; user++)
            put_impression(spec, user, index, out);
}

static void put_items(const generate_spec *spec, output *out)
{
    put(out, "item_id\ttopic\n");
    for (uint32_t topic = 0; topic < spec->topics; topic++)
        put(out, "%" PRIu64 "\t%" PRIu32 "\n", topic_item(topic), topic);
    for (uint32_t topic = 0; topic < spec->topics; topic++)
        for (uint32_t i = 0; i < GENERATE_CANDIDATES; i++)
            put(out, "%" PRIu64 "\t%" PRIu32 "\n", candidate_item(spec, topic, i), topic);
    for (uint32_t item = first_filler(spec); item <= spec->items; item++)
        put(out, "%" PRIu32 "\t%" PRIu32 "\n", item, spec->topics + item % 4);
}

/* Writes one file with what `fill` puts into it. */
static vql_code write_file(const generate_spec *spec, const char *folder, const char *name,
                           void (*fill)(const generate_spec *, output *), vql_error *error)
{
    output out = {.failed = false};
    const int length = snprintf(out.path, sizeof out.path, "%s/%s.tsv.gz", folder, name);
    if (length >= (int)sizeof out.path)
        return vql_fail(error, VQL_FORMAT, "%.100s: a path of %d bytes or more", folder,
                        PATH_BYTES);
    out.file = gzopen(out.path, "wbx6");
    if (out.file == NULL)
        return vql_fail(error, VQL_FORMAT, "%s: %s", out.path, strerror(errno));
    fill(spec, &out);
    if (gzclose(out.file) != Z_OK || out.failed)
        return vql_fail(error, VQL_FORMAT, "%s: cannot be written: %s", out.path, strerror(errno));
    return VQL_OK;
}

static vql_code check(const generate_spec *spec, vql_error *error)
{
    const struct {
        const char *name;
        uint64_t value, least, most;
    } limits[] = {
        {"users", spec->users, 1, 100000000},
        {"topics", spec->topics, 1, MAX_TOPICS},
        {"items", spec->items, (uint64_t)spec->topics * (1 + GENERATE_CANDIDATES) + GENERATE_FILLER,
         1 << 30},
        {"length", spec->length, (uint64_t)spec->topics * GENERATE_BLOCK + GENERATE_RECENT,
         DATASET_MAX_HISTORY / 2},
        {"impressions", spec->impressions, 10, DATASET_MAX_HISTORY / 2},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].value < limits[i].least || limits[i].value > limits[i].most) {
            return vql_fail(error, VQL_VALUE,
                            "%s is %" PRIu64 ", but with %" PRIu32 " topics lies between %" PRIu64
                            " and %" PRIu64,
                            limits[i].name, limits[i].value, spec->topics, limits[i].least,
                            limits[i].most);
        }
    }
    return VQL_OK;
}

vql_code generate_log(const generate_spec *spec, const char *folder, vql_error *error)
{
    vql_code code = check(spec, error);
    if (code != VQL_OK)
        return code;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return vql_fail(error, VQL_FORMAT, "%s: %s", folder, strerror(errno));
    code = write_file(spec, folder, "items", put_items, error);
    if (code == VQL_OK)
        code = write_file(spec, folder, "impressions", put_impressions, error);
    if (code == VQL_OK)
        code = write_file(spec, folder, "events", put_all_events, error);
    return code;
}
