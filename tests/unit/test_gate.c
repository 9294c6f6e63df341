/* Who may call what, while tokens change under the threads that ask. */
#include "gate.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check_main.h"
#include "temporary.h"

enum { THREADS = 3, RELOADS = 200 };

static char path[TEMPORARY_PATH_BYTES];
static gate *g;
static gate_view *view;
static grpc_error error;
static token_error problem;

/* Writes the file anew: a format with one %s, for the hash of a token. */
static void write_tokens(const char *format, const char *text)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char digits[2 * TOKEN_HASH_BYTES + 1];
    ck_assert_int_eq(EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
        (void)snprintf(digits + 2 * i, 3, "%02x", (unsigned)hash[i]);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    const char *mark = strstr(format, "%s");
    ck_assert_ptr_nonnull(mark);
    ck_assert_int_gt(fprintf(file, "%.*s%s%s", (int)(mark - format), format, digits, mark + 2), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    temporary_write(path, "", 0);
    write_tokens("web shop score,append %s\nquota shop rate=5 in-flight=1\n", "s3cret");
    g = gate_load(path, &problem);
    ck_assert_msg(g != NULL, "%s", problem.text);
    view = gate_view_new(g);
    ck_assert_ptr_nonnull(view);
}

static void teardown(void)
{
    gate_view_free(view);
    gate_free(g);
    ck_assert_int_eq(unlink(path), 0);
}

static grpc_status check(token_scope scope, const char *authorization, tenant **out)
{
    return gate_check(view, scope, authorization, out, &error);
}

START_TEST(scopes)
{
    tenant *found = NULL;
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer s3cret", &found), GRPC_OK);
    ck_assert_str_eq(tenant_name(found), "shop");
    ck_assert_int_eq(check(TOKEN_SCOPE_APPEND, "bearer s3cret", &found), GRPC_OK);
    ck_assert_int_eq(check(TOKEN_SCOPE_ANY, "BEARER s3cret", &found), GRPC_OK);
    ck_assert_int_eq(check(TOKEN_SCOPE_ADMIN, "Bearer s3cret", &found), GRPC_PERMISSION_DENIED);
    ck_assert_str_eq(error.message, "token web: the method needs scope admin");
}
END_TEST

static const char *const strangers[] = {
    "",
    "Bearer",
    "Bearer ",
    "s3cret",
    "Basic s3cret",
    "Bearer s3cre",
    "Bearer s3cret ",
    "Bearer  s3cret",
    "Bearer S3cret",
    "Bearer s3crets",
};

START_TEST(strangers_are_nobody)
{
    tenant *found;
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, strangers[_i], &found), GRPC_UNAUTHENTICATED);
    ck_assert_ptr_nonnull(strstr(error.message, "needs one with scope score"));
    ck_assert_ptr_null(strstr(error.message, "cre"));
    ck_assert_int_eq(check(TOKEN_SCOPE_ANY, strangers[_i], &found), GRPC_UNAUTHENTICATED);
}
END_TEST

/* A tenant is the same one after a reload: what it has in flight is counted on. */
START_TEST(reloading)
{
    tenant *before, *after;
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer s3cret", &before), GRPC_OK);
    ck_assert_int_eq(tenant_begin(before, &error), GRPC_OK);
    write_tokens("new shop score %s\nquota shop in-flight=2\n", "other");
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer s3cret", &after), GRPC_OK);
    ck_assert(gate_reload(g, &problem));
    ck_assert_uint_eq(gate_count(g), 1);
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer s3cret", &after), GRPC_UNAUTHENTICATED);
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer other", &after), GRPC_OK);
    ck_assert_ptr_eq(before, after);
    ck_assert_int_eq(tenant_begin(after, &error), GRPC_OK);
    ck_assert_int_ne(tenant_begin(after, &error), GRPC_OK);

    write_tokens("bad line %s\n", "other");
    ck_assert(!gate_reload(g, &problem));
    ck_assert_ptr_nonnull(strstr(problem.text, path));
    ck_assert_ptr_nonnull(strstr(problem.text, "line 1: 3 words"));
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer other", &after), GRPC_OK);
}
END_TEST

START_TEST(files_that_cannot_be_used)
{
    ck_assert_ptr_null(gate_load("no/such/file", &problem));
    ck_assert_str_eq(problem.text, "tokens: cannot use no/such/file: No such file or directory");
    ck_assert_ptr_null(gate_load("/", &problem));
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert(!gate_reload(g, &problem));
    ck_assert_ptr_nonnull(strstr(problem.text, "everybody may write to it"));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert(gate_reload(g, &problem));
}
END_TEST

static atomic_bool over;

static void *ask_on(void *argument)
{
    unsigned *known = argument;
    grpc_error refusal;
    gate_view *v = gate_view_new(g);
    while (v && !atomic_load(&over)) {
        tenant *found;
        *known += gate_check(v, TOKEN_SCOPE_SCORE, "Bearer even", &found, &refusal) == GRPC_OK;
        *known += gate_check(v, TOKEN_SCOPE_SCORE, "Bearer odd", &found, &refusal) == GRPC_OK;
    }
    gate_view_free(v);
    return NULL;
}

START_TEST(threads_ask_while_tokens_change)
{
    pthread_t threads[THREADS];
    unsigned known[THREADS] = {0};
    write_tokens("web shop score %s\n", "even");
    ck_assert(gate_reload(g, &problem));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_on, &known[i]), 0);
    for (int i = 0; i < RELOADS; i++) {
        write_tokens("web shop score %s\n", i % 2 ? "even" : "odd");
        ck_assert(gate_reload(g, &problem));
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    tenant *found;
    ck_assert_int_eq(check(TOKEN_SCOPE_SCORE, "Bearer even", &found), GRPC_OK);
    ck_assert_int_ne(check(TOKEN_SCOPE_SCORE, "Bearer odd", &found), GRPC_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tests = tcase_create("gate");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, scopes);
    tcase_add_loop_test(tests, strangers_are_nobody, 0, sizeof strangers / sizeof strangers[0]);
    tcase_add_test(tests, reloading);
    tcase_add_test(tests, files_that_cannot_be_used);
    tcase_add_test(tests, threads_ask_while_tokens_change);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
