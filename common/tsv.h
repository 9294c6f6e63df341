/*
 * Reads tab-separated values, line by line, from a file, plain or gzipped, or from standard input.
 * Empty lines are passed over; a carriage return before the line's end is no part of it.
 */
#ifndef VQL_COMMON_TSV_H
#define VQL_COMMON_TSV_H

#include <stddef.h>
#include <stdint.h>

#define TSV_MAX_LINE_BYTES 65536
#define TSV_MAX_FIELDS     64

typedef struct tsv tsv;

typedef enum tsv_result {
    TSV_ROW,
    TSV_END,
    TSV_FAILED, /* tsv_error says why; nothing more can be read */
} tsv_result;

/*
 * Opens a file; "-" is standard input. NULL when there is no memory. A file that cannot be opened
 * is told by the first tsv_read.
 */
tsv *tsv_open(const char *path);
void tsv_close(tsv *t);

/* Reads the next line that is not empty. */
tsv_result tsv_read(tsv *t);

/* The row's fields, terminated, valid until the next tsv_read. */
size_t tsv_count(const tsv *t);
const char *tsv_field(const tsv *t, size_t i);

/* The file's path, or "standard input". */
const char *tsv_path(const tsv *t);

/* The row's line number, from 1. */
uint64_t tsv_line(const tsv *t);

/*
 * Reads field i of the row, in the column of that name, as a number of at most max. TSV_FAILED when
 * it is not one.
 */
tsv_result tsv_number(tsv *t, size_t i, const char *column, uint64_t max, uint64_t *number);

/*
 * Says that field i of the row, in the column of that name, is not what it should be: the error is
 * "FILE:LINE: COLUMN 'VALUE': REASON". Returns TSV_FAILED. A row without a field i has too few.
 */
tsv_result tsv_refuse(tsv *t, size_t i, const char *column, const char *reason);

/* As tsv_refuse, of the row as a whole: "FILE:LINE: REASON". */
tsv_result tsv_refuse_row(tsv *t, const char *reason);

const char *tsv_error(const tsv *t);

/* How much of the file has been read, from 0 to 1; negative when its size is not known. */
double tsv_fraction(const tsv *t);

#endif
