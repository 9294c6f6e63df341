#include "utf8.h"

/* Well-formed sequences by their first byte: RFC 3629 §4. */
static const struct {
    uint8_t first_low, first_high;
    uint8_t length;
    uint8_t second_low, second_high; /* of the second byte; later ones are 0x80 to 0xbf */
} sequences[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* The length of the character at the front; 0: none is whole and well-formed. */
static size_t character_length(const uint8_t *bytes, size_t count)
{
    size_t i = 0;
    while (i < sizeof sequences / sizeof *sequences && bytes[0] > sequences[i].first_high)
        i++;
    if (i == sizeof sequences / sizeof *sequences || bytes[0] < sequences[i].first_low)
        return 0;
    const size_t length = sequences[i].length;
    if (length > count)
        return 0;
    if (length > 1 && (bytes[1] < sequences[i].second_low || bytes[1] > sequences[i].second_high))
        return 0;
    for (size_t k = 2; k < length; k++)
        if ((bytes[k] & 0xc0) != 0x80)
            return 0;
    return length;
}

size_t utf8_prefix(const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    while (at < count) {
        const size_t length = character_length(bytes + at, count - at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}
