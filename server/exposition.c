#include "exposition.h"

#include <inttypes.h>

const char exposition_type[] = "text/plain; version=0.0.4; charset=utf-8";

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_value(FILE *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            (void)fputs("\\n", out);
            continue;
        }
        if (*value == '"' || *value == '\\')
            (void)fputc('\\', out);
        (void)fputc(*value, out);
    }
}

/* Writes the name, and the labels, with one more if `bound` is not NULL. */
static void write_name(FILE *out, const char *name, const char *suffix,
                       const exposition_labels *labels, const char *bound)
{
    const size_t count = labels ? labels->count : 0;
    (void)fprintf(out, "%s%s", name, suffix);
    if (count == 0 && !bound)
        return;
    (void)fputc('{', out);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s%s=\"", i > 0 ? "," : "", labels->all[i].name);
        write_value(out, labels->all[i].value);
        (void)fputc('"', out);
    }
    if (bound)
        (void)fprintf(out, "%sle=\"%s\"", count > 0 ? "," : "", bound);
    (void)fputc('}', out);
}

void exposition_number(FILE *out, const char *name, const exposition_labels *labels, uint64_t value)
{
    write_name(out, name, "", labels, NULL);
    (void)fprintf(out, " %" PRIu64 "\n", value);
}

void exposition_real(FILE *out, const char *name, const exposition_labels *labels, double value)
{
    write_name(out, name, "", labels, NULL);
    (void)fprintf(out, " %.15g\n", value);
}

void exposition_histogram(FILE *out, const char *name, const exposition_labels *labels,
                          const histogram_scale *scale, const histogram_total *total)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= scale->count; i++) {
        char bound[32] = "+Inf";
        count += total->buckets[i];
        if (i < scale->count)
            (void)snprintf(bound, sizeof bound, "%.9g", (double)scale->bounds[i] * scale->unit);
        write_name(out, name, "_bucket", labels, bound);
        (void)fprintf(out, " %" PRIu64 "\n", count);
    }
    write_name(out, name, "_sum", labels, NULL);
    (void)fprintf(out, " %.15g\n", (double)total->sum * scale->unit);
    write_name(out, name, "_count", labels, NULL);
    (void)fprintf(out, " %" PRIu64 "\n", count);
}

void exposition_gauge(FILE *out, const char *name, const char *help, double value)
{
    exposition_family(out, name, "gauge", help);
    exposition_real(out, name, NULL, value);
}
