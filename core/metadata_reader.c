#include "metadata_reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

static vql_code read_text(const vql_file_reader *reader, const char *key, const char **out)
{
    *out = vql_safetensors_metadata(reader->file, key);
    return *out != NULL ? VQL_OK
                        : vql_fail(reader->error, VQL_SHAPE, "__metadata__ %s: missing", key);
}

/* Copies the first `bytes` bytes of text, if they may be a name. */
static vql_code copy_name(const vql_file_reader *reader, const char *key, const char *text,
                          size_t bytes, vql_name out)
{
    if (bytes == 0 || bytes > VQL_MAX_NAME_BYTES) {
        return vql_fail(reader->error, VQL_VALUE,
                        "__metadata__ %s: a name of %zu bytes, wanted 1 .. %d", key, bytes,
                        VQL_MAX_NAME_BYTES);
    }
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7F) {
            return vql_fail(reader->error, VQL_VALUE,
                            "__metadata__ %s: a name with the control character 0x%02x", key, byte);
        }
    }
    memcpy(out, text, bytes);
    out[bytes] = '\0';
    return VQL_OK;
}

vql_code vql_read_name(const vql_file_reader *reader, const char *key, vql_name out)
{
    const char *text;
    const vql_code code = read_text(reader, key, &text);
    return code == VQL_OK ? copy_name(reader, key, text, strlen(text), out) : code;
}

vql_code vql_read_count(const vql_file_reader *reader, const char *key, uint32_t most,
                        uint32_t *out)
{
    const char *text;
    const vql_code code = read_text(reader, key, &text);
    if (code != VQL_OK)
        return code;
    const size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;
    for (size_t i = 0; i < digits && value <= most; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    if (text[digits] != '\0' || value == 0 || value > most) {
        return vql_fail(reader->error, VQL_VALUE,
                        "__metadata__ %s: \"%.32s\", wanted 1 .. %" PRIu32, key, text, most);
    }
    *out = (uint32_t)value;
    return VQL_OK;
}

vql_code vql_read_positive(const vql_file_reader *reader, const char *key, double *out)
{
    const char *text = vql_safetensors_metadata(reader->file, key);
    if (text == NULL)
        return VQL_OK;
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value <= 0.0) {
        return vql_fail(reader->error, VQL_VALUE,
                        "__metadata__ %s: \"%.32s\", wanted a finite number above 0", key, text);
    }
    *out = value;
    return VQL_OK;
}

/* Fills names with the count names that text lists. */
static vql_code split_names(const vql_file_reader *reader, const char *key, const char *text,
                            uint64_t count, vql_name *names)
{
    for (uint64_t i = 0; i < count; i++) {
        const size_t bytes = strcspn(text, ",");
        const vql_code code = copy_name(reader, key, text, bytes, names[i]);
        if (code != VQL_OK)
            return code;
        for (uint64_t before = 0; before < i; before++) {
            if (strcmp(names[before], names[i]) == 0) {
                return vql_fail(reader->error, VQL_VALUE, "__metadata__ %s: \"%s\" twice", key,
                                names[i]);
            }
        }
        text += bytes + 1;
    }
    return VQL_OK;
}

static uint64_t count_names(const char *text)
{
    uint64_t count = text[0] != '\0';
    for (const char *comma = strchr(text, ','); comma != NULL; comma = strchr(comma + 1, ','))
        count++;
    return count;
}

vql_code vql_read_names(const vql_file_reader *reader, const char *key, vql_range wanted,
                        vql_name **names, uint32_t *count)
{
    const char *text;
    vql_code code = read_text(reader, key, &text);
    if (code != VQL_OK)
        return code;
    const uint64_t listed = count_names(text);
    if (listed < wanted.least || listed > wanted.most) {
        return vql_fail(reader->error, VQL_VALUE,
                        "__metadata__ %s: %" PRIu64 " names, wanted %" PRIu64 " .. %" PRIu64, key,
                        listed, wanted.least, wanted.most);
    }
    vql_name *list = vql_allocate_array(reader->allocator, listed, sizeof *list, reader->held);
    if (list == NULL) {
        return vql_fail(reader->error, VQL_NO_MEMORY,
                        "__metadata__ %s: no memory for %" PRIu64 " names", key, listed);
    }
    code = split_names(reader, key, text, listed, list);
    if (code != VQL_OK) {
        vql_release(reader->allocator, list);
        return code;
    }
    *names = list;
    *count = (uint32_t)listed;
    return VQL_OK;
}
