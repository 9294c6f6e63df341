/*
 * The file of --tokens: who may do what, and how much.
 *
 *   # name   tenant  scopes         SHA-256 of the token, in 64 hexadecimal digits
 *   web-1    shop    score          9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c…
 *   loader   shop    append,score   60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f…
 *   quota    shop    rate=1000 burst=2000 in-flight=64
 *
 * Words are separated by blanks. Names have letters, digits, '.', '_' and '-'; two tokens may not
 * have the same name or hash. A quota is of a tenant that has a token; a rate without a burst
 * allows a second's requests at once. A token is any text of at most TOKEN_MAX_BYTES that a header
 * field may have; the file has only its hash.
 */
#ifndef VQL_SERVER_TOKEN_H
#define VQL_SERVER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenant.h"

enum {
    TOKEN_HASH_BYTES = 32,
    TOKEN_NAME_BYTES = 65, /* 64 and the terminator */
    TOKEN_MAX_BYTES = 256,
    TOKEN_MAX_COUNT = 4096,
};

/* What a token allows, as bits of token.scopes, and what a method needs. */
#define TOKEN_SCOPES(X) X(ADMIN, "admin") X(SCORE, "score") X(APPEND, "append")

typedef enum token_scope {
#define TOKEN_SCOPE_ENUM(name, text) TOKEN_SCOPE_##name,
    TOKEN_SCOPES(TOKEN_SCOPE_ENUM)
#undef TOKEN_SCOPE_ENUM
        TOKEN_SCOPE_ANY, /* needed: a token, whatever its scopes */
    TOKEN_SCOPE_NONE,    /* needed: no token */
} token_scope;

/* "score", of a scope that a token may have; a static string. */
const char *token_scope_name(token_scope scope);

typedef struct token {
    uint8_t hash[TOKEN_HASH_BYTES];
    char name[TOKEN_NAME_BYTES];
    uint32_t scopes; /* bit s: token_scope s */
    uint32_t tenant; /* an index of token_table.tenants */
} token;

/* A tenant as the file has it. */
typedef struct token_tenant {
    char name[TENANT_NAME_BYTES];
    bool limited; /* there was a quota */
    tenant_quota quota;
    tenant *tenant; /* for the table's owner; NULL at first */
} token_tenant;

/* A file that was read; never changed once it is in use, but for its owner's pointers. */
typedef struct token_table {
    token *tokens; /* in the order of their hashes */
    size_t count;
    token_tenant *tenants;
    size_t tenant_count;
} token_table;

/* Names the line, what it has and what was wanted; never more of a hash than its first digits. */
typedef struct token_error {
    char text[512];
} token_error;

/* Reads a file of so many bytes. False: *error says why, and *out is empty. */
bool token_table_parse(token_table *out, const char *bytes, size_t count, token_error *error);

/* Frees what parsing made, and leaves it empty. */
void token_table_clear(token_table *t);

/*
 * The token with a hash; NULL: there is none. How long that takes tells where the hash stands among
 * the others', but nothing of a token: whoever knows a token's hash to the last byte has no token.
 * The hash itself is compared in a time that does not depend on it.
 */
const token *token_table_find(const token_table *t, const uint8_t hash[TOKEN_HASH_BYTES]);

#endif
