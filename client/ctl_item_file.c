#include "ctl_item_file.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"

struct item_file {
    tsv *tsv;
    bool has_columns; /* the first line has been read, and columns[] are its names */
    char *columns[TSV_MAX_FIELDS];
    size_t column_count;
};

static const char id_column[] = "item_id";
static const char embedding_column[] = "embedding";

item_file *item_file_open(const char *path)
{
    item_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->tsv = tsv_open(path);
    if (f->tsv != NULL)
        return f;
    free(f);
    return NULL;
}

void item_file_close(item_file *f)
{
    for (size_t i = 0; i < f->column_count; i++)
        free(f->columns[i]);
    tsv_close(f->tsv);
    free(f);
}

const tsv *item_file_tsv(const item_file *f)
{
    return f->tsv;
}

/* Reads the names of the columns. */
static tsv_result read_columns(item_file *f)
{
    bool has_id = false;
    const tsv_result result = tsv_read(f->tsv);
    if (result != TSV_ROW)
        return result;
    for (size_t i = 0; i < tsv_count(f->tsv); i++) {
        f->columns[i] = strdup(tsv_field(f->tsv, i));
        if (f->columns[i] == NULL)
            return tsv_refuse_row(f->tsv, "no memory");
        f->column_count++;
        has_id = has_id || strcmp(f->columns[i], id_column) == 0;
    }
    f->has_columns = true;
    return has_id ? TSV_ROW : tsv_refuse_row(f->tsv, "the first line names no column item_id");
}

/* How many numbers a text with commas has. */
static size_t count_numbers(const char *text)
{
    size_t count = 1;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ',';
    return count;
}

/* Column i as numbers with fractions. */
static tsv_result read_embedding(item_file *f, size_t i, Vql__V1__Item *item)
{
    const char *at = tsv_field(f->tsv, i);
    const size_t count = count_numbers(at);
    item->embedding = malloc(count * sizeof *item->embedding);
    if (item->embedding == NULL)
        return tsv_refuse_row(f->tsv, "no memory");
    while (item->n_embedding < count) {
        char *end;
        errno = 0;
        const float number = strtof(at, &end);
        if (end == at || (*end != ',' && *end != '\0') || !isfinite(number))
            return tsv_refuse(f->tsv, i, embedding_column, "not numbers with commas between them");
        item->embedding[item->n_embedding++] = number;
        at = end + 1;
    }
    return TSV_ROW;
}

/* A field of the item's, which has it already. */
static Vql__V1__ItemField *add_field(Vql__V1__Item *item, const char *name)
{
    Vql__V1__ItemField *field = malloc(sizeof *field);
    if (field == NULL)
        return NULL;
    vql__v1__item_field__init(field);
    field->name = strdup(name);
    if (field->name == NULL) {
        free(field);
        return NULL;
    }
    item->fields[item->n_fields++] = field;
    return field;
}

/* Column i as indices of a field's values. */
static tsv_result read_field(item_file *f, size_t i, Vql__V1__Item *item)
{
    const char *at = tsv_field(f->tsv, i);
    const size_t count = strcmp(at, "-") == 0 ? 0 : count_numbers(at);
    Vql__V1__ItemField *field = add_field(item, f->columns[i]);
    if (field == NULL)
        return tsv_refuse_row(f->tsv, "no memory");
    field->values = malloc((count + 1) * sizeof *field->values);
    if (field->values == NULL)
        return tsv_refuse_row(f->tsv, "no memory");
    while (field->n_values < count) {
        uint64_t value;
        const size_t length = strcspn(at, ",");
        if (!decimal_parse(at, length, UINT32_MAX, &value))
            return tsv_refuse(f->tsv, i, f->columns[i], "not indices with commas between them");
        field->values[field->n_values++] = (uint32_t)value;
        at += length + 1;
    }
    return TSV_ROW;
}

static tsv_result read_column(item_file *f, size_t i, Vql__V1__Item *item)
{
    if (strcmp(f->columns[i], id_column) == 0)
        return tsv_number(f->tsv, i, id_column, UINT64_MAX, &item->id);
    if (i >= tsv_count(f->tsv) || *tsv_field(f->tsv, i) == '\0')
        return TSV_ROW;
    if (strcmp(f->columns[i], embedding_column) == 0)
        return read_embedding(f, i, item);
    return read_field(f, i, item);
}

/* An item with room for a field of each column. */
static Vql__V1__Item *new_item(const item_file *f)
{
    Vql__V1__Item *item = malloc(sizeof *item);
    if (item == NULL)
        return NULL;
    vql__v1__item__init(item);
    item->fields = malloc(f->column_count * sizeof *item->fields);
    if (item->fields != NULL)
        return item;
    free(item);
    return NULL;
}

tsv_result item_file_read(item_file *f, Vql__V1__Item **item)
{
    *item = NULL;
    tsv_result result = f->has_columns ? TSV_ROW : read_columns(f);
    if (result == TSV_ROW)
        result = tsv_read(f->tsv);
    if (result != TSV_ROW)
        return result;
    Vql__V1__Item *made = new_item(f);
    if (made == NULL)
        return tsv_refuse_row(f->tsv, "no memory");
    *item = made;
    if (tsv_count(f->tsv) > f->column_count)
        result = tsv_refuse_row(f->tsv, "more columns than the first line names");
    for (size_t i = 0; i < f->column_count && result == TSV_ROW; i++)
        result = read_column(f, i, made);
    if (result != TSV_ROW) {
        vql__v1__item__free_unpacked(made, NULL);
        *item = NULL;
    }
    return result;
}
