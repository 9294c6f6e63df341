/*
 * What happens in a training, a JSON object a line; docs/TRAINING.md has the lines. Kept in memory
 * for the report, and written to a file as it comes.
 */
#ifndef VQL_TRAIN_JOURNAL_H
#define VQL_TRAIN_JOURNAL_H

#include <stdio.h>

#include "metrics_text.h"
#include "options.h"
#include "trainer.h"

struct json_t;

typedef struct journal {
    struct json_t *lines; /* an array */
    FILE *file;           /* NULL: none */
} journal;

/*
 * Opens a journal that is written to path; NULL: to none. If `resume`, it goes on with what the
 * file holds, as far as that can be read; else the file begins anew. Returns VQL_OK, VQL_NO_MEMORY
 * or VQL_FORMAT.
 */
vql_code journal_open(journal *j, const char *path, bool resume, vql_error *error);

/* Closes it. False when a line could not be written. */
bool journal_close(journal *j);

/* The first line: what is trained, on what. */
void journal_start(journal *j, const train_fields *fields, const dataset *data);

/* The mean of some steps' losses, until `step`; `rate` is in impressions a second. */
void journal_steps(journal *j, const trainer_step *step, double loss, double commitment_loss,
                   double rate);

/* An epoch's; report may be NULL: nothing was judged. */
void journal_epoch(journal *j, const trainer_epoch *epoch, uint32_t heads,
                   const metrics_report *report, const char *const *tasks);

/* What attention over codewords does to the impressions of a bucket of lengths. */
typedef struct journal_error {
    uint32_t bucket;
    size_t count; /* of impressions looked at */
    trainer_error error;
} journal_error;

/* The end: how good the best epoch's model is. error_count may be 0. */
void journal_end(journal *j, const char *model, const metrics_report *report,
                 const char *const *tasks, const journal_error *errors, size_t error_count);

#endif
