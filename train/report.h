/*
 * A journal as a page of plots and tables: one HTML file that needs no other.
 */
#ifndef VQL_TRAIN_REPORT_H
#define VQL_TRAIN_REPORT_H

#include "journal.h"

/* Writes the page, whole or not at all. Returns 0, or the error number. */
int report_write(const journal *j, const char *path);

#endif
