/*
 * The file of --tokens: refused with a text that names the line, or a table in order, in which
 * every token is found and belongs to a tenant.
 */
#include "token.h"

#include <assert.h>
#include <string.h>

#include "target.h"

static void check_table(const token_table *t)
{
    assert(t->count <= TOKEN_MAX_COUNT && t->tenant_count <= t->count);
    for (size_t i = 0; i < t->count; i++) {
        const token *each = &t->tokens[i];
        assert(each->tenant < t->tenant_count && each->scopes != 0 && each->name[0] != '\0');
        assert(token_table_find(t, each->hash) == each);
        assert(i == 0 || memcmp(each[-1].hash, each->hash, sizeof each->hash) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    token_table table;
    token_error error = {.text = ""};
    const bool good = token_table_parse(&table, (const char *)bytes, count, &error);
    if (good)
        check_table(&table);
    else
        assert(error.text[0] != '\0' && memchr(error.text, '\0', sizeof error.text));
    token_table_clear(&table);
    return 0;
}
