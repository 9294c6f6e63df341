#include "gate.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_FILE_BYTES = 4 << 20 };

/* The tokens of one reading of the file, freed when nobody looks at them any more. */
typedef struct edition {
    token_table table;
    unsigned views; /* and the gate itself, while it is the current one; under its mutex */
} edition;

struct gate {
    const char *path;
    EVP_MD *sha256;
    pthread_mutex_t mutex; /* of current and of editions' views */
    edition *current;
    atomic_uint number; /* of the current edition */

    /* Of the thread that reloads: every tenant that ever had a token. */
    tenant **tenants;
    size_t tenant_count;
};

struct gate_view {
    gate *gate;
    edition *edition;
    unsigned number;
    EVP_MD_CTX *digest;
};

/* Reads a whole file of at most MAX_FILE_BYTES into *out, to be freed. */
static bool read_file(const char *path, char **out, size_t *count, token_error *error)
{
    struct stat info;
    FILE *file = fopen(path, "re");
    const char *problem = NULL;
    *out = NULL;
    if (!file || fstat(fileno(file), &info) != 0)
        problem = strerror(errno);
    else if (info.st_mode & S_IWOTH)
        problem = "everybody may write to it";
    else if (!(*out = malloc(MAX_FILE_BYTES + 1)))
        problem = "no memory";
    if (!problem) {
        *count = fread(*out, 1, MAX_FILE_BYTES + 1, file);
        if (ferror(file))
            problem = strerror(errno);
        else if (*count > MAX_FILE_BYTES)
            problem = "it is longer than 4 MiB";
    }
    if (file)
        (void)fclose(file);
    if (!problem)
        return true;
    free(*out);
    *out = NULL;
    (void)snprintf(error->text, sizeof error->text, "tokens: cannot use %.300s: %s", path, problem);
    return false;
}

/* The tenant of a name, made if it has not been there before. NULL: no memory. */
static tenant *find_tenant(gate *g, const char *name)
{
    for (size_t i = 0; i < g->tenant_count; i++)
        if (strcmp(tenant_name(g->tenants[i]), name) == 0)
            return g->tenants[i];
    tenant **larger = realloc(g->tenants, (g->tenant_count + 1) * sizeof(tenant *));
    if (!larger)
        return NULL;
    g->tenants = larger;
    tenant *made = tenant_new(name);
    if (made)
        g->tenants[g->tenant_count++] = made;
    return made;
}

/* Gives every tenant of the table its counts; quotas change only when there are all of them. */
static bool bind_tenants(gate *g, token_table *t)
{
    for (size_t i = 0; i < t->tenant_count; i++) {
        t->tenants[i].tenant = find_tenant(g, t->tenants[i].name);
        if (!t->tenants[i].tenant)
            return false;
    }
    for (size_t i = 0; i < t->tenant_count; i++)
        tenant_set_quota(t->tenants[i].tenant, &t->tenants[i].quota);
    return true;
}

/* Reads the file. NULL: *error says why. */
static edition *make_edition(gate *g, token_error *error)
{
    char *bytes;
    size_t count = 0;
    token_error problem;
    if (!read_file(g->path, &bytes, &count, error))
        return NULL;
    edition *e = calloc(1, sizeof *e);
    bool ok = e != NULL;
    if (!ok)
        (void)snprintf(problem.text, sizeof problem.text, "no memory");
    ok = ok && token_table_parse(&e->table, bytes, count, &problem);
    free(bytes);
    if (ok && !bind_tenants(g, &e->table)) {
        (void)snprintf(problem.text, sizeof problem.text, "no memory for the tenants");
        token_table_clear(&e->table);
        ok = false;
    }
    if (ok) {
        e->views = 1;
        return e;
    }
    free(e);
    (void)snprintf(error->text, sizeof error->text, "tokens: %.200s: %.250s", g->path,
                   problem.text);
    return NULL;
}

/* One looks at it no more; under the mutex. */
static void release(edition *e)
{
    if (--e->views > 0)
        return;
    token_table_clear(&e->table);
    free(e);
}

gate *gate_load(const char *path, token_error *error)
{
    gate *g = calloc(1, sizeof *g);
    if (!g) {
        (void)snprintf(error->text, sizeof error->text, "tokens: no memory");
        return NULL;
    }
    g->path = path;
    g->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    (void)pthread_mutex_init(&g->mutex, NULL);
    if (!g->sha256)
        (void)snprintf(error->text, sizeof error->text, "tokens: OpenSSL has no SHA-256");
    else
        g->current = make_edition(g, error);
    if (g->current)
        return g;
    gate_free(g);
    return NULL;
}

bool gate_reload(gate *g, token_error *error)
{
    edition *made = make_edition(g, error);
    if (!made)
        return false;
    (void)pthread_mutex_lock(&g->mutex);
    release(g->current);
    g->current = made;
    atomic_fetch_add_explicit(&g->number, 1, memory_order_release);
    (void)pthread_mutex_unlock(&g->mutex);
    return true;
}

size_t gate_count(const gate *g)
{
    return g->current->table.count;
}

void gate_free(gate *g)
{
    if (!g)
        return;
    if (g->current)
        release(g->current);
    for (size_t i = 0; i < g->tenant_count; i++)
        tenant_free(g->tenants[i]);
    free(g->tenants);
    EVP_MD_free(g->sha256);
    (void)pthread_mutex_destroy(&g->mutex);
    free(g);
}

/* Looks at the current edition, and at no other any more. */
static void look_again(gate_view *v)
{
    gate *g = v->gate;
    (void)pthread_mutex_lock(&g->mutex);
    if (v->edition)
        release(v->edition);
    v->edition = g->current;
    v->edition->views++;
    v->number = atomic_load_explicit(&g->number, memory_order_relaxed);
    (void)pthread_mutex_unlock(&g->mutex);
}

gate_view *gate_view_new(gate *g)
{
    gate_view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->gate = g;
    v->digest = EVP_MD_CTX_new();
    if (!v->digest || EVP_DigestInit_ex2(v->digest, g->sha256, NULL) != 1) {
        EVP_MD_CTX_free(v->digest);
        free(v);
        return NULL;
    }
    look_again(v);
    return v;
}

void gate_view_free(gate_view *v)
{
    if (!v)
        return;
    (void)pthread_mutex_lock(&v->gate->mutex);
    release(v->edition);
    (void)pthread_mutex_unlock(&v->gate->mutex);
    EVP_MD_CTX_free(v->digest);
    free(v);
}

/* The bearer token of an authorization field (RFC 6750 §2.1); NULL: there is none. */
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return NULL;
    return authorization + sizeof scheme - 1;
}

static const token *find(const gate_view *v, const char *text)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    if (EVP_DigestInit_ex2(v->digest, NULL, NULL) != 1 ||
        EVP_DigestUpdate(v->digest, text, strlen(text)) != 1 ||
        EVP_DigestFinal_ex(v->digest, hash, NULL) != 1)
        return NULL;
    return token_table_find(&v->edition->table, hash);
}

/* "a token", or "a token with scope score": what a method needs. */
static grpc_status refuse(token_scope scope, const char *why, grpc_error *error)
{
    const bool any = scope == TOKEN_SCOPE_ANY;
    return grpc_fail(error, GRPC_UNAUTHENTICATED, "authorization: %s; the method needs one%s%s",
                     why, any ? "" : " with scope ", any ? "" : token_scope_name(scope));
}

grpc_status gate_check(gate_view *v, token_scope scope, const char *authorization,
                       tenant **on_behalf, grpc_error *error)
{
    if (atomic_load_explicit(&v->gate->number, memory_order_acquire) != v->number)
        look_again(v);
    const char *text = bearer(authorization);
    if (!text)
        return refuse(scope, "there is no bearer token", error);
    const token *found = find(v, text);
    if (!found)
        return refuse(scope, "the bearer token is not known", error);
    if (scope != TOKEN_SCOPE_ANY && !(found->scopes & 1U << scope))
        return grpc_fail(error, GRPC_PERMISSION_DENIED, "token %s: the method needs scope %s",
                         found->name, token_scope_name(scope));
    *on_behalf = v->edition->table.tenants[found->tenant].tenant;
    return GRPC_OK;
}
