/*
 * A folder of model files: NAME.safetensors is the version NAME. Files whose names begin with a dot
 * are somebody's work under way and not looked at.
 */
#ifndef VQL_SERVER_MODEL_FOLDER_H
#define VQL_SERVER_MODEL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "vql/error.h"
#include "vql/model.h"

typedef struct model_name {
    char text[VQL_MAX_NAME_BYTES + 1];
} model_name;

/* True for a path that is a folder. */
bool model_folder_is(const char *path);

/*
 * True for a name that a file in a folder can have: no path, not hidden, not too long, UTF-8
 * without control characters.
 */
bool model_folder_may_have(const char *name);

/*
 * The names of a folder's versions, the oldest first: digits in them count as numbers, so that v9
 * comes before v10. *names is the caller's to free. False: *error says why.
 */
bool model_folder_list(const char *path, model_name **names, size_t *count, vql_error *error);

/* Below, at or above 0, as a comes before b, is b, or comes after it. */
int model_name_compare(const char *a, const char *b);

/* Writes the path of a version's file to out. False: it does not fit. */
bool model_folder_path(const char *path, const char *name, char *out, size_t capacity);

#endif
