#include "settings.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

/* The option that names the file; it stands in no file itself. */
static const char file_option[] = "config";

bool settings_fail(settings_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

/* The option called name[0 … length), or NULL. */
static const option *find_option(const settings_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->count; i++)
        if (strncmp(table->options[i].name, name, length) == 0 &&
            table->options[i].name[length] == '\0')
            return &table->options[i];
    return NULL;
}

/* Gives an option the value that text says. source: the words that an error begins with. */
static bool apply(void *fields, const option *o, const char *text, const char *source,
                  settings_error *error)
{
    char values[OPTION_VALUES_BYTES];
    switch (option_set(o, text, fields)) {
    case OPTION_OK:
        return true;
    case OPTION_NO_MEMORY:
        return settings_fail(error, "%s: out of memory", source);
    case OPTION_REFUSED:
        break;
    }
    option_values(o, values);
    return settings_fail(error, "%s is \"%.80s\", but takes %s", source, text, values);
}

static bool apply_defaults(const settings_table *table, void *fields, settings_error *error)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->options[i].fallback &&
            !apply(fields, &table->options[i], table->options[i].fallback, table->options[i].name,
                   error))
            return false;
    return true;
}

/* The value of a variable, or NULL when it is not set. */
static const char *find_variable(char *const *environment, const char *name)
{
    const size_t length = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* A variable that is set to nothing is taken as not set. */
static bool apply_environment(const settings_table *table, void *fields, char *const *environment,
                              settings_error *error)
{
    for (size_t i = 0; i < table->count; i++) {
        char name[OPTION_NAME_BYTES];
        option_variable(&table->options[i], name);
        const char *value = find_variable(environment, name);
        if (value && *value != '\0' && !apply(fields, &table->options[i], value, name, error))
            return false;
    }
    return true;
}

/* An address that is given again goes behind those given before, where several may be. */
static bool apply_argument(void *fields, const option *o, const char *value, bool *listened,
                           settings_error *error)
{
    char source[OPTION_NAME_BYTES];
    char joined[OPTION_PATH_BYTES];
    (void)snprintf(source, sizeof source, "--%s", o->name);
    if (!value)
        return settings_fail(error, "%s: a value is missing", source);
    const bool is_list = o->kind == OPTION_ADDRESSES && o->max > 1;
    if (is_list && *listened) {
        char **field = (void *)((char *)fields + o->offset);
        (void)snprintf(joined, sizeof joined, "%s,%s", *field, value);
        value = joined;
    }
    *listened = *listened || is_list;
    return apply(fields, o, value, source, error);
}

static bool apply_arguments(const settings_table *table, void *fields, int argc, char *const *argv,
                            settings_error *error)
{
    bool listened = false;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        if (strncmp(argument, "--", 2) != 0)
            return settings_fail(error, "%.80s: not an option; --help lists them", argument);
        const size_t length = strcspn(argument, "=");
        const option *o = find_option(table, argument + 2, length - 2);
        if (!o)
            return settings_fail(error, "%.80s: no such option; --help lists them", argument);
        const char *value = NULL;
        if (argument[length] == '=')
            value = argument + length + 1;
        else if (o->kind == OPTION_FLAG)
            value = "true";
        else if (i + 1 < argc)
            value = argv[++i];
        if (!apply_argument(fields, o, value, &listened, error))
            return false;
    }
    return true;
}

/* A configuration file being read. */
typedef struct file_reader {
    FILE *file;
    const char *path;
    const settings_table *table;
    void *fields;
    settings_error *error;
    unsigned line; /* the number of the last line read */
    bool too_long; /* that line does not fit inih's buffer */
} file_reader;

/*
 * inih's fgets. Takes leading blanks away, which would make a line the continuation of the one
 * before, and stops at a line that inih would read as two.
 */
static char *read_line(char *out, int capacity, void *context)
{
    file_reader *f = context;
    if (!fgets(out, capacity, f->file))
        return NULL;
    f->line++;
    if (!strchr(out, '\n') && !feof(f->file)) {
        f->too_long = true;
        return NULL;
    }
    const size_t blanks = strspn(out, " \t");
    memmove(out, out + blanks, strlen(out + blanks) + 1);
    return out;
}

/* inih's handler: returns 1, or 0 for a failure, of which the first is reported. */
static int read_value(void *context, const char *section, const char *name, const char *value)
{
    file_reader *f = context;
    if (f->error->text[0] != '\0')
        return 0;
    char source[sizeof f->error->text / 2];
    (void)snprintf(source, sizeof source, "%.160s:%u: %.60s", f->path, f->line, name);
    if (*section != '\0')
        return settings_fail(f->error, "%s: stands in section [%.40s]; there are no sections",
                             source, section);
    const option *o = find_option(f->table, name, strlen(name));
    if (!o || strcmp(name, file_option) == 0)
        return settings_fail(f->error, "%s: no such option in a file; --help lists them", source);
    return apply(f->fields, o, value, source, f->error);
}

static bool apply_file(const settings_table *table, void *fields, const char *path,
                       settings_error *error)
{
    file_reader f = {
        .file = fopen(path, "r"), .path = path, .table = table, .fields = fields, .error = error};
    if (!f.file)
        return settings_fail(error, "config: cannot open %.255s: %s", path, strerror(errno));
    const int bad_line = ini_parse_stream(read_line, &f, read_value, &f);
    const bool unreadable = ferror(f.file) != 0;
    (void)fclose(f.file);
    if (error->text[0] != '\0')
        return false;
    if (unreadable)
        return settings_fail(error, "config: cannot read %.255s", path);
    if (f.too_long)
        return settings_fail(error, "%.255s:%u: the line is too long", path, f.line);
    if (bad_line != 0)
        return settings_fail(error, "%.255s:%d: not a line \"name = value\"", path, bad_line);
    return true;
}

/*
 * The first pass over the last two sources is for the file's name, the second for precedence.
 */
bool settings_load(const settings_table *table, void *fields, int argc, char *const *argv,
                   char *const *environment, settings_error *error)
{
    error->text[0] = '\0';
    if (!apply_defaults(table, fields, error) ||
        !apply_environment(table, fields, environment, error) ||
        !apply_arguments(table, fields, argc, argv, error))
        return false;
    const option *o = find_option(table, file_option, sizeof file_option - 1);
    if (!o)
        return true;
    char *const *path = (void *)((char *)fields + o->offset);
    return !*path || (apply_file(table, fields, *path, error) &&
                      apply_environment(table, fields, environment, error) &&
                      apply_arguments(table, fields, argc, argv, error));
}

void settings_free(const settings_table *table, void *fields)
{
    for (size_t i = 0; i < table->count; i++)
        option_clear(&table->options[i], fields);
}

bool settings_asked(int argc, char *const *argv, const char *word)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

void settings_print(const settings_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const option *o = &table->options[i];
        char variable[OPTION_NAME_BYTES];
        char values[OPTION_VALUES_BYTES];
        option_variable(o, variable);
        option_values(o, values);
        (void)fprintf(out, "  --%-20s %s\n      %s\n      Takes %s%s%s.\n", o->name, variable,
                      o->help, values, o->fallback ? "; default " : "",
                      o->fallback ? o->fallback : "");
    }
    (void)fputs("  --help\n      Print this text.\n  --version\n      Print the version.\n", out);
}
