#include "option.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

/* The units of bytes, the largest first. */
static const struct {
    const char *suffix;
    uint64_t bytes;
} units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};
enum { UNIT_COUNT = sizeof units / sizeof units[0] };

/* Digits and, of bytes, a suffix. False when text is anything else or does not fit 64 bits. */
static bool parse_number(const option *o, const char *text, uint64_t *out)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, o->kind == OPTION_MODE ? 8 : 10);
    if (errno != 0 || (*end != '\0' && o->kind != OPTION_BYTES))
        return false;
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (strcmp(end, units[i].suffix) == 0 && number <= UINT64_MAX / units[i].bytes) {
            *out = number * units[i].bytes;
            return *out >= o->min && *out <= o->max;
        }
    return false;
}

/* A decimal number with or without a point and an exponent. */
static bool parse_real(const option *o, const char *text, double *out)
{
    if (!isdigit((unsigned char)*text) || strpbrk(text, "xX"))
        return false;
    char *end;
    const double number = strtod(text, &end);
    if (*end != '\0' || number < (double)o->min || number > (double)o->max)
        return false;
    *out = number;
    return true;
}

static bool parse_choice(const option *o, const char *text, uint32_t *out)
{
    for (uint32_t i = 0; o->choices[i]; i++)
        if (strcmp(o->choices[i], text) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static option_result set_string(const char *text, bool valid, char **field)
{
    if (!valid)
        return OPTION_REFUSED;
    char *copy = strdup(text);
    if (!copy)
        return OPTION_NO_MEMORY;
    free(*field);
    *field = copy;
    return OPTION_OK;
}

/* Whether text is one of the choices, with something where a choice has capitals. */
static bool has_form(const option *o, const char *text)
{
    for (size_t i = 0; o->choices[i]; i++) {
        const char *form = o->choices[i];
        const size_t fixed = strcspn(form, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (form[fixed] == '\0' ? strcmp(text, form) == 0
                                : strncmp(text, form, fixed) == 0 && text[fixed] != '\0')
            return strlen(text) < OPTION_PATH_BYTES;
    }
    return false;
}

static option_result set_flag(const char *text, bool *field)
{
    const bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return OPTION_REFUSED;
    *field = on;
    return OPTION_OK;
}

static option_result set_count(const option *o, const char *text, uint32_t *field)
{
    uint64_t number;
    if (!parse_number(o, text, &number) || number > UINT32_MAX)
        return OPTION_REFUSED;
    *field = (uint32_t)number;
    return OPTION_OK;
}

option_result option_set(const option *o, const char *text, void *fields)
{
    void *field = (char *)fields + o->offset;
    switch (o->kind) {
    case OPTION_FILE:
        return set_string(text, *text != '\0' && strlen(text) < OPTION_PATH_BYTES, field);
    case OPTION_TEXT:
        return set_string(text, strlen(text) >= o->min && strlen(text) <= o->max, field);
    case OPTION_FORM:
        return set_string(text, has_form(o, text), field);
    case OPTION_ADDRESSES:
        return set_string(text, address_list_parse(text, NULL, o->max) > 0, field);
    case OPTION_FLAG:
        return set_flag(text, field);
    case OPTION_CHOICE:
        return parse_choice(o, text, field) ? OPTION_OK : OPTION_REFUSED;
    case OPTION_COUNT:
    case OPTION_MODE:
        return set_count(o, text, field);
    case OPTION_REAL:
        return parse_real(o, text, field) ? OPTION_OK : OPTION_REFUSED;
    case OPTION_BYTES:
    case OPTION_MS:
        return parse_number(o, text, field) ? OPTION_OK : OPTION_REFUSED;
    }
    return OPTION_REFUSED;
}

void option_clear(const option *o, void *fields)
{
    if (o->kind != OPTION_FILE && o->kind != OPTION_TEXT && o->kind != OPTION_FORM &&
        o->kind != OPTION_ADDRESSES)
        return;
    char **field = (void *)((char *)fields + o->offset);
    free(*field);
    *field = NULL;
}

/* "4MiB": the largest unit that divides the bytes. */
static void format_bytes(uint64_t bytes, char *out, size_t capacity)
{
    size_t i = 0;
    while (bytes == 0 ? units[i].bytes != 1 : bytes % units[i].bytes != 0)
        i++;
    (void)snprintf(out, capacity, "%" PRIu64 "%s", bytes / units[i].bytes, units[i].suffix);
}

static void format_choices(const option *o, char *out)
{
    size_t used = (size_t)snprintf(out, OPTION_VALUES_BYTES, "%s", o->choices[0]);
    for (size_t i = 1; o->choices[i] && used < OPTION_VALUES_BYTES; i++)
        used += (size_t)snprintf(out + used, OPTION_VALUES_BYTES - used, ", %s", o->choices[i]);
}

void option_values(const option *o, char *out)
{
    char min[32];
    char max[32];
    switch (o->kind) {
    case OPTION_FILE:
        (void)snprintf(out, OPTION_VALUES_BYTES, "a path of 1 to %d bytes", OPTION_PATH_BYTES - 1);
        return;
    case OPTION_ADDRESSES:
        if (o->max == 1) {
            (void)snprintf(out, OPTION_VALUES_BYTES, "HOST:PORT (port 0 to 65535) or unix:/PATH");
            return;
        }
        (void)snprintf(out, OPTION_VALUES_BYTES,
                       "1 to %" PRIu64
                       " of HOST:PORT (port 0 to 65535) and unix:/PATH, joined by commas",
                       o->max);
        return;
    case OPTION_TEXT:
        (void)snprintf(out, OPTION_VALUES_BYTES, "%" PRIu64 " to %" PRIu64 " bytes", o->min,
                       o->max);
        return;
    case OPTION_FLAG:
        (void)snprintf(out, OPTION_VALUES_BYTES, "true or false");
        return;
    case OPTION_FORM:
    case OPTION_CHOICE:
        format_choices(o, out);
        return;
    case OPTION_COUNT:
    case OPTION_REAL:
        (void)snprintf(out, OPTION_VALUES_BYTES, "a number from %" PRIu64 " to %" PRIu64, o->min,
                       o->max);
        return;
    case OPTION_MODE:
        (void)snprintf(out, OPTION_VALUES_BYTES, "a mode from 0%" PRIo64 " to 0%" PRIo64, o->min,
                       o->max);
        return;
    case OPTION_BYTES:
        format_bytes(o->min, min, sizeof min);
        format_bytes(o->max, max, sizeof max);
        (void)snprintf(out, OPTION_VALUES_BYTES, "bytes (or KiB, MiB, GiB) from %s to %s", min,
                       max);
        return;
    case OPTION_MS:
        (void)snprintf(out, OPTION_VALUES_BYTES, "milliseconds from %" PRIu64 " to %" PRIu64,
                       o->min, o->max);
        return;
    }
}

bool option_text(const option *o, const void *fields, char *out, size_t capacity)
{
    const void *field = (const char *)fields + o->offset;
    const char *text = "";
    char number[32] = "";
    switch (o->kind) {
    case OPTION_FILE:
    case OPTION_TEXT:
    case OPTION_FORM:
    case OPTION_ADDRESSES:
        text = *(const char *const *)field;
        break;
    case OPTION_FLAG:
        text = *(const bool *)field ? "true" : "false";
        break;
    case OPTION_CHOICE:
        text = o->choices[*(const uint32_t *)field];
        break;
    case OPTION_COUNT:
        (void)snprintf(number, sizeof number, "%" PRIu32, *(const uint32_t *)field);
        break;
    case OPTION_MODE:
        (void)snprintf(number, sizeof number, "0%" PRIo32, *(const uint32_t *)field);
        break;
    case OPTION_REAL:
        (void)snprintf(number, sizeof number, "%.17g", *(const double *)field);
        break;
    case OPTION_BYTES:
    case OPTION_MS:
        (void)snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)field);
        break;
    }
    const int length = snprintf(out, capacity, "%s%s", text != NULL ? text : "", number);
    return length >= 0 && (size_t)length < capacity;
}

void option_variable(const option *o, char *out)
{
    (void)snprintf(out, OPTION_NAME_BYTES, "VQL_%s", o->name);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}
