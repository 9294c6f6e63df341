/*
 * One option of the configuration: its name, what values it takes, and how a text becomes its
 * value. What a text may be does not depend on where it came from.
 */
#ifndef VQL_COMMON_OPTION_H
#define VQL_COMMON_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OPTION_PATH_BYTES = 4096,  /* a path and its terminator */
    OPTION_NAME_BYTES = 64,    /* an option's or a variable's name and its terminator */
    OPTION_VALUES_BYTES = 128, /* option_values' text and its terminator */
};

/* What an option's value is, and the type of its field. */
typedef enum option_kind {
    OPTION_FILE,      /* char *: a path */
    OPTION_TEXT,      /* char *: any text */
    OPTION_FORM,      /* char *: a choice's form: one "dir:DIR" takes "dir:" and anything */
    OPTION_ADDRESSES, /* char *: HOST:PORT or unix:PATH, several joined by commas */
    OPTION_FLAG,      /* bool: true or false */
    OPTION_CHOICE,    /* uint32_t: the index of one of the choices */
    OPTION_COUNT,     /* uint32_t: a number */
    OPTION_REAL,      /* double: a number */
    OPTION_MODE,      /* uint32_t: permissions of a file, in octal digits */
    OPTION_BYTES,     /* uint64_t: a number with the suffix KiB, MiB or GiB, or none */
    OPTION_MS,        /* uint64_t: a number of milliseconds */
} option_kind;

typedef struct option {
    const char *name; /* lower-case words joined by '-' */
    option_kind kind;
    size_t offset;              /* of the field in the structure of all options */
    const char *fallback;       /* the default, as text; NULL: none */
    uint64_t min, max;          /* of numbers; of TEXT's bytes; of how many ADDRESSES */
    const char *const *choices; /* of CHOICE and FORM, ended by NULL */
    const char *help;
} option;

typedef enum option_result { OPTION_OK, OPTION_REFUSED, OPTION_NO_MEMORY } option_result;

/*
 * Sets the option's field in *fields to what text says; a string is copied, and the field's former
 * one freed. On OPTION_REFUSED (text is no value that the option takes) and OPTION_NO_MEMORY the
 * field is as it was.
 */
option_result option_set(const option *o, const char *text, void *fields);

/* Frees the option's field in *fields if it is a string. */
void option_clear(const option *o, void *fields);

/* Writes what values the option takes, "a number from 1 to 256", to out of OPTION_VALUES_BYTES. */
void option_values(const option *o, char *out);

/*
 * Writes the value of the option's field in *fields, as option_set would take it, to out; "" for a
 * string that is NULL. False when it does not fit.
 */
bool option_text(const option *o, const void *fields, char *out, size_t capacity);

/*
 * Writes the option's environment variable, "VQL_MAX_EVENTS" for max-events, to out of
 * OPTION_NAME_BYTES.
 */
void option_variable(const option *o, char *out);

#endif
