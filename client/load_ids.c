#include "load_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "tsv.h"

#define MOST_IDS (UINT64_C(1) << 28)

static bool add(load_ids *out, uint64_t id)
{
    /* The list doubles at each power of two. */
    if ((out->count & (out->count - 1)) == 0) {
        const size_t capacity = out->count > 0 ? 2 * (size_t)out->count : 1;
        uint64_t *ids = realloc(out->ids, capacity * sizeof *ids);
        if (ids == NULL)
            return false;
        out->ids = ids;
    }
    out->ids[out->count++] = id;
    return true;
}

/* Which field of the first row has that name; -1: the row has a number first, and no names. */
static int find_column(const tsv *t, const char *column)
{
    uint64_t number;
    const char *first = tsv_field(t, 0);
    for (size_t i = 0; i < tsv_count(t); i++)
        if (strcmp(tsv_field(t, i), column) == 0)
            return (int)i;
    return decimal_parse(first, strlen(first), UINT64_MAX, &number) ? -1 : 0;
}

static tsv_result read_rows(tsv *t, const char *column, load_ids *out)
{
    tsv_result result = tsv_read(t);
    if (result != TSV_ROW)
        return result;
    const int named = find_column(t, column);
    if (named >= 0)
        result = tsv_read(t);
    const size_t field = named >= 0 ? (size_t)named : 0;
    for (; result == TSV_ROW; result = tsv_read(t)) {
        uint64_t id;
        if (tsv_number(t, field, column, UINT64_MAX, &id) != TSV_ROW)
            return TSV_FAILED;
        if (out->count == MOST_IDS)
            return tsv_refuse_row(t, "there are more than 268435456 ids");
        if (!add(out, id))
            return tsv_refuse_row(t, "no memory for so many ids");
    }
    return result;
}

bool load_ids_read(load_ids *out, const char *path, const char *column, char *error,
                   size_t error_bytes)
{
    *out = (load_ids){0};
    tsv *t = tsv_open(path);
    if (t == NULL) {
        (void)snprintf(error, error_bytes, "%s: no memory", path);
        return false;
    }
    const bool whole = read_rows(t, column, out) == TSV_END;
    if (!whole)
        (void)snprintf(error, error_bytes, "%s", tsv_error(t));
    else if (out->count == 0)
        (void)snprintf(error, error_bytes, "%s: has no ids", path);
    tsv_close(t);
    if (whole && out->count > 0)
        return true;
    load_ids_free(out);
    return false;
}

void load_ids_free(load_ids *ids)
{
    free(ids->ids);
    *ids = (load_ids){0};
}
