#include "base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t count, char *out)
{
    uint32_t bits = 0;
    unsigned held = 0; /* of bits, not written yet */
    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *out++ = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *out++ = digits[bits << (6 - held) & 63];
    *out = '\0';
}

/* The value of a character; 64: it is no digit. */
static uint32_t value_of(char c)
{
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found ? (uint32_t)(found - digits) : 64;
}

bool base64_decode(const char *text, size_t length, uint8_t *out, size_t *count)
{
    if (length > 0 && length % 4 == 0 && text[length - 1] == '=')
        length -= text[length - 2] == '=' ? 2 : 1;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        const uint32_t value = value_of(text[i]);
        if (value == 64)
            return false;
        bits = bits << 6 | value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[written++] = (uint8_t)(bits >> held);
        }
    }
    *count = written;
    return length % 4 != 1 && (bits & ((1U << held) - 1)) == 0;
}
