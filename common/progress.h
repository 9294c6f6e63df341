/*
 * How far a long command has come, on standard error: a bar that is drawn over and over on a
 * terminal, a line every few seconds elsewhere. `now` is in nanoseconds of any monotonic clock.
 */
#ifndef VQL_COMMON_PROGRESS_H
#define VQL_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct progress {
    FILE *out;
    bool terminal;    /* draw over the last line */
    const char *unit; /* what is counted, of at most 16 bytes: "events" */
    const char *note; /* what else to say, of at most 60 bytes; NULL: nothing */
    uint64_t start_ns;
    uint64_t shown_ns;
    bool drawn; /* there is a bar on the terminal */
} progress;

void progress_start(progress *p, FILE *out, bool terminal, const char *unit, uint64_t now_ns);

/*
 * Shows `count` done and the fraction of all that they are (negative: not known), if it is time.
 */
void progress_update(progress *p, uint64_t now_ns, uint64_t count, double fraction);

/* Takes the bar away. */
void progress_end(progress *p);

/*
 * Writes one line about it, without a newline: with a bar, or without. Takes at most 120 bytes,
 * terminator included.
 */
void progress_format(char *out, size_t capacity, bool bar, const char *unit, double seconds,
                     uint64_t count, double fraction);

#endif
