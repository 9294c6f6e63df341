#include "tsv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "decimal.h"

/* The bytes that were read and not yet passed are buffer[begin … end); one more is for a '\0'. */
struct tsv {
    const char *path;
    gzFile file;         /* NULL: it could not be opened */
    uint64_t file_bytes; /* 0: not known */
    bool at_end;
    uint64_t line;
    size_t begin;
    size_t end;
    size_t field_count;
    const char *fields[TSV_MAX_FIELDS];
    char error[512];
    char buffer[TSV_MAX_LINE_BYTES + 1];
};

/* Opens the descriptor of path; -1 when that fails. */
static int open_path(const char *path)
{
    return strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
}

tsv *tsv_open(const char *path)
{
    tsv *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->path = strcmp(path, "-") == 0 ? "standard input" : path;
    const int descriptor = open_path(path);
    if (descriptor < 0) {
        (void)snprintf(t->error, sizeof t->error, "%s: %s", t->path, strerror(errno));
        return t;
    }
    struct stat status;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        t->file_bytes = (uint64_t)status.st_size;
    t->file = gzdopen(descriptor, "rb");
    if (t->file == NULL) {
        (void)close(descriptor);
        free(t);
        return NULL;
    }
    return t;
}

void tsv_close(tsv *t)
{
    if (t->file != NULL)
        (void)gzclose_r(t->file);
    free(t);
}

/* Notes why nothing more can be read: `code` is zlib's. */
static tsv_result fail_read(tsv *t, int code)
{
    const char *why = code == Z_ERRNO       ? strerror(errno)
                      : code == Z_BUF_ERROR ? "the gzipped data ends too early"
                                            : "the gzipped data is damaged";
    (void)snprintf(t->error, sizeof t->error, "%s: %s", t->path, why);
    return TSV_FAILED;
}

/* Reads more bytes behind those that are there. TSV_ROW when there are some or the end is near. */
static tsv_result fill(tsv *t)
{
    memmove(t->buffer, t->buffer + t->begin, t->end - t->begin);
    t->end -= t->begin;
    t->begin = 0;
    const size_t room = TSV_MAX_LINE_BYTES - t->end;
    if (room == 0) {
        t->line++;
        (void)snprintf(t->error, sizeof t->error, "%s:%" PRIu64 ": a line of %d bytes or more",
                       t->path, t->line, TSV_MAX_LINE_BYTES);
        return TSV_FAILED;
    }
    const int count = gzread(t->file, t->buffer + t->end, (unsigned)room);
    int code = Z_OK;
    (void)gzerror(t->file, &code);
    if (count < 0 || (count == 0 && code != Z_OK))
        return fail_read(t, code);
    t->end += (size_t)count;
    t->at_end = count == 0;
    return TSV_ROW;
}

/* Finds the next line's end; without one, the end of the bytes is the end of the last line. */
static tsv_result find_end(tsv *t, char **line_end)
{
    for (;;) {
        *line_end = memchr(t->buffer + t->begin, '\n', t->end - t->begin);
        if (*line_end != NULL)
            return TSV_ROW;
        if (t->at_end) {
            *line_end = t->buffer + t->end;
            return t->end > t->begin ? TSV_ROW : TSV_END;
        }
        if (fill(t) == TSV_FAILED)
            return TSV_FAILED;
    }
}

/* Cuts the line at its tabs. */
static tsv_result split(tsv *t, char *line)
{
    t->field_count = 0;
    for (char *tab = line; tab != NULL;) {
        if (t->field_count == TSV_MAX_FIELDS)
            return tsv_refuse_row(t, "more than 64 columns");
        t->fields[t->field_count++] = line;
        tab = strchr(line, '\t');
        if (tab != NULL) {
            *tab = '\0';
            line = tab + 1;
        }
    }
    return TSV_ROW;
}

tsv_result tsv_read(tsv *t)
{
    if (t->error[0] != '\0')
        return TSV_FAILED;
    for (;;) {
        char *line_end;
        const tsv_result result = find_end(t, &line_end);
        if (result != TSV_ROW)
            return result;
        char *line = t->buffer + t->begin;
        size_t length = (size_t)(line_end - line);
        t->line++;
        t->begin += length < t->end - t->begin ? length + 1 : length;
        length -= length > 0 && line[length - 1] == '\r';
        if (memchr(line, '\0', length) != NULL)
            return tsv_refuse_row(t, "a zero byte");
        if (length > 0) {
            line[length] = '\0';
            return split(t, line);
        }
    }
}

size_t tsv_count(const tsv *t)
{
    return t->field_count;
}

const char *tsv_field(const tsv *t, size_t i)
{
    return t->fields[i];
}

const char *tsv_path(const tsv *t)
{
    return t->path;
}

uint64_t tsv_line(const tsv *t)
{
    return t->line;
}

tsv_result tsv_number(tsv *t, size_t i, const char *column, uint64_t max, uint64_t *number)
{
    if (i < t->field_count && decimal_parse(t->fields[i], strlen(t->fields[i]), max, number))
        return TSV_ROW;
    char reason[64];
    (void)snprintf(reason, sizeof reason, "not a number from 0 to %" PRIu64, max);
    return tsv_refuse(t, i, column, reason);
}

tsv_result tsv_refuse(tsv *t, size_t i, const char *column, const char *reason)
{
    if (i >= t->field_count) {
        (void)snprintf(t->error, sizeof t->error,
                       "%s:%" PRIu64 ": %s is column %zu, the line has %zu", t->path, t->line,
                       column, i + 1, t->field_count);
    } else {
        (void)snprintf(t->error, sizeof t->error, "%s:%" PRIu64 ": %s '%.64s': %s", t->path,
                       t->line, column, t->fields[i], reason);
    }
    return TSV_FAILED;
}

tsv_result tsv_refuse_row(tsv *t, const char *reason)
{
    (void)snprintf(t->error, sizeof t->error, "%s:%" PRIu64 ": %s", t->path, t->line, reason);
    return TSV_FAILED;
}

const char *tsv_error(const tsv *t)
{
    return t->error;
}

double tsv_fraction(const tsv *t)
{
    if (t->file == NULL || t->file_bytes == 0)
        return -1;
    const z_off_t offset = gzoffset(t->file);
    if (offset < 0)
        return -1;
    const double fraction = (double)offset / (double)t->file_bytes;
    return fraction < 1 ? fraction : 1;
}
