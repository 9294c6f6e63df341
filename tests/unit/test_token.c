/* The file of tokens: what it may say, and what is wrong with one that may not. */
#include "token.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "random.h"

#define HASH_1 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH_2 "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcde0"
#define HASH_3 "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static token_table table;
static token_error error;

static bool parse(const char *text)
{
    return token_table_parse(&table, text, strlen(text), &error);
}

START_TEST(a_file)
{
    const char *text = "# who\n"
                       "\n"
                       "  web-1\tshop score " HASH_1 " # a comment\r\n"
                       "loader shop append,score " HASH_2 "\n"
                       "root ops admin " HASH_3 "\n"
                       "quota shop in-flight=64 rate=1000 burst=2000\n"
                       "quota ops rate=7";
    ck_assert_msg(parse(text), "%s", error.text);
    ck_assert_uint_eq(table.count, 3);
    ck_assert_uint_eq(table.tenant_count, 2);
    uint8_t hash[TOKEN_HASH_BYTES];
    for (size_t i = 0; i < sizeof hash; i++)
        hash[i] = (uint8_t)((i % 8) * 0x22 + 1);
    const token *found = token_table_find(&table, hash);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->name, "web-1");
    ck_assert_uint_eq(found->scopes, 1U << TOKEN_SCOPE_SCORE);
    const token_tenant *shop = &table.tenants[found->tenant];
    ck_assert_str_eq(shop->name, "shop");
    ck_assert_uint_eq(shop->quota.rate, 1000);
    ck_assert_uint_eq(shop->quota.burst, 2000);
    ck_assert_uint_eq(shop->quota.in_flight, 64);

    hash[31] = 0xe0;
    found = token_table_find(&table, hash);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->name, "loader");
    ck_assert_uint_eq(found->scopes, 1U << TOKEN_SCOPE_SCORE | 1U << TOKEN_SCOPE_APPEND);

    hash[0] = 0xff;
    hash[31] = 0xef;
    found = token_table_find(&table, hash);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->name, "root");
    ck_assert_uint_eq(table.tenants[found->tenant].quota.burst, 7);
    ck_assert_uint_eq(table.tenants[found->tenant].quota.in_flight, 0);
    hash[31] = 0xee;
    ck_assert_ptr_null(token_table_find(&table, hash));
    token_table_clear(&table);
}
END_TEST

START_TEST(an_empty_file)
{
    const uint8_t hash[TOKEN_HASH_BYTES] = {0};
    ck_assert(parse("\n# nobody\n"));
    ck_assert_ptr_null(token_table_find(&table, hash));
    token_table_clear(&table);
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    {"a t score\n", "line 1: 3 words; a token's line has 4"},
    {"\na t score " HASH_1 " more\n", "line 2: 5 words; a token's line has 4"},
    {"a/b t score " HASH_1, "line 1: name \"a/b\" is not 1 to 64 letters"},
    {"a t\x01 score " HASH_1, "line 1: tenant \"t\x01\" is not 1 to 64 letters"},
    {"a t scores " HASH_1, "line 1: scope \"scores\" is not score, append or admin"},
    {"a t score, " HASH_1, "line 1: scope \"\" is not score, append or admin"},
    {"a t score 0123", "line 1: the hash has 4 characters; a SHA-256 has 64 hexadecimal digits"},
    {"a t score g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
     "line 1: the hash has 64 characters; a SHA-256 has 64 hexadecimal digits"},
    {"a t score " HASH_1 "\na t score " HASH_2, "a: two tokens have this name"},
    {"a t score " HASH_1 "\nb t score " HASH_1, "another token has the same hash"},
    {"quota t rate=1\n", "t: a tenant with a quota, but no token"},
    {"quota t\n", "line 1: 2 words; a quota's line has 3 to 5"},
    {"quota t rate=0\n", "line 1: rate=0 is not a number from 1 to 1000000"},
    {"quota t rate=1000001\n", "line 1: rate=1000001 is not a number from 1 to 1000000"},
    {"quota t rate=99999999999999999999\n", "is not a number from 1 to 1000000"},
    {"quota t rate=1x\n", "line 1: rate=1x is not a number from 1 to 1000000"},
    {"quota t rate=\n", "line 1: \"rate=\" is not rate=N, burst=N or in-flight=N"},
    {"quota t speed=1\n", "line 1: \"speed=1\" is not rate=N, burst=N or in-flight=N"},
    {"quota t burst=5\n", "line 1: burst needs rate"},
    {"a t score " HASH_1 "\nquota t rate=1\nquota t rate=2",
     "line 3: tenant t has a quota already"},
};

START_TEST(what_is_wrong_is_said)
{
    ck_assert(!parse(refused[_i].text));
    ck_assert_msg(strstr(error.text, refused[_i].error) != NULL, "%s is not in: %s",
                  refused[_i].error, error.text);
    ck_assert_ptr_null(strstr(error.text, "0123456789abcdef01"));
    ck_assert_ptr_null(table.tokens);
    ck_assert_ptr_null(table.tenants);
}
END_TEST

START_TEST(too_many)
{
    static char text[(TOKEN_MAX_COUNT + 1) * 96];
    size_t used = 0;
    for (unsigned i = 0; i < TOKEN_MAX_COUNT; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "n%u t score %064x\n", i, i);
    ck_assert(parse(text));
    uint8_t hash[TOKEN_HASH_BYTES] = {0};
    for (unsigned i = 0; i < TOKEN_MAX_COUNT; i++) {
        hash[30] = (uint8_t)(i >> 8);
        hash[31] = (uint8_t)i;
        ck_assert_ptr_nonnull(token_table_find(&table, hash)); /* all have one prefix */
    }
    token_table_clear(&table);
    (void)snprintf(text + used, sizeof text - used, "more t score " HASH_1);
    ck_assert(!parse(text));
    ck_assert_ptr_nonnull(strstr(error.text, "more than 4096 tokens"));
}
END_TEST

/* Bytes turned at random: an error or a table, and nothing else. */
START_TEST(nonsense)
{
    const char good[] = "web shop score,append " HASH_1 "\nquota shop rate=10 burst=20\n";
    for (uint64_t seed = 0; seed < 20000; seed++) {
        char text[sizeof good];
        random_stream random = {.state = seed};
        memcpy(text, good, sizeof good);
        for (uint32_t changes = 1 + random_below(&random, 4); changes > 0; changes--)
            text[random_below(&random, sizeof good)] = (char)random_u64(&random);
        const size_t count = random_below(&random, sizeof good + 1);
        if (token_table_parse(&table, text, count, &error))
            token_table_clear(&table);
        else
            ck_assert_uint_gt(strlen(error.text), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token");
    TCase *tests = tcase_create("token");
    tcase_add_test(tests, a_file);
    tcase_add_test(tests, an_empty_file);
    tcase_add_loop_test(tests, what_is_wrong_is_said, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, nonsense);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
