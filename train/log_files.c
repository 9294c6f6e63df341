#include "log_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decimal.h"
#include "tsv.h"

enum { PATH_BYTES = 4096 };

/* A file being read. */
typedef struct table_reader {
    tsv *rows;
    size_t columns; /* of the header */
    log_files *files;
    vql_error *error;
} table_reader;

/* ---- what may go wrong ---- */

static vql_code fail_memory(const table_reader *reader)
{
    return vql_fail(reader->error, VQL_NO_MEMORY, "no memory for %s's line %llu",
                    tsv_path(reader->rows), (unsigned long long)tsv_line(reader->rows));
}

static vql_code fail_row(const table_reader *reader)
{
    return vql_fail(reader->error, VQL_FORMAT, "%s", tsv_error(reader->rows));
}

static vql_code refuse(const table_reader *reader, size_t column, const char *name,
                       const char *reason)
{
    (void)tsv_refuse(reader->rows, column, name, reason);
    return fail_row(reader);
}

/* Makes room for one more element; NULL, with the array as it was, when there is no memory. */
static void *grown(void *array, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity)
        return array;
    const size_t wanted = *capacity > 0 ? 2 * *capacity : 1024;
    void *bigger =
        wanted <= SIZE_MAX / element_bytes ? realloc(array, wanted * element_bytes) : NULL;
    if (bigger != NULL)
        *capacity = wanted;
    return bigger;
}

/* ---- fields of a line ---- */

/* Whether a name may stand in a model file: of no more bytes than it has room for, and no comma. */
static bool is_name(const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F || text[i] == ',')
            return false;
    return length > 0 && length < DATASET_NAME_BYTES;
}

static const char bad_name[] = "not a name of 1 to 63 bytes without commas";

/* Finds a name, or adds it; capacity when there is no room. */
static uint32_t number_name(char names[][DATASET_NAME_BYTES], uint32_t *count, uint32_t capacity,
                            const char *name)
{
    uint32_t i = 0;
    while (i < *count && strcmp(names[i], name) != 0)
        i++;
    if (i == *count && i < capacity)
        memcpy(names[(*count)++], name, strlen(name) + 1);
    return i;
}

/* Reads a field as an id and numbers it. */
static vql_code read_id(const table_reader *reader, size_t column, const char *name, id_list *ids,
                        uint32_t *number)
{
    uint64_t id;
    if (tsv_number(reader->rows, column, name, UINT64_MAX, &id) != TSV_ROW)
        return fail_row(reader);
    *number = id_list_add(ids, id);
    return *number != ID_NONE ? VQL_OK : fail_memory(reader);
}

static vql_code read_time(const table_reader *reader, size_t column, int64_t *time_ms)
{
    uint64_t number;
    if (tsv_number(reader->rows, column, "timestamp_ms", INT64_MAX, &number) != TSV_ROW)
        return fail_row(reader);
    *time_ms = (int64_t)number;
    return VQL_OK;
}

/* ---- headers ---- */

/* Reads the header line, whose first columns have these names. */
static vql_code read_header(table_reader *reader, const char *const *names, size_t count)
{
    const tsv_result result = tsv_read(reader->rows);
    if (result == TSV_FAILED)
        return fail_row(reader);
    if (result == TSV_END)
        return vql_fail(reader->error, VQL_FORMAT, "%s: no header line", tsv_path(reader->rows));
    for (size_t i = 0; i < count; i++)
        if (i >= tsv_count(reader->rows) || strcmp(tsv_field(reader->rows, i), names[i]) != 0)
            return refuse(reader, i, names[i], "the header line has another name here");
    reader->columns = tsv_count(reader->rows);
    return VQL_OK;
}

/* Reads the names of the header's columns from `first` on. */
static vql_code read_names(const table_reader *reader, size_t first, const char *what,
                           char names[][DATASET_NAME_BYTES], uint32_t *count, uint32_t capacity)
{
    for (size_t i = first; i < reader->columns; i++) {
        const char *name = tsv_field(reader->rows, i);
        if (!is_name(name))
            return refuse(reader, i, what, bad_name);
        const uint32_t before = *count;
        if (number_name(names, count, capacity, name) != before)
            return refuse(reader, i, what, "a second column of this name");
        if (*count == before)
            return refuse(reader, i, what, "one more than there may be");
    }
    return VQL_OK;
}

/* Reads the next line, of as many columns as the header. *code is VQL_OK at the end. */
static bool next_row(const table_reader *reader, vql_code *code)
{
    *code = VQL_OK;
    const tsv_result result = tsv_read(reader->rows);
    if (result == TSV_FAILED)
        *code = fail_row(reader);
    if (result != TSV_ROW)
        return false;
    if (tsv_count(reader->rows) == reader->columns)
        return true;
    char reason[64];
    (void)snprintf(reason, sizeof reason, "%zu columns, the header has %zu",
                   tsv_count(reader->rows), reader->columns);
    (void)tsv_refuse_row(reader->rows, reason);
    *code = fail_row(reader);
    return false;
}

/* ---- events ---- */

static vql_code read_event(const table_reader *reader)
{
    log_files *files = reader->files;
    log_event *events =
        grown(files->events, files->event_count, &files->event_capacity, sizeof *files->events);
    if (events == NULL)
        return fail_memory(reader);
    files->events = events;
    log_event *event = &events[files->event_count];
    vql_code code = read_id(reader, 0, "user_id", &files->users, &event->user);
    if (code == VQL_OK)
        code = read_id(reader, 1, "item_id", &files->items, &event->item);
    if (code == VQL_OK)
        code = read_time(reader, 3, &event->time_ms);
    if (code != VQL_OK)
        return code;
    const char *type = tsv_field(reader->rows, 2);
    if (!is_name(type))
        return refuse(reader, 2, "event_type", bad_name);
    event->type =
        number_name(files->event_type_names, &files->event_types, DATASET_MAX_EVENT_TYPES, type);
    if (event->type == DATASET_MAX_EVENT_TYPES)
        return refuse(reader, 2, "event_type", "a 65th event type, there may be 64");
    if (files->event_count == UINT32_MAX)
        return refuse(reader, 0, "user_id", "more than 4294967295 events");
    event->line = (uint32_t)files->event_count++;
    return VQL_OK;
}

static vql_code read_events(table_reader *reader)
{
    static const char *const names[] = {"user_id", "item_id", "event_type", "timestamp_ms"};
    vql_code code = read_header(reader, names, 4);
    while (code == VQL_OK && next_row(reader, &code))
        code = read_event(reader);
    if (code == VQL_OK && reader->files->event_count == 0)
        return vql_fail(reader->error, VQL_FORMAT, "%s: no events", tsv_path(reader->rows));
    return code;
}

/* ---- impressions ---- */

const char *train_split_name(train_split split)
{
    static const char *const names[SPLITS] = {"train", "valid", "test"};
    return names[split];
}

static vql_code read_labels(const table_reader *reader, uint8_t *labels)
{
    for (uint32_t t = 0; t < reader->files->tasks; t++) {
        const char *text = tsv_field(reader->rows, 4 + t);
        if ((text[0] != '0' && text[0] != '1') || text[1] != '\0')
            return refuse(reader, 4 + t, reader->files->task_names[t], "neither 0 nor 1");
        labels[t] = (uint8_t)(text[0] - '0');
    }
    return VQL_OK;
}

static vql_code read_impression(const table_reader *reader)
{
    log_files *files = reader->files;
    size_t split = 0;
    while (split < SPLITS &&
           strcmp(tsv_field(reader->rows, 3), train_split_name((train_split)split)) != 0)
        split++;
    if (split == SPLITS)
        return refuse(reader, 3, "split", "neither train, valid nor test");
    train_impressions *into = &files->splits[split];
    train_impression *at = grown(into->at, into->count, &files->capacities[split], sizeof *at);
    if (at == NULL)
        return fail_memory(reader);
    into->at = at;
    train_impression *impression = &at[into->count];
    *impression = (train_impression){0};
    vql_code code = read_id(reader, 0, "user_id", &files->users, &impression->user);
    if (code == VQL_OK)
        code = read_id(reader, 1, "item_id", &files->items, &impression->row);
    if (code == VQL_OK)
        code = read_time(reader, 2, &impression->time_ms);
    if (code == VQL_OK)
        code = read_labels(reader, impression->labels);
    if (code != VQL_OK)
        return code;
    if (into->count == UINT32_MAX)
        return refuse(reader, 3, "split", "more than 4294967295 impressions");
    impression->history = (uint32_t)into->count++;
    return VQL_OK;
}

static vql_code read_impressions(table_reader *reader)
{
    static const char *const names[] = {"user_id", "item_id", "timestamp_ms", "split"};
    log_files *files = reader->files;
    vql_code code = read_header(reader, names, 4);
    if (code == VQL_OK)
        code = read_names(reader, 4, "task", files->task_names, &files->tasks, DATASET_MAX_TASKS);
    if (code == VQL_OK && files->tasks == 0)
        return refuse(reader, 4, "task", "no task has a column");
    while (code == VQL_OK && next_row(reader, &code))
        code = read_impression(reader);
    return code;
}

/* ---- items ---- */

/* Adds the values of an item's field, "12,7" or "". */
static vql_code read_values(const table_reader *reader, uint32_t index)
{
    log_field *field = &reader->files->fields[index];
    const char *text = tsv_field(reader->rows, 1 + index);
    while (*text != '\0') {
        uint64_t id;
        const size_t length = strcspn(text, ",");
        if (!decimal_parse(text, length, UINT64_MAX, &id) ||
            (text[length] == ',' && text[length + 1] == '\0'))
            return refuse(reader, 1 + index, reader->files->field_names[index],
                          "not ids joined by commas");
        uint32_t *indices =
            grown(field->indices, field->count, &field->capacity, sizeof *field->indices);
        if (indices == NULL)
            return fail_memory(reader);
        field->indices = indices;
        indices[field->count] = id_list_add(&field->values, id);
        if (indices[field->count] == ID_NONE || field->count == INT32_MAX)
            return fail_memory(reader);
        field->count++;
        text += length + (text[length] == ',');
    }
    return VQL_OK;
}

static vql_code read_item(const table_reader *reader, size_t *offset_capacity)
{
    log_files *files = reader->files;
    uint32_t item = ID_NONE;
    const vql_code code = read_id(reader, 0, "item_id", &files->items, &item);
    if (code != VQL_OK)
        return code;
    if (item != files->listed)
        return refuse(reader, 0, "item_id", "stands in the file already");
    files->listed++;
    for (uint32_t f = 0; f < files->field_count; f++) {
        const vql_code read = read_values(reader, f);
        if (read != VQL_OK)
            return read;
    }
    size_t capacity = *offset_capacity;
    for (uint32_t f = 0; f < files->field_count; f++) {
        capacity = *offset_capacity;
        uint32_t *offsets =
            grown(files->fields[f].offsets, files->listed, &capacity, sizeof *offsets);
        if (offsets == NULL)
            return fail_memory(reader);
        files->fields[f].offsets = offsets;
        offsets[0] = 0;
        offsets[files->listed] = (uint32_t)files->fields[f].count;
    }
    *offset_capacity = capacity;
    return VQL_OK;
}

static vql_code read_items(table_reader *reader)
{
    static const char *const names[] = {"item_id"};
    log_files *files = reader->files;
    size_t offset_capacity = 0;
    vql_code code = read_header(reader, names, 1);
    if (code == VQL_OK)
        code = read_names(reader, 1, "field", files->field_names, &files->field_count,
                          DATASET_MAX_FIELDS);
    while (code == VQL_OK && next_row(reader, &code))
        code = read_item(reader, &offset_capacity);
    return code;
}

/* ---- the folder ---- */

/* Finds NAME.tsv.gz or NAME.tsv. */
static bool find_file(const char *folder, const char *name, char *path)
{
    static const char *const endings[] = {"tsv.gz", "tsv"};
    for (size_t i = 0; i < 2; i++) {
        const int length = snprintf(path, PATH_BYTES, "%s/%s.%s", folder, name, endings[i]);
        if (length < PATH_BYTES && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static vql_code read_file(const char *folder, const char *name, bool required,
                          vql_code (*read)(table_reader *), log_files *files, vql_error *error)
{
    char path[PATH_BYTES];
    if (!find_file(folder, name, path)) {
        return required ? vql_fail(error, VQL_FORMAT, "%s: no file %s.tsv.gz or %s.tsv", folder,
                                   name, name)
                        : VQL_OK;
    }
    table_reader reader = {.rows = tsv_open(path), .files = files, .error = error};
    if (reader.rows == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "no memory to read %s", path);
    const vql_code code = read(&reader);
    tsv_close(reader.rows);
    return code;
}

vql_code log_files_read(const char *folder, log_files *files, vql_error *error)
{
    vql_code code = read_file(folder, "items", false, read_items, files, error);
    if (code == VQL_OK)
        code = read_file(folder, "events", true, read_events, files, error);
    if (code == VQL_OK)
        code = read_file(folder, "impressions", true, read_impressions, files, error);
    return code;
}

void log_files_clear(log_files *files)
{
    id_list_clear(&files->users);
    id_list_clear(&files->items);
    free(files->events);
    for (size_t s = 0; s < SPLITS; s++)
        free(files->splits[s].at);
    for (size_t f = 0; f < DATASET_MAX_FIELDS; f++) {
        id_list_clear(&files->fields[f].values);
        free(files->fields[f].offsets);
        free(files->fields[f].indices);
    }
    *files = (log_files){0};
}
