/*
 * A program's settings: a table of options, each with a name, a kind, a default, a range and a line
 * of help, and what four sources say about them. The later one wins:
 *
 *   default < --config's file (max-events = 100) < VQL_MAX_EVENTS=100 < --max-events 100
 *
 * Bytes take the suffixes KiB, MiB and GiB. A variable that is set to nothing is taken as not set,
 * one of no option is not looked at. The file has a line an option, comments after ';' or '#', and
 * no sections; a name that is no option is an error.
 */
#ifndef VQL_COMMON_SETTINGS_H
#define VQL_COMMON_SETTINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "option.h"

/* The options of a structure of fields. An option called "config" names the file to read. */
typedef struct settings_table {
    const option *options;
    size_t count;
} settings_table;

/* Names the source (flag, variable or file:line), the value and the range. */
typedef struct settings_error {
    char text[512];
} settings_error;

/*
 * Reads all sources into *fields, which is all zeros. False, with an error: settings_free still
 * releases what was read.
 *
 * argv         argc options; the program's name is none of them
 * environment  "NAME=value" strings ended by NULL, as environ
 */
bool settings_load(const settings_table *table, void *fields, int argc, char *const *argv,
                   char *const *environment, settings_error *error);

/* Frees the strings, and leaves them NULL. */
void settings_free(const settings_table *table, void *fields);

/* Whether one of argc arguments is this word. */
bool settings_asked(int argc, char *const *argv, const char *word);

/* Writes the options, each with its variable, default, range and help. */
void settings_print(const settings_table *table, FILE *out);

/* Writes the error's text and returns false, so that a check can end with it. */
bool settings_fail(settings_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
