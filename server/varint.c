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

/* The bytes of the varint at the front: up to the one with the lowest bit set, which ends it. */
static uint64_t front(uint64_t eight, uint64_t ends)
{
    return eight & (ends ^ (ends - 1));
}

static unsigned front_length(uint64_t ends)
{
    return (unsigned)__builtin_ctzll(ends) / 8 + 1;
}

/*
 * Takes three varints off eight bytes, if they are there: so what follows does not wait for each of
 * them. Returns how many bytes they took; 0: there are fewer.
 */
static unsigned take_three(uint64_t eight, uint64_t ends, uint64_t *fronts)
{
    const uint64_t second_ends = ends & (ends - 1);
    const uint64_t third_ends = second_ends & (second_ends - 1);
    if (third_ends == 0)
        return 0;
    const unsigned one = front_length(ends);
    const unsigned two = front_length(second_ends);
    fronts[0] = front(eight, ends);
    fronts[1] = front(eight >> 8 * one, second_ends >> 8 * one);
    fronts[2] = front(eight >> 8 * two, third_ends >> 8 * two);
    return front_length(third_ends);
}

/* Decodes varints of at most eight bytes as long as eight bytes are there to be looked at. */
static varint_run take_quickly(const uint8_t *bytes, size_t count, uint64_t *numbers, size_t room)
{
    varint_run run = {0};
    while (run.numbers < room && count - run.bytes >= sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, bytes + run.bytes, sizeof eight);
        const uint64_t ends = ~eight & CONTINUES;
        if (ends == 0)
            break;
        const unsigned three =
            room - run.numbers >= 3 ? take_three(eight, ends, numbers + run.numbers) : 0;
        if (three == 0)
            numbers[run.numbers] = front(eight, ends);
        run.numbers += three == 0 ? 1 : 3;
        run.bytes += three == 0 ? front_length(ends) : three;
    }
    for (size_t i = 0; i < run.numbers; i++)
        numbers[i] = join(numbers[i]);
    return run;
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
        const varint_run quick = take_quickly(bytes + run.bytes, count - run.bytes,
                                              numbers + run.numbers, room - run.numbers);
        run.numbers += quick.numbers;
        run.bytes += quick.bytes;
        if (run.numbers == room || run.bytes == count)
            break;
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

bool varint_take(varint_reader *in, uint64_t *number)
{
    const int length = take_slowly(in->bytes, in->count, number);
    if (length <= 0)
        return false;
    in->bytes += length;
    in->count -= (size_t)length;
    return true;
}
