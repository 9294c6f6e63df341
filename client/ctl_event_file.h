/*
 * Events in a file of tab-separated values: columns user_id, item_id, event_type (a name or a
 * number) and timestamp_ms, found by the names in its first line; other columns are passed over.
 */
#ifndef VQL_CLIENT_CTL_EVENT_FILE_H
#define VQL_CLIENT_CTL_EVENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl_event_types.h"
#include "tsv.h"

typedef struct event_file event_file;

typedef struct event_row {
    uint64_t user_id;
    uint64_t item_id;
    uint32_t type;
    int64_t time_ms;
} event_row;

/* Whose events a file holds. */
typedef enum event_file_kind {
    EVENT_FILE_OF_USERS, /* with a column user_id; the first line names the columns */

    /* Without a user_id. The first line may be missing: item_id, event_type, timestamp_ms. */
    EVENT_FILE_OF_ONE_USER,
} event_file_kind;

/* Opens a file; "-" is standard input. types must outlive it. NULL when there is no memory. */
event_file *event_file_open(const char *path, event_file_kind kind, const event_types *types);
void event_file_close(event_file *f);

/* Reads the next event; user_id is 0 in a file of one user. */
tsv_result event_file_read(event_file *f, event_row *row);

/* The rows underneath: line number, error, and how much has been read. */
const tsv *event_file_tsv(const event_file *f);

#endif
