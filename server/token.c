#include "token.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 5, HASH_DIGITS = 2 * TOKEN_HASH_BYTES };

static const char quota_word[] = "quota";

/* Bytes of the file; not terminated. */
typedef struct word {
    const char *text;
    size_t length;
} word;

/* Where parsing is. */
typedef struct reader {
    token_table *table;
    unsigned line;
    word words[MAX_WORDS];
    size_t count; /* of the line's words; more than MAX_WORDS are not kept */
    token_error *error;
} reader;

const char *token_scope_name(token_scope scope)
{
    static const char *const names[] = {
#define TOKEN_SCOPE_NAME(name, text) [TOKEN_SCOPE_##name] = text,
        TOKEN_SCOPES(TOKEN_SCOPE_NAME)
#undef TOKEN_SCOPE_NAME
    };
    return names[scope];
}

/* Writes the error, with the line before it, and returns false. */
__attribute__((format(printf, 2, 3))) static bool fail(reader *r, const char *format, ...)
{
    va_list arguments;
    const int used = snprintf(r->error->text, sizeof r->error->text, "line %u: ", r->line);
    va_start(arguments, format);
    (void)vsnprintf(r->error->text + used, sizeof r->error->text - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static bool equals(const word *w, const char *text)
{
    return w->length == strlen(text) && memcmp(w->text, text, w->length) == 0;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Copies a name of at most 64 bytes to out. */
static bool take_name(reader *r, const word *w, const char *what, char out[TOKEN_NAME_BYTES])
{
    size_t i = 0;
    while (i < w->length && is_name_character(w->text[i]))
        i++;
    if (i < w->length || i >= TOKEN_NAME_BYTES)
        return fail(r, "%s \"%.*s\" is not 1 to %d letters, digits, '.', '_' and '-'", what,
                    (int)(w->length < 80 ? w->length : 80), w->text, TOKEN_NAME_BYTES - 1);
    memcpy(out, w->text, i);
    out[i] = '\0';
    return true;
}

static bool take_scope(const word *w, uint32_t *scopes)
{
#define TOKEN_SCOPE_TAKE(name, text)                                                               \
    if (equals(w, text)) {                                                                         \
        *scopes |= 1U << TOKEN_SCOPE_##name;                                                       \
        return true;                                                                               \
    }
    TOKEN_SCOPES(TOKEN_SCOPE_TAKE)
#undef TOKEN_SCOPE_TAKE
    return false;
}

/* "score,append" */
static bool take_scopes(reader *r, const word *w, uint32_t *scopes)
{
    *scopes = 0;
    for (word rest = *w;;) {
        const char *comma = memchr(rest.text, ',', rest.length);
        const word one = {rest.text, comma ? (size_t)(comma - rest.text) : rest.length};
        if (!take_scope(&one, scopes))
            return fail(r, "scope \"%.*s\" is not score, append or admin",
                        (int)(one.length < 40 ? one.length : 40), one.text);
        if (!comma)
            return true;
        rest.length -= one.length + 1;
        rest.text = comma + 1;
    }
}

/* -1: not a hexadecimal digit. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool take_hash(reader *r, const word *w, uint8_t out[TOKEN_HASH_BYTES])
{
    bool good = w->length == HASH_DIGITS;
    for (size_t i = 0; good && i < TOKEN_HASH_BYTES; i++) {
        const int high = digit_value(w->text[2 * i]);
        const int low = digit_value(w->text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            out[i] = (uint8_t)(high * 16 + low);
    }
    return good || fail(r,
                        "the hash has %zu characters; a SHA-256 has %d hexadecimal digits (a token "
                        "itself does not belong here)",
                        w->length, HASH_DIGITS);
}

/* Room for one more element in an array that grows to powers of two. False: no memory. */
static bool make_room(void **array, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0)
        return true;
    void *larger = realloc(*array, (count > 0 ? 2 * count : 1) * bytes);
    if (!larger)
        return false;
    *array = larger;
    return true;
}

/* The index of a tenant, found or added; SIZE_MAX: no memory. */
static size_t find_tenant(token_table *t, const char *name)
{
    for (size_t i = 0; i < t->tenant_count; i++)
        if (strcmp(t->tenants[i].name, name) == 0)
            return i;
    if (!make_room((void **)&t->tenants, t->tenant_count, sizeof *t->tenants))
        return SIZE_MAX;
    token_tenant *added = &t->tenants[t->tenant_count];
    *added = (token_tenant){0};
    memcpy(added->name, name, strlen(name) + 1);
    return t->tenant_count++;
}

static bool take_token(reader *r)
{
    token_table *t = r->table;
    token made = {0};
    char tenant_name[TENANT_NAME_BYTES];
    if (r->count != 4)
        return fail(r, "%zu words; a token's line has 4: name, tenant, scopes, SHA-256", r->count);
    if (!take_name(r, &r->words[0], "name", made.name) ||
        !take_name(r, &r->words[1], "tenant", tenant_name) ||
        !take_scopes(r, &r->words[2], &made.scopes) || !take_hash(r, &r->words[3], made.hash))
        return false;
    if (t->count == TOKEN_MAX_COUNT)
        return fail(r, "more than %d tokens", TOKEN_MAX_COUNT);
    const size_t tenant_index = find_tenant(t, tenant_name);
    if (tenant_index == SIZE_MAX || !make_room((void **)&t->tokens, t->count, sizeof *t->tokens))
        return fail(r, "no memory for the tokens");
    made.tenant = (uint32_t)tenant_index;
    t->tokens[t->count++] = made;
    return true;
}

/* "rate=1000" */
static bool take_setting(reader *r, const word *w, tenant_quota *quota)
{
    const struct {
        const char *name;
        uint32_t most;
        uint32_t *field;
    } settings[] = {
        {"rate=", TENANT_MAX_RATE, &quota->rate},
        {"burst=", TENANT_MAX_BURST, &quota->burst},
        {"in-flight=", TENANT_MAX_IN_FLIGHT, &quota->in_flight},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const size_t length = strlen(settings[i].name);
        if (w->length <= length || memcmp(w->text, settings[i].name, length) != 0)
            continue;
        uint32_t number = 0;
        for (size_t d = length; d < w->length && number <= settings[i].most; d++) {
            const bool good = w->text[d] >= '0' && w->text[d] <= '9';
            number = good ? number * 10 + (uint32_t)(w->text[d] - '0') : UINT32_MAX;
        }
        if (number < 1 || number > settings[i].most)
            return fail(r, "%.*s is not a number from 1 to %u",
                        (int)(w->length < 40 ? w->length : 40), w->text, settings[i].most);
        *settings[i].field = number;
        return true;
    }
    return fail(r, "\"%.*s\" is not rate=N, burst=N or in-flight=N",
                (int)(w->length < 40 ? w->length : 40), w->text);
}

static bool take_quota(reader *r)
{
    token_table *t = r->table;
    char name[TENANT_NAME_BYTES];
    tenant_quota quota = {0};
    if (r->count < 3 || r->count > MAX_WORDS)
        return fail(r, "%zu words; a quota's line has 3 to 5: quota, tenant, settings", r->count);
    if (!take_name(r, &r->words[1], "tenant", name))
        return false;
    for (size_t i = 2; i < r->count; i++)
        if (!take_setting(r, &r->words[i], &quota))
            return false;
    if (quota.burst > 0 && quota.rate == 0)
        return fail(r, "burst needs rate");
    if (quota.burst == 0)
        quota.burst = quota.rate;
    const size_t i = find_tenant(t, name);
    if (i == SIZE_MAX)
        return fail(r, "no memory for the tokens");
    if (t->tenants[i].limited)
        return fail(r, "tenant %s has a quota already", name);
    t->tenants[i].limited = true;
    t->tenants[i].quota = quota;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes a line, without its newline, into words. */
static void split(reader *r, const char *line, size_t length)
{
    r->count = 0;
    for (size_t i = 0; i < length;) {
        size_t end = i;
        while (end < length && !is_blank(line[end]))
            end++;
        if (end > i) {
            if (r->count < MAX_WORDS)
                r->words[r->count] = (word){line + i, end - i};
            r->count++;
        }
        i = end + 1;
    }
}

static bool take_line(reader *r, const char *line, size_t length)
{
    const char *comment = memchr(line, '#', length);
    split(r, line, comment ? (size_t)(comment - line) : length);
    if (r->count == 0)
        return true;
    return equals(&r->words[0], quota_word) ? take_quota(r) : take_token(r);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const token *)left)->name, ((const token *)right)->name);
}

static int compare_hashes(const void *left, const void *right)
{
    return memcmp(((const token *)left)->hash, ((const token *)right)->hash, TOKEN_HASH_BYTES);
}

/* Whether all is said once, and every quota is somebody's; leaves tokens in order of hashes. */
static bool check(token_table *t, token_error *error)
{
    bool *used = calloc(t->tenant_count + 1, sizeof *used);
    if (!used) {
        (void)snprintf(error->text, sizeof error->text, "no memory for the tokens");
        return false;
    }
    const char *problem = NULL;
    const char *name = "";
    if (t->count > 0)
        qsort(t->tokens, t->count, sizeof *t->tokens, compare_names);
    for (size_t i = 0; i < t->count && !problem; i++) {
        used[t->tokens[i].tenant] = true;
        name = t->tokens[i].name;
        if (i > 0 && compare_names(&t->tokens[i - 1], &t->tokens[i]) == 0)
            problem = "two tokens have this name";
    }
    if (t->count > 0)
        qsort(t->tokens, t->count, sizeof *t->tokens, compare_hashes);
    for (size_t i = 1; i < t->count && !problem; i++) {
        name = t->tokens[i].name;
        if (compare_hashes(&t->tokens[i - 1], &t->tokens[i]) == 0)
            problem = "another token has the same hash";
    }
    for (size_t i = 0; i < t->tenant_count && !problem; i++) {
        name = t->tenants[i].name;
        if (!used[i])
            problem = "a tenant with a quota, but no token";
    }
    free(used);
    if (problem)
        (void)snprintf(error->text, sizeof error->text, "%s: %s", name, problem);
    return !problem;
}

bool token_table_parse(token_table *out, const char *bytes, size_t count, token_error *error)
{
    *out = (token_table){0};
    reader r = {.table = out, .error = error};
    bool ok = true;
    for (size_t at = 0; ok && at < count;) {
        const char *newline = memchr(bytes + at, '\n', count - at);
        const size_t length = newline ? (size_t)(newline - (bytes + at)) : count - at;
        r.line++;
        ok = take_line(&r, bytes + at, length);
        at += length + 1;
    }
    ok = ok && check(out, error);
    if (!ok)
        token_table_clear(out);
    return ok;
}

void token_table_clear(token_table *t)
{
    free(t->tokens);
    free(t->tenants);
    *t = (token_table){0};
}

/* The first 8 bytes as a number: what is searched by. */
static uint64_t prefix(const uint8_t hash[TOKEN_HASH_BYTES])
{
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | hash[i];
    return number;
}

const token *token_table_find(const token_table *t, const uint8_t hash[TOKEN_HASH_BYTES])
{
    const uint64_t wanted = prefix(hash);
    size_t low = 0;
    for (size_t high = t->count; low < high;) {
        const size_t middle = low + (high - low) / 2;
        if (prefix(t->tokens[middle].hash) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < t->count && prefix(t->tokens[low].hash) == wanted; low++)
        if (CRYPTO_memcmp(t->tokens[low].hash, hash, TOKEN_HASH_BYTES) == 0)
            return &t->tokens[low];
    return NULL;
}
