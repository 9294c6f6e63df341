#include "varint.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "varints are taken eight bytes at a time, little-endian"
#endif

/* The highest bit of each byte: set in all bytes of a varint but its last. */
#define CONTINUES UINT64_C(0x8080808080808080)

/* Puts the lower 7 bits of each of 8 bytes together: pairs of bytes, of 14 bits, of 28. */
static uint64_t join(uint64_t x)
{
    x &= ~CONTINUES;
    x = (x & UINT64_C(0x7f007f007f007f00)) >> 1 | (x & UINT64_C(0x007f007f007f007f));
    x = (x & UINT64_C(0x3fff00003fff0000)) >> 2 | (x & UINT64_C(0x00003fff00003fff));
    return (x & UINT64_C(0x0fffffff00000000)) >> 4 | (x & UINT64_C(0x000000000fffffff));
}

/* One varint, byte by byte. Returns its length; 0: it goes on behind `count`; -1: too long. */
static int take_slowly(const uint8_t *bytes, size_t count, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < VARINT_BYTES; i++) {
        if (i == count)
            return 0;
        if (i == VARINT_BYTES - 1 && bytes[i] > 1)
            return -1;
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] < 0x80) {
            *number = value;
            return (int)i + 1;
        }
    }
    return -1;
}

varint_run varint_decode(const uint8_t *bytes, size_t count, uint64_t *numbers, size_t room)
{
    varint_run run = {0};
    while (run.numbers < room && run.bytes < count) {
        uint64_t eight = 0;
        uint64_t ends = 0;
        if (count - run.bytes >= sizeof eight) {
            memcpy(&eight, bytes + run.bytes, sizeof eight);
            ends = ~eight & CONTINUES;
        }
        if (ends != 0) {
            /* Everything up to the first byte that ends one. */
            numbers[run.numbers++] = join(eight & (ends ^ (ends - 1)));
            run.bytes += (size_t)__builtin_ctzll(ends) / 8 + 1;
            continue;
        }
        const int length = take_slowly(bytes + run.bytes, count - run.bytes, &numbers[run.numbers]);
        if (length <= 0) {
            run.state = length < 0 ? VARINT_LONG : VARINT_MORE;
            break;
        }
        run.numbers++;
        run.bytes += (size_t)length;
    }
    return run;
}
