#include "dataset.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log_files.h"

/* ---- rows and values ---- */

/* Counts how often each item occurs in training. */
static void count_items(const log_files *files, uint32_t *counts)
{
    const train_impressions *train = &files->splits[SPLIT_TRAIN];
    int64_t last_ms = -1;
    for (size_t i = 0; i < train->count; i++) {
        last_ms = train->at[i].time_ms > last_ms ? train->at[i].time_ms : last_ms;
        counts[train->at[i].row] += counts[train->at[i].row] < UINT32_MAX;
    }
    for (size_t i = 0; i < files->event_count; i++) {
        const log_event *event = &files->events[i];
        counts[event->item] += event->time_ms <= last_ms && counts[event->item] < UINT32_MAX;
    }
}

/* Numbers from 1 those that count min_count or more, the others 0; returns how many there are. */
static uint32_t number_frequent(const uint32_t *counts, uint32_t count, uint32_t min_count,
                                uint32_t *numbers)
{
    uint32_t next = 1;
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = counts[i] >= min_count ? next++ : 0;
    return next;
}

/* Sets the rows' ids. rows[item] is an item's row. */
static bool make_items(dataset *data, const log_files *files, const uint32_t *rows)
{
    data->item_ids = calloc(data->rows, sizeof *data->item_ids);
    if (data->item_ids == NULL)
        return false;
    for (uint32_t item = 0; item < files->items.count; item++)
        if (rows[item] > 0)
            data->item_ids[rows[item]] = files->items.ids[item];
    return true;
}

/* Sets values[v] to how often the items of value v, which have a row, occur in training. */
static void count_values(const log_files *files, const log_field *from, const uint32_t *counts,
                         const uint32_t *rows, uint32_t *values)
{
    for (uint32_t item = 0; item < files->listed; item++) {
        for (uint32_t i = from->offsets[item]; rows[item] > 0 && i < from->offsets[item + 1]; i++) {
            uint32_t *value = &values[from->indices[i]];
            *value = *value > UINT32_MAX - counts[item] ? UINT32_MAX : *value + counts[item];
        }
    }
}

/* Makes a field of the rows' values. Items that are not listed come last, with none. */
static bool make_field(const log_files *files, const log_field *from, const uint32_t *counts,
                       const uint32_t *rows, uint32_t row_count, uint32_t min_count,
                       train_field *field)
{
    uint32_t *value_counts = calloc(from->values.count + 1u, sizeof *value_counts);
    field->offsets = calloc(row_count + 1u, sizeof *field->offsets);
    field->indices = malloc((from->count + 1) * sizeof *field->indices);
    if (value_counts == NULL || field->offsets == NULL || field->indices == NULL) {
        free(value_counts);
        return false;
    }
    count_values(files, from, counts, rows, value_counts);
    uint32_t *numbers = value_counts; /* each is read before it is written */
    field->values = number_frequent(value_counts, from->values.count, min_count, numbers);
    uint32_t used = 0;
    uint32_t row = 1;
    for (uint32_t item = 0; item < files->listed; item++) {
        if (rows[item] == 0)
            continue;
        for (uint32_t i = from->offsets[item]; i < from->offsets[item + 1]; i++)
            field->indices[used++] = numbers[from->indices[i]];
        field->offsets[++row] = used;
    }
    while (row < row_count)
        field->offsets[++row] = used;
    free(value_counts);
    return true;
}

/* Sets rows, ids and fields of the data, and rows[item]. */
static bool make_rows(dataset *data, const log_files *files, uint32_t min_count, uint32_t *rows)
{
    uint32_t *counts = calloc(files->items.count, sizeof *counts);
    if (counts == NULL)
        return false;
    count_items(files, counts);
    data->rows = number_frequent(counts, files->items.count, min_count, rows);
    bool made = make_items(data, files, rows);
    for (uint32_t f = 0; made && f < files->field_count && files->listed > 0; f++) {
        memcpy(data->fields[f].name, files->field_names[f], DATASET_NAME_BYTES);
        made = make_field(files, &files->fields[f], counts, rows, data->rows, min_count,
                          &data->fields[data->field_count++]);
    }
    free(counts);
    return made;
}

/* ---- order ---- */

/* By user, time and position in the file. */
static int compare_events(const void *a, const void *b)
{
    const log_event *left = a;
    const log_event *right = b;
    if (left->user != right->user)
        return left->user < right->user ? -1 : 1;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    return (left->line > right->line) - (left->line < right->line);
}

static int compare_impressions(const void *a, const void *b)
{
    const train_impression *left = a;
    const train_impression *right = b;
    if (left->user != right->user)
        return left->user < right->user ? -1 : 1;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    return (left->history > right->history) - (left->history < right->history);
}

/* Sorts what is not in order yet. */
static void sort(void *array, size_t count, size_t bytes,
                 int (*compare)(const void *, const void *))
{
    const char *element = array;
    for (size_t i = 1; i < count; i++, element += bytes) {
        if (compare(element, element + bytes) > 0) {
            qsort(array, count, bytes, compare);
            return;
        }
    }
}

/* Sets the events, sorted, with their rows, and where each user's begin. */
static vql_code make_events(dataset *data, log_files *files, const uint32_t *rows, vql_error *error)
{
    sort(files->events, files->event_count, sizeof *files->events, compare_events);
    data->events = calloc(files->event_count + 1, sizeof *data->events);
    data->starts = calloc(data->users + 1u, sizeof *data->starts);
    if (data->events == NULL || data->starts == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "no memory for %zu events", files->event_count);
    for (size_t i = 0; i < files->event_count; i++) {
        const log_event *event = &files->events[i];
        data->events[i] =
            (train_event){.row = rows[event->item], .type = event->type, .time_ms = event->time_ms};
        data->starts[event->user + 1]++;
    }
    for (uint32_t u = 0; u < data->users; u++) {
        if (data->starts[u + 1] > DATASET_MAX_HISTORY) {
            return vql_fail(error, VQL_VALUE,
                            "events: user_id %" PRIu64 " has %zu events, at most %d are read",
                            data->user_ids[u], data->starts[u + 1], DATASET_MAX_HISTORY);
        }
        data->starts[u + 1] += data->starts[u];
    }
    return VQL_OK;
}

/* Gives sorted impressions their rows, and how many events are before each. */
static void finish_impressions(const dataset *data, const train_impressions *split,
                               const uint32_t *rows)
{
    uint32_t history = 0;
    for (size_t i = 0; i < split->count; i++) {
        train_impression *at = &split->at[i];
        if (i == 0 || at->user != split->at[i - 1].user)
            history = 0;
        const size_t first = data->starts[at->user];
        while (first + history < data->starts[at->user + 1] &&
               data->events[first + history].time_ms < at->time_ms)
            history++;
        at->row = rows[at->row];
        at->history = history;
    }
}

/* ---- the whole ---- */

static vql_code make_dataset(dataset *data, log_files *files, uint32_t min_count, uint32_t *rows,
                             vql_error *error)
{
    data->users = files->users.count;
    data->event_types = files->event_types;
    data->tasks = files->tasks;
    memcpy(data->event_type_names, files->event_type_names, sizeof data->event_type_names);
    memcpy(data->task_names, files->task_names, sizeof data->task_names);
    if (!make_rows(data, files, min_count, rows))
        return vql_fail(error, VQL_NO_MEMORY, "no memory for %" PRIu32 " items",
                        files->items.count);
    data->user_ids = files->users.ids;
    files->users.ids = NULL;
    const vql_code code = make_events(data, files, rows, error);
    if (code != VQL_OK)
        return code;
    for (size_t s = 0; s < SPLITS; s++) {
        train_impressions *split = &files->splits[s];
        sort(split->at, split->count, sizeof *split->at, compare_impressions);
        finish_impressions(data, split, rows);
        data->splits[s] = *split;
        *split = (train_impressions){0};
    }
    return VQL_OK;
}

vql_code dataset_read(const char *folder, uint32_t min_count, dataset **out, vql_error *error)
{
    log_files files = {0};
    uint32_t *rows = NULL;
    dataset *data = calloc(1, sizeof *data);
    if (data == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "no memory for a data set");
    vql_code code = log_files_read(folder, &files, error);
    if (code == VQL_OK) {
        rows = calloc(files.items.count, sizeof *rows);
        code = rows != NULL ? make_dataset(data, &files, min_count, rows, error)
                            : vql_fail(error, VQL_NO_MEMORY, "no memory for %" PRIu32 " items",
                                       files.items.count);
    }
    free(rows);
    log_files_clear(&files);
    if (code != VQL_OK) {
        dataset_free(data);
        return code;
    }
    *out = data;
    return VQL_OK;
}

void dataset_free(dataset *data)
{
    if (data == NULL)
        return;
    for (size_t s = 0; s < SPLITS; s++)
        free(data->splits[s].at);
    for (size_t f = 0; f < DATASET_MAX_FIELDS; f++) {
        free(data->fields[f].offsets);
        free(data->fields[f].indices);
    }
    free(data->item_ids);
    free(data->user_ids);
    free(data->starts);
    free(data->events);
    free(data);
}

/* ---- fingerprint ---- */

/* Mixes a number into a hash (the finaliser of SplitMix64). */
static uint64_t mix(uint64_t hash, uint64_t number)
{
    uint64_t z = (hash ^ number) + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mix(hash, (unsigned char)*text);
    return mix(hash, 256);
}

static uint64_t mix_field(uint64_t hash, const train_field *field, uint32_t rows)
{
    hash = mix(mix_text(hash, field->name), field->values);
    for (uint32_t row = 1; row <= rows; row++)
        hash = mix(hash, field->offsets[row]);
    for (uint32_t i = 0; i < field->offsets[rows]; i++)
        hash = mix(hash, field->indices[i]);
    return hash;
}

static uint64_t mix_impressions(uint64_t hash, const train_impressions *split)
{
    hash = mix(hash, split->count);
    for (size_t i = 0; i < split->count; i++) {
        const train_impression *at = &split->at[i];
        uint64_t labels;
        memcpy(&labels, at->labels, sizeof labels);
        hash = mix(mix(hash, (uint64_t)at->user << 32 | at->row), (uint64_t)at->time_ms);
        hash = mix(hash, labels);
    }
    return hash;
}

uint64_t dataset_fingerprint(const dataset *data)
{
    uint64_t hash = mix(data->users, data->rows);
    for (uint32_t type = 0; type < data->event_types; type++)
        hash = mix_text(hash, data->event_type_names[type]);
    for (uint32_t t = 0; t < data->tasks; t++)
        hash = mix_text(hash, data->task_names[t]);
    for (uint32_t row = 0; row < data->rows; row++)
        hash = mix(hash, data->item_ids[row]);
    for (uint32_t f = 0; f < data->field_count; f++)
        hash = mix_field(hash, &data->fields[f], data->rows);
    for (uint32_t u = 0; u < data->users; u++)
        hash = mix(hash, data->starts[u + 1]);
    for (size_t i = 0; i < data->starts[data->users]; i++) {
        const train_event *event = &data->events[i];
        hash = mix(mix(hash, (uint64_t)event->row << 32 | event->type), (uint64_t)event->time_ms);
    }
    for (size_t s = 0; s < SPLITS; s++)
        hash = mix_impressions(hash, &data->splits[s]);
    return hash;
}
