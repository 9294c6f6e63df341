/*
 * What a model is trained and judged on: behaviour logs, read whole from a folder.
 *
 *   events.tsv[.gz]       user_id, item_id, event_type, timestamp_ms
 *   impressions.tsv[.gz]  user_id, item_id, timestamp_ms, split, and a column of 0 or 1 per task
 *   items.tsv[.gz]        item_id, and a column per static field: ids of its values, joined by
 *                         commas, perhaps none; the file may be missing
 *
 * Files are tab separated, have a header line, and are read as streams. Lines may be in any order:
 * events are sorted by user and time, impressions by user and time, and what is equal keeps the
 * order of the file.
 *
 * Memory: 16 bytes an event, 32 an impression, 16 a user, 8 an item and 4 a field value of an item;
 * while reading up to four times that, since arrays are doubled.
 *
 * Rows. Row 0 is the unknown item. An item that occurs in training (as an event no later than the
 * last training impression, or as a training impression) fewer than min_count times has row 0. The
 * others have rows 1 … rows - 1, in the order of items.tsv and then of their first appearance.
 * Field values likewise: value 0 is the unknown one, into which those are folded whose items occur
 * fewer than min_count times together. Row 0 has no field values. Neither row 0 nor value 0 need
 * occur in training.
 */
#ifndef VQL_TRAIN_DATASET_H
#define VQL_TRAIN_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "vql/error.h"

enum {
    DATASET_MAX_TASKS = 8,
    DATASET_MAX_EVENT_TYPES = 64,
    DATASET_MAX_FIELDS = 16,
    DATASET_NAME_BYTES = 64,      /* of a task, an event type or a field, terminator included */
    DATASET_MAX_HISTORY = 1000000 /* events of one user */
};

typedef struct train_event {
    uint32_t row;  /* < rows */
    uint32_t type; /* < event_types */
    int64_t time_ms;
} train_event;

typedef struct train_impression {
    uint32_t user; /* < users */
    uint32_t row;  /* < rows */
    int64_t time_ms;
    uint32_t history; /* how many of the user's events are strictly before: a prefix of them */
    uint8_t labels[DATASET_MAX_TASKS]; /* 0 or 1, [tasks] */
} train_impression;

typedef enum train_split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLITS } train_split;

typedef struct train_impressions {
    train_impression *at; /* [count], by user, then by time */
    size_t count;
} train_impressions;

/* Row i has the values indices[offsets[i] … offsets[i + 1]). */
typedef struct train_field {
    char name[DATASET_NAME_BYTES];
    uint32_t values;   /* V, the unknown value included: at least 1 */
    uint32_t *offsets; /* [rows + 1] */
    uint32_t *indices; /* [offsets[rows]], each < values */
} train_field;

typedef struct dataset {
    train_event *events; /* user u's are events[starts[u] … starts[u + 1]), in order of time */
    size_t *starts;      /* [users + 1] */
    uint64_t *user_ids;  /* [users] */
    uint32_t users;      /* of events and of impressions */
    uint32_t rows;       /* I: at least 1 */
    uint64_t *item_ids;  /* [rows]; item_ids[0] is 0 and means nothing */
    uint32_t field_count;
    train_field fields[DATASET_MAX_FIELDS];
    uint32_t event_types; /* at least 1 */
    char event_type_names[DATASET_MAX_EVENT_TYPES][DATASET_NAME_BYTES];
    uint32_t tasks; /* at least 1 */
    char task_names[DATASET_MAX_TASKS][DATASET_NAME_BYTES];
    train_impressions splits[SPLITS];
} dataset;

/*
 * Reads the folder. Returns VQL_OK; VQL_NO_MEMORY; VQL_FORMAT or VQL_VALUE with the file, the line,
 * the column and the value in *error (may be NULL). *out is then as it was.
 */
vql_code dataset_read(const char *folder, uint32_t min_count, dataset **out, vql_error *error);

/* NULL is allowed. */
void dataset_free(dataset *data);

/* A number that another data set, or the same with other rows, almost surely does not have. */
uint64_t dataset_fingerprint(const dataset *data);

/* "train", "valid" and "test": static strings. */
const char *train_split_name(train_split split);

#endif
