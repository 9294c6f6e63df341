/*
 * What can go wrong in libvql: one table makes the codes, their names and their texts.
 */
#ifndef VQL_ERROR_H
#define VQL_ERROR_H

#define VQL_CODES(X)                                                                               \
    X(OK, "ok")                                                                                    \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(FORMAT, "malformed: not the format that it claims to be")                                    \
    X(VERSION, "a version of the format that this program does not read")                          \
    X(SHAPE, "a tensor or field is missing or has the wrong type or shape")                        \
    X(VALUE, "a number is not finite or out of its range")                                         \
    X(MISMATCH, "made for another model")                                                          \
    X(FULL, "no room left")

typedef enum vql_code {
#define VQL_CODE_ENUM(name, text) VQL_##name,
    VQL_CODES(VQL_CODE_ENUM)
#undef VQL_CODE_ENUM
} vql_code;

/*
 * An error with a text that names the place, the value and the limit. The caller owns it; text is
 * always terminated.
 */
typedef struct vql_error {
    vql_code code;
    char text[240];
} vql_error;

/* "NO_MEMORY" and "out of memory"; static strings. */
const char *vql_code_name(vql_code code);
const char *vql_code_text(vql_code code);

/*
 * Writes code and the formatted text to *error (which may be NULL) and returns code, so that a
 * function can end with `return vql_fail(error, VQL_SHAPE, "...")`.
 */
vql_code vql_fail(vql_error *error, vql_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
