#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id_map.h"
#include "limit.h"
#include "log.h"
#include "redis_database.h"
#include "redis_scan.h"
#include "store_record.h"

enum { WORDS = 16, BORN_BYTES = 8, FIELD_BYTES = 24 };

/* What is done when it is committed: an append, or a snapshot to save. */
typedef struct pending {
    uint64_t user_id;
    event *events; /* of an append; NULL: a snapshot's */
    size_t *count;
    history_info *info;
    store_code *code;
} pending;

typedef struct redis_store {
    store base;
    redis_database *database;
    redis_cluster *cluster;
    redis_request *requests; /* [count]: what waits for the commit */
    pending *pending;        /* [count] */
    size_t count, capacity;

    bool pinned;
    uint64_t pinned_user, pinned_born; /* of the last user that was asked for; born 0: none */

    redis_scan scan;
} redis_store;

/* The words of a command. */
typedef struct command {
    const char *words[WORDS];
    size_t bytes[WORDS];
    int count;
} command;

/* A call of a script: its words, and what they point to. */
typedef struct script_call {
    command command;
    char key[REDIS_KEY_BYTES], channel[REDIS_KEY_BYTES], news[REDIS_NEWS_BYTES];
} script_call;

static void add(command *c, const char *word, size_t bytes)
{
    c->words[c->count] = word;
    c->bytes[c->count++] = bytes;
}

static void add_text(command *c, const char *word)
{
    add(c, word, strlen(word));
}

static void begin_call(const redis_store *r, redis_script script, uint64_t user_id, script_call *c)
{
    c->command.count = 0;
    add_text(&c->command, "EVALSHA");
    add_text(&c->command, redis_database_sha(r->database, script));
    add_text(&c->command, "1");
    add(&c->command, c->key, redis_user_key(user_id, c->key));
    add(&c->command, c->channel, redis_database_news_of(r->database, user_id, c->channel, c->news));
    add(&c->command, c->news, sizeof c->news);
}

static store_code unavailable(redis_store *r, uint64_t user_id, const char *why)
{
    if (redis_database_may_log(r->database))
        log_error("the store failed", log_u64("user_id", user_id), log_str("error", why));
    return STORE_UNAVAILABLE;
}

static store_code damaged(const char *what, uint64_t user_id)
{
    log_error("the store is damaged", log_str("record", what), log_u64("user_id", user_id));
    return STORE_DAMAGED;
}

/* What became of a request whose answer is to be of a type. */
static store_code code_of(redis_store *r, uint64_t user_id, const redis_request *q, int type)
{
    if (!q->reply && q->writes)
        redis_database_rename(r->database);
    if (!q->reply)
        return unavailable(r, user_id, "redis did not answer");
    if (q->reply->type == REDIS_REPLY_ERROR)
        return unavailable(r, user_id, q->reply->str);
    if (q->unreplicated)
        return unavailable(r, user_id, "too few replicas have it");
    if (q->reply->type != type)
        return unavailable(r, user_id, "redis answered what was not asked");
    return STORE_OK;
}

/* Has one command done at once. *q is to be cleared. */
static store_code run(redis_store *r, uint64_t user_id, bool writes, const command *c, int type,
                      redis_request *q)
{
    const char **words = (const char **)(uintptr_t)c->words;
    if (!redis_request_set(q, redis_user_slot(user_id), writes, c->count, words, c->bytes))
        return STORE_NO_MEMORY;
    redis_cluster_run(r->cluster, q, 1);
    return code_of(r, user_id, q, type);
}

/* The same of a script that answers with a number. */
static store_code run_call(redis_store *r, uint64_t user_id, const script_call *c, uint64_t *answer)
{
    redis_request q = {.bytes = 0};
    const store_code code = run(r, user_id, true, &c->command, REDIS_REPLY_INTEGER, &q);
    if (code == STORE_OK)
        *answer = (uint64_t)q.reply->integer;
    redis_request_clear(&q);
    return code;
}

/* Takes a head, or what stands for none. False: it is neither. */
static bool parse_head(const redisReply *reply, history_info *info)
{
    *info = (history_info){0};
    if (reply &&
        (reply->type == REDIS_REPLY_NIL || (reply->type == REDIS_REPLY_STRING && reply->len == 0)))
        return true;
    return reply && reply->type == REDIS_REPLY_STRING &&
           record_head_parse(reply->str, reply->len, info);
}

static bool is_string(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING;
}

/* Makes room for one more that waits. */
static bool reserve(redis_store *r)
{
    if (r->count < r->capacity)
        return true;
    const size_t capacity = r->capacity > 0 ? 2 * r->capacity : 64;
    redis_request *requests = realloc(r->requests, capacity * sizeof *requests);
    if (!requests)
        return false;
    r->requests = requests;
    pending *all = realloc(r->pending, capacity * sizeof *all);
    if (!all)
        return false;
    r->pending = all;
    r->capacity = capacity;
    return true;
}

/* Has a call wait for the commit. */
static store_code wait_for_commit(redis_store *r, const script_call *c, const pending *p)
{
    const char **words = (const char **)(uintptr_t)c->command.words;
    if (!reserve(r) || !redis_request_set(&r->requests[r->count], redis_user_slot(p->user_id), true,
                                          c->command.count, words, c->command.bytes))
        return STORE_NO_MEMORY;
    r->pending[r->count++] = *p;
    return STORE_OK;
}

static store_code redis_info(store *s, uint64_t user_id, history_info *info)
{
    redis_store *r = (redis_store *)s;
    redis_request q = {.bytes = 0};
    script_call c = {.command.count = 0};
    add_text(&c.command, "HMGET");
    add(&c.command, c.key, redis_user_key(user_id, c.key));
    add_text(&c.command, "h");
    *info = (history_info){0};
    store_code code = run(r, user_id, false, &c.command, REDIS_REPLY_ARRAY, &q);
    if (code == STORE_OK && (q.reply->elements != 1 || !parse_head(q.reply->element[0], info)))
        code = damaged("head", user_id);
    redis_request_clear(&q);
    r->pinned_user = user_id;
    r->pinned_born = r->pinned && code == STORE_OK ? info->born : 0;
    return code;
}

static store_code redis_append(store *s, uint64_t user_id, event *events, size_t *count,
                               history_info *info, store_code *code)
{
    redis_store *r = (redis_store *)s;
    if (*count == 0)
        return redis_info(s, user_id, info);
    char *records = malloc(*count * RECORD_EVENT_BYTES);
    if (!records)
        return STORE_NO_MEMORY;
    record_events_write(events, *count, records);
    char born[BORN_BYTES];
    redis_little(redis_random(), born);
    script_call c;
    begin_call(r, REDIS_APPEND, user_id, &c);
    add(&c.command, born, sizeof born);
    add(&c.command, records, *count * RECORD_EVENT_BYTES);
    const store_code result =
        wait_for_commit(r, &c, &(pending){user_id, events, count, info, code});
    free(records);
    return result;
}

/* Takes those out of the array that were not applied. */
static size_t keep_applied(event *events, size_t count, const char *fates)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (fates[i] == '1')
            events[kept++] = events[i];
    return kept;
}

static store_code finish_append(redis_store *r, const pending *p, const redis_request *q)
{
    history_info info;
    const store_code code = code_of(r, p->user_id, q, REDIS_REPLY_ARRAY);
    if (code != STORE_OK)
        return code;
    const redisReply *reply = q->reply;
    if (reply->elements != 2 || !parse_head(reply->element[0], &info))
        return damaged("head", p->user_id);
    const redisReply *fates = reply->element[1];
    if (!is_string(fates) || (fates->len != 0 && fates->len != *p->count))
        return damaged("answer", p->user_id);
    if (fates->len > 0)
        *p->count = keep_applied(p->events, *p->count, fates->str);
    *p->info = info;
    return info.sequence >= *p->count ? STORE_OK : damaged("sequence", p->user_id);
}

static store_code redis_commit(store *s)
{
    redis_store *r = (redis_store *)s;
    redis_cluster_run(r->cluster, r->requests, r->count);
    for (size_t i = 0; i < r->count; i++) {
        const pending *p = &r->pending[i];
        if (p->events)
            *p->code = finish_append(r, p, &r->requests[i]);
        else
            (void)code_of(r, p->user_id, &r->requests[i], REDIS_REPLY_INTEGER);
        redis_request_clear(&r->requests[i]);
    }
    r->count = 0;
    return STORE_OK;
}

static store_code redis_save(store *s, uint64_t user_id, const store_snapshot *snapshot,
                             const snapshot_keep *keep)
{
    redis_store *r = (redis_store *)s;
    script_call c;
    char born[BORN_BYTES], sequence[8], model[8], kept[8 * LIMIT_MODELS];
    char *value = malloc(RECORD_SNAPSHOT_HEAD_BYTES + snapshot->count);
    if (!value)
        return STORE_NO_MEMORY;
    record_snapshot_write(snapshot, value);
    redis_little(snapshot->born, born);
    redis_little(snapshot->sequence, sequence);
    redis_little(snapshot->model, model);
    for (size_t i = 0; i < keep->count; i++)
        redis_little(keep->models[i], kept + 8 * i);
    begin_call(r, REDIS_SAVE, user_id, &c);
    add(&c.command, born, sizeof born);
    add(&c.command, sequence, sizeof sequence);
    add(&c.command, model, sizeof model);
    add(&c.command, value, RECORD_SNAPSHOT_HEAD_BYTES + snapshot->count);
    add(&c.command, kept, 8 * keep->count);
    const store_code code = wait_for_commit(r, &c, &(pending){.user_id = user_id});
    free(value);
    return code;
}

static store_code redis_erase(store *s, uint64_t user_id, uint64_t *erased)
{
    redis_store *r = (redis_store *)s;
    script_call c;
    begin_call(r, REDIS_ERASE, user_id, &c);
    return run_call(r, user_id, &c, erased);
}

static store_code redis_trim(store *s, uint64_t user_id, const history_info *left)
{
    redis_store *r = (redis_store *)s;
    script_call c;
    uint64_t done;
    char born[BORN_BYTES], next[BORN_BYTES], numbers[4][8];
    redis_little(left->born, born);
    redis_little(redis_random(), next);
    redis_little(left->first, numbers[0]);
    redis_little(left->sequence, numbers[1]);
    redis_little((uint64_t)left->first_time_ms, numbers[2]);
    redis_little((uint64_t)left->last_time_ms, numbers[3]);
    begin_call(r, REDIS_TRIM, user_id, &c);
    add(&c.command, born, sizeof born);
    add(&c.command, next, sizeof next);
    for (size_t i = 0; i < 4; i++)
        add(&c.command, numbers[i], sizeof numbers[i]);
    return run_call(r, user_id, &c, &done);
}

static store_code redis_purge(store *s, uint64_t user_id, size_t max, bool *more)
{
    redis_store *r = (redis_store *)s;
    script_call c;
    char most[24];
    uint64_t left = 0;
    (void)snprintf(most, sizeof most, "%zu", max);
    begin_call(r, REDIS_PURGE, user_id, &c);
    add_text(&c.command, most);
    const store_code code = run_call(r, user_id, &c, &left);
    *more = left != 0;
    return code;
}

static void redis_pin(store *s)
{
    redis_store *r = (redis_store *)s;
    r->pinned = true;
    r->pinned_born = 0;
}

static void redis_unpin(store *s)
{
    ((redis_store *)s)->pinned = false;
}

/* Whether an id stands in a bucket's value. */
static bool holds(const redisReply *bucket, const char id[8])
{
    for (size_t i = 0; is_string(bucket) && i + 8 <= bucket->len; i += 8)
        if (memcmp(bucket->str + i, id, 8) == 0)
            return true;
    return false;
}

/* Takes out events whose id is in a bucket, or stands earlier in the array. */
static bool drop_repeated(redisReply *const *buckets, event *events, size_t *count)
{
    size_t kept = 0;
    id_map seen = {0};
    if (!id_map_reserve(&seen, *count))
        return false;
    for (size_t i = 0; i < *count; i++) {
        char id[8];
        redis_little(events[i].id, id);
        if (events[i].id != 0) {
            if (id_map_get(&seen, events[i].id) ||
                holds(buckets[events[i].id % REDIS_ID_BUCKETS], id))
                continue;
            id_map_put(&seen, events[i].id, &seen);
        }
        events[kept++] = events[i];
    }
    id_map_clear(&seen);
    *count = kept;
    return true;
}

static store_code redis_drop_applied(store *s, uint64_t user_id, event *events, size_t *count)
{
    redis_store *r = (redis_store *)s;
    char key[REDIS_KEY_BYTES], fields[REDIS_ID_BUCKETS][4];
    const char *words[2 + REDIS_ID_BUCKETS] = {"HMGET", key};
    size_t bytes[2 + REDIS_ID_BUCKETS] = {strlen("HMGET"), redis_user_key(user_id, key)};
    for (int i = 0; i < REDIS_ID_BUCKETS; i++) {
        bytes[2 + i] = (size_t)snprintf(fields[i], sizeof fields[i], "i%d", i & 15);
        words[2 + i] = fields[i];
    }
    redis_request q;
    store_code code = STORE_NO_MEMORY;
    if (redis_request_set(&q, redis_user_slot(user_id), false, 2 + REDIS_ID_BUCKETS, words,
                          bytes)) {
        redis_cluster_run(r->cluster, &q, 1);
        code = code_of(r, user_id, &q, REDIS_REPLY_ARRAY);
    }
    if (code == STORE_OK && q.reply->elements != REDIS_ID_BUCKETS)
        code = damaged("ids", user_id);
    if (code == STORE_OK && !drop_repeated(q.reply->element, events, count))
        code = STORE_NO_MEMORY;
    redis_request_clear(&q);
    return code;
}

/* Asks for the head and for the fields of chunks first to last. */
static bool set_read(redis_request *q, uint64_t user_id, uint64_t first, size_t chunks)
{
    char key[REDIS_KEY_BYTES];
    const size_t count = 3 + chunks;
    const char **words = calloc(count, sizeof *words);
    size_t *bytes = calloc(count, sizeof *bytes);
    char(*fields)[FIELD_BYTES] = calloc(chunks, sizeof *fields);
    bool ok = words && bytes && fields;
    if (ok) {
        words[0] = "HMGET";
        words[1] = key;
        words[2] = "h";
        bytes[0] = strlen(words[0]);
        bytes[1] = redis_user_key(user_id, key);
        bytes[2] = 1;
        for (size_t i = 0; i < chunks; i++) {
            bytes[3 + i] = (size_t)snprintf(fields[i], FIELD_BYTES, "e%" PRIu64, first + i);
            words[3 + i] = fields[i];
        }
        ok = redis_request_set(q, redis_user_slot(user_id), false, (int)count, words, bytes);
    }
    free(fields);
    free(bytes);
    free(words);
    return ok;
}

/* Takes events out of chunks, the first of which begins with the sequence number `next` - at. */
static size_t take_events(redisReply *const *chunks, size_t count, size_t at, event *out,
                          size_t max)
{
    size_t taken = 0;
    for (size_t k = 0; k < count && taken < max && is_string(chunks[k]); k++, at = 0) {
        const size_t held = record_events_count(chunks[k]->len);
        while (at < held && taken < max)
            out[taken++] = record_event(chunks[k]->str, at++);
        if (held != REDIS_CHUNK)
            break;
    }
    return taken;
}

static store_code redis_read(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                             size_t max, size_t *count)
{
    redis_store *r = (redis_store *)s;
    *count = 0;
    if (first_sequence == 0 || max == 0)
        return STORE_OK;
    history_info info;
    redis_request q = {.bytes = 0};
    const uint64_t first = (first_sequence - 1) / REDIS_CHUNK;
    const size_t at = (size_t)((first_sequence - 1) % REDIS_CHUNK);
    const size_t chunks = (at + max + REDIS_CHUNK - 1) / REDIS_CHUNK;
    store_code code = STORE_NO_MEMORY;
    if (set_read(&q, user_id, first, chunks)) {
        redis_cluster_run(r->cluster, &q, 1);
        code = code_of(r, user_id, &q, REDIS_REPLY_ARRAY);
    }
    if (code == STORE_OK &&
        (q.reply->elements != 1 + chunks || !parse_head(q.reply->element[0], &info)))
        code = damaged("events", user_id);
    if (code == STORE_OK && r->pinned_born != 0 && r->pinned_user == user_id &&
        r->pinned_born != info.born)
        code = STORE_CHANGED;
    if (code == STORE_OK)
        *count = take_events(q.reply->element + 1, chunks, at, out, max);
    redis_request_clear(&q);
    return code;
}

/* One that is damaged is none: the events are all there. */
static store_code redis_load(store *s, uint64_t user_id, uint64_t model, store_snapshot *out)
{
    redis_store *r = (redis_store *)s;
    redis_request q = {.bytes = 0};
    script_call c = {.command.count = 0};
    char field[9] = "s";
    store_snapshot found;
    *out = (store_snapshot){0};
    redis_little(model, field + 1);
    add_text(&c.command, "HMGET");
    add(&c.command, c.key, redis_user_key(user_id, c.key));
    add(&c.command, field, sizeof field);
    store_code code = run(r, user_id, false, &c.command, REDIS_REPLY_ARRAY, &q);
    const redisReply *value =
        code == STORE_OK && q.reply->elements == 1 ? q.reply->element[0] : NULL;
    if (is_string(value) && !record_snapshot_parse(value->str, value->len, &found))
        log_warn("a snapshot is damaged and left alone", log_u64("user_id", user_id));
    else if (is_string(value)) {
        uint8_t *bytes = malloc(found.count + 1);
        code = bytes ? STORE_OK : STORE_NO_MEMORY;
        if (bytes) {
            memcpy(bytes, found.bytes, found.count);
            *out = found;
            out->model = model;
            out->bytes = bytes;
        }
    }
    redis_request_clear(&q);
    return code;
}

static store_code redis_users(store *s, uint64_t *cursor, uint64_t *out, size_t max, size_t *count)
{
    redis_store *r = (redis_store *)s;
    const char *why = NULL;
    *count = 0;
    if (redis_scan_users(&r->scan, r->cluster, cursor, out, max, count, &why))
        return STORE_OK;
    return unavailable(r, 0, why);
}

static void redis_close(store *s)
{
    redis_store *r = (redis_store *)s;
    for (size_t i = 0; i < r->count; i++)
        redis_request_clear(&r->requests[i]);
    redis_cluster_free(r->cluster);
    free(r->requests);
    free(r->pending);
    redis_scan_clear(&r->scan);
    free(r);
}

static const store_operations redis_operations = {
    .append = redis_append,
    .save = redis_save,
    .erase = redis_erase,
    .commit = redis_commit,
    .pin = redis_pin,
    .unpin = redis_unpin,
    .drop_applied = redis_drop_applied,
    .info = redis_info,
    .read = redis_read,
    .load = redis_load,
    .users = redis_users,
    .trim = redis_trim,
    .purge = redis_purge,
    .close = redis_close,
};

store *store_redis_open(redis_database *d)
{
    redis_store *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->base = (store){.operations = &redis_operations, .durability = redis_database_durability(d)};
    r->database = d;
    r->cluster = redis_database_cluster(d);
    if (r->cluster)
        return &r->base;
    free(r);
    return NULL;
}
