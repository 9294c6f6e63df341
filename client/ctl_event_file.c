#include "ctl_event_file.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMN_USER, COLUMN_ITEM, COLUMN_TYPE, COLUMN_TIME, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
    [COLUMN_USER] = "user_id",
    [COLUMN_ITEM] = "item_id",
    [COLUMN_TYPE] = "event_type",
    [COLUMN_TIME] = "timestamp_ms",
};

struct event_file {
    tsv *tsv;
    event_file_kind kind;
    const event_types *types;
    bool has_columns; /* the first line has been seen, and columns[] says which is which */
    size_t columns[COLUMN_COUNT];
};

event_file *event_file_open(const char *path, event_file_kind kind, const event_types *types)
{
    event_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->tsv = tsv_open(path);
    if (f->tsv == NULL) {
        free(f);
        return NULL;
    }
    f->kind = kind;
    f->types = types;
    return f;
}

void event_file_close(event_file *f)
{
    tsv_close(f->tsv);
    free(f);
}

const tsv *event_file_tsv(const event_file *f)
{
    return f->tsv;
}

static bool find_column(const tsv *t, const char *name, size_t *column)
{
    for (size_t i = 0; i < tsv_count(t); i++) {
        if (strcmp(tsv_field(t, i), name) == 0) {
            *column = i;
            return true;
        }
    }
    return false;
}

/* The first column that is read: that of the user is not in a file of one user. */
static size_t first_column(const event_file *f)
{
    return f->kind == EVENT_FILE_OF_USERS ? COLUMN_USER : COLUMN_ITEM;
}

/* Finds the columns by the names in the first line. TSV_END: it names none of them. */
static tsv_result find_columns(event_file *f)
{
    size_t found = 0;
    const char *missing = NULL;
    for (size_t i = first_column(f); i < COLUMN_COUNT; i++)
        if (find_column(f->tsv, column_names[i], &f->columns[i]))
            found++;
        else if (missing == NULL)
            missing = column_names[i];
    if (missing == NULL)
        return TSV_ROW;
    if (found == 0 && f->kind == EVENT_FILE_OF_ONE_USER)
        return TSV_END;
    char reason[96] = "the first line names no column ";
    strncat(reason, missing, sizeof reason - strlen(reason) - 1);
    return tsv_refuse_row(f->tsv, reason);
}

/* Reads the first line of events, past the line that names the columns if there is one. */
static tsv_result read_first(event_file *f)
{
    tsv_result result = tsv_read(f->tsv);
    if (result != TSV_ROW)
        return result;
    f->has_columns = true;
    result = find_columns(f);
    if (result == TSV_ROW)
        return tsv_read(f->tsv);
    if (result == TSV_END) {
        for (size_t i = COLUMN_ITEM; i < COLUMN_COUNT; i++)
            f->columns[i] = i - COLUMN_ITEM;
        return TSV_ROW;
    }
    return result;
}

static tsv_result read_number(event_file *f, size_t column, uint64_t max, uint64_t *number)
{
    return tsv_number(f->tsv, f->columns[column], column_names[column], max, number);
}

static tsv_result read_type(event_file *f, uint32_t *type)
{
    const size_t column = f->columns[COLUMN_TYPE];
    if (column < tsv_count(f->tsv) && event_types_find(f->types, tsv_field(f->tsv, column), type))
        return TSV_ROW;
    char reason[256] = "not a number nor one of the active model's types:";
    for (size_t i = 0; i < f->types->count; i++) {
        strncat(reason, " ", sizeof reason - strlen(reason) - 1);
        strncat(reason, f->types->names[i], sizeof reason - strlen(reason) - 1);
    }
    return tsv_refuse(f->tsv, column, column_names[COLUMN_TYPE], reason);
}

tsv_result event_file_read(event_file *f, event_row *row)
{
    *row = (event_row){0};
    tsv_result result = f->has_columns ? tsv_read(f->tsv) : read_first(f);
    uint64_t time_ms = 0;
    if (result == TSV_ROW && f->kind == EVENT_FILE_OF_USERS)
        result = read_number(f, COLUMN_USER, UINT64_MAX, &row->user_id);
    if (result == TSV_ROW)
        result = read_number(f, COLUMN_ITEM, UINT64_MAX, &row->item_id);
    if (result == TSV_ROW)
        result = read_type(f, &row->type);
    if (result == TSV_ROW) {
        result = read_number(f, COLUMN_TIME, INT64_MAX, &time_ms);
        row->time_ms = (int64_t)time_ms;
    }
    return result;
}
