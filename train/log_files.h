/*
 * The files of a data set as they are: every line checked, ids numbered, nothing sorted or folded.
 * dataset.h says what the files are; dataset.c makes a data set of this.
 */
#ifndef VQL_TRAIN_LOG_FILES_H
#define VQL_TRAIN_LOG_FILES_H

#include "dataset.h"
#include "id_list.h"

typedef struct log_event {
    int64_t time_ms;
    uint32_t user; /* a number of log_files.users */
    uint32_t item; /* of log_files.items */
    uint32_t type;
    uint32_t line; /* the position in the file */
} log_event;

/* The values of a static field, of the items of items.tsv. */
typedef struct log_field {
    id_list values;
    uint32_t *offsets;      /* [listed + 1] */
    uint32_t *indices;      /* numbers of values */
    size_t count, capacity; /* of indices */
} log_field;

typedef struct log_files {
    id_list users, items;
    uint32_t listed; /* so many items are in items.tsv, the first ones */
    log_event *events;
    size_t event_count, event_capacity;
    /* Of these rows are numbers of items, and history is the position in the file. */
    train_impressions splits[SPLITS];
    size_t capacities[SPLITS];
    log_field fields[DATASET_MAX_FIELDS];
    uint32_t field_count, event_types, tasks;
    char field_names[DATASET_MAX_FIELDS][DATASET_NAME_BYTES];
    char event_type_names[DATASET_MAX_EVENT_TYPES][DATASET_NAME_BYTES];
    char task_names[DATASET_MAX_TASKS][DATASET_NAME_BYTES];
} log_files;

/*
 * Reads a folder's files into *files, which is all zeros; log_files_clear frees them, whatever the
 * outcome. Codes and errors are dataset_read's.
 */
vql_code log_files_read(const char *folder, log_files *files, vql_error *error);
void log_files_clear(log_files *files);

#endif
