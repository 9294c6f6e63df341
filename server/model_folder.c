#include "model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "utf8.h"

static const char suffix[] = ".safetensors";

bool model_folder_is(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool model_folder_may_have(const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7F)
            return false;
    return length > 0 && length <= VQL_MAX_NAME_BYTES && name[0] != '.' && !strchr(name, '/') &&
           utf8_prefix((const uint8_t *)name, length) == length;
}

int model_name_compare(const char *a, const char *b)
{
    return strverscmp(a, b);
}

static int compare(const void *a, const void *b)
{
    return model_name_compare(((const model_name *)a)->text, ((const model_name *)b)->text);
}

/* The version that a file name is of. False: of none. */
static bool take_name(const char *file, model_name *out)
{
    const size_t length = strlen(file);
    const size_t tail = sizeof suffix - 1;
    if (length <= tail || length - tail > VQL_MAX_NAME_BYTES ||
        strcmp(file + length - tail, suffix) != 0)
        return false;
    memcpy(out->text, file, length - tail);
    out->text[length - tail] = '\0';
    return model_folder_may_have(out->text);
}

/* Adds a name. False: no memory. */
static bool add(model_name **names, size_t *count, size_t *capacity, const model_name *name)
{
    if (*count == *capacity) {
        const size_t larger = *capacity == 0 ? 16 : *capacity * 2;
        model_name *grown = realloc(*names, larger * sizeof *grown);
        if (!grown)
            return false;
        *names = grown;
        *capacity = larger;
    }
    (*names)[(*count)++] = *name;
    return true;
}

bool model_folder_list(const char *path, model_name **names, size_t *count, vql_error *error)
{
    size_t capacity = 0;
    bool ok = true;
    *names = NULL;
    *count = 0;
    DIR *folder = opendir(path);
    if (!folder) {
        (void)vql_fail(error, VQL_FORMAT, "%s: %s", path, strerror(errno));
        return false;
    }
    const struct dirent *entry = readdir(folder);
    for (; ok && entry; entry = readdir(folder)) {
        model_name name;
        if (take_name(entry->d_name, &name))
            ok = add(names, count, &capacity, &name);
    }
    (void)closedir(folder);
    if (ok) {
        if (*count > 0)
            qsort(*names, *count, sizeof **names, compare);
        return true;
    }
    free(*names);
    *names = NULL;
    (void)vql_fail(error, VQL_NO_MEMORY, "%s: no memory for its names", path);
    return false;
}

bool model_folder_path(const char *path, const char *name, char *out, size_t capacity)
{
    const int length = snprintf(out, capacity, "%s/%s%s", path, name, suffix);
    return length >= 0 && (size_t)length < capacity;
}
