/*
 * How vqlctl writes times and JSON.
 */
#ifndef VQL_CLIENT_CTL_PRINT_H
#define VQL_CLIENT_CTL_PRINT_H

#include <stdint.h>
#include <stdio.h>

/* "2011-12-09 12:31:00.000 UTC" and a terminator, with room for any year. */
#define PRINT_TIME_BYTES 48

/* Writes a time in milliseconds since the Unix epoch, >= 0, for people. */
void print_time(int64_t time_ms, char out[PRINT_TIME_BYTES]);

/* Writes a text as a JSON string, quotes included. */
void print_json_string(FILE *out, const char *text);

#endif
