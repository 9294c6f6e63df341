#include "traceparent.h"

#include <stddef.h>
#include <string.h>

/* Where the parts of "vv-trace-parent-ff" are. */
enum {
    VERSION_DIGITS = 2,
    TRACE_AT = VERSION_DIGITS + 1,
    PARENT_AT = TRACE_AT + TRACE_ID_BYTES + 1,
    FLAGS_AT = PARENT_AT + TRACE_PARENT_BYTES + 1,
    FLAGS_DIGITS = 2,
    TEXT_BYTES = FLAGS_AT + FLAGS_DIGITS,
};

static const char digits[] = "0123456789abcdef";

/* Whether count digits stand there, not all of them zeros if they are an id's. */
static bool has_digits(const char *text, size_t count, bool is_id)
{
    return strspn(text, digits) >= count && !(is_id && strspn(text, "0") >= count);
}

bool traceparent_parse(const char *text, traceparent *out)
{
    if (strnlen(text, TEXT_BYTES) < TEXT_BYTES || !has_digits(text, VERSION_DIGITS, false) ||
        text[TRACE_AT - 1] != '-' || !has_digits(text + TRACE_AT, TRACE_ID_BYTES, true) ||
        text[PARENT_AT - 1] != '-' || !has_digits(text + PARENT_AT, TRACE_PARENT_BYTES, true) ||
        text[FLAGS_AT - 1] != '-' || !has_digits(text + FLAGS_AT, FLAGS_DIGITS, false))
        return false;
    const bool first = strncmp(text, "00", VERSION_DIGITS) == 0;
    const char after = text[TEXT_BYTES];
    if (strncmp(text, "ff", VERSION_DIGITS) == 0 || (after != '\0' && (first || after != '-')))
        return false;
    memcpy(out->trace_id, text + TRACE_AT, TRACE_ID_BYTES);
    memcpy(out->parent_id, text + PARENT_AT, TRACE_PARENT_BYTES);
    out->trace_id[TRACE_ID_BYTES] = out->parent_id[TRACE_PARENT_BYTES] = '\0';
    out->sampled = (strchr(digits, text[TEXT_BYTES - 1]) - digits) % 2 == 1;
    return true;
}
