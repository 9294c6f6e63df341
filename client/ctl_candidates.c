#include "ctl_candidates.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_client.h"
#include "tsv.h"

void candidates_free(candidates *c)
{
    free(c->item_ids);
    *c = (candidates){0};
}

bool candidates_add(candidates *c, uint64_t item_id)
{
    if (c->count == c->capacity) {
        const size_t capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        uint64_t *item_ids = realloc(c->item_ids, capacity * sizeof *item_ids);
        if (item_ids == NULL)
            return false;
        c->item_ids = item_ids;
        c->capacity = capacity;
    }
    c->item_ids[c->count++] = item_id;
    return true;
}

/* Whether the row is a line of names, and which of them is item_id. */
static bool find_column(const tsv *t, size_t *column)
{
    for (size_t i = 0; i < tsv_count(t); i++) {
        if (strcmp(tsv_field(t, i), "item_id") == 0) {
            *column = i;
            return true;
        }
    }
    return false;
}

ctl_exit candidates_read(candidates *c, const char *path)
{
    tsv *t = tsv_open(path);
    if (t == NULL)
        return ctl_no_memory();
    ctl_exit code = CTL_OK;
    size_t column = 0;
    tsv_result result = tsv_read(t);
    if (result == TSV_ROW && find_column(t, &column))
        result = tsv_read(t);
    while (result == TSV_ROW && code == CTL_OK) {
        uint64_t item_id;
        result = tsv_number(t, column, "item_id", UINT64_MAX, &item_id);
        if (result == TSV_ROW && !candidates_add(c, item_id))
            code = ctl_no_memory();
        else if (result == TSV_ROW)
            result = tsv_read(t);
    }
    if (result == TSV_FAILED) {
        ctl_complain("%s", tsv_error(t));
        code = CTL_USAGE;
    }
    tsv_close(t);
    return code;
}
