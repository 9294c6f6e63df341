#include "vql/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *text;
} codes[] = {
#define CODE_ENTRY(name, text) [VQL_##name] = {#name, text},
    VQL_CODES(CODE_ENTRY)
#undef CODE_ENTRY
};

static size_t code_count(void)
{
    return sizeof codes / sizeof codes[0];
}

const char *vql_code_name(vql_code code)
{
    return (size_t)code < code_count() ? codes[code].name : "UNKNOWN";
}

const char *vql_code_text(vql_code code)
{
    return (size_t)code < code_count() ? codes[code].text : "no such code";
}

vql_code vql_fail(vql_error *error, vql_code code, const char *format, ...)
{
    if (error == NULL)
        return code;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return code;
}
