/*
 * Protobuf's wire format as every encoder writes it. What is not plain decoders may take or refuse
 * (https://protobuf.dev/programming-guides/encoding): numbers in more bytes than they need beyond
 * ten, field number 0, groups.
 */
#ifndef VQL_TESTS_PLAIN_WIRE_H
#define VQL_TESTS_PLAIN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLAIN_VARINT_BYTES = 10, PLAIN_TAG_BYTES = 5 };

/* Reads a number of at most most_bytes and moves behind it. */
static inline bool plain_varint(const uint8_t **at, const uint8_t *end, int most_bytes,
                                uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < most_bytes && *at < end; i++) {
        const uint8_t byte = *(*at)++;
        if (i == PLAIN_VARINT_BYTES - 1 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Whether packed numbers are plain. */
static inline bool is_plain_packed(const uint8_t *at, size_t count)
{
    const uint8_t *end = at + count;
    uint64_t value;
    while (at < end)
        if (!plain_varint(&at, end, PLAIN_VARINT_BYTES, &value))
            return false;
    return true;
}

/*
 * Whether a message is plain, and so are the messages in its field `nested` and the numbers in its
 * field `packed` (0: there are none).
 */
static inline bool is_plain_wire(const uint8_t *at, size_t count, uint64_t nested, uint64_t packed)
{
    const uint8_t *end = at + count;
    while (at < end) {
        uint64_t tag, length;
        if (!plain_varint(&at, end, PLAIN_TAG_BYTES, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
            return false;
        switch (tag & 7) {
        case 0:
            if (!plain_varint(&at, end, PLAIN_VARINT_BYTES, &length))
                return false;
            continue;
        case 1:
            length = 8;
            break;
        case 2:
            if (!plain_varint(&at, end, PLAIN_TAG_BYTES, &length))
                return false;
            break;
        case 5:
            length = 4;
            break;
        default:
            return false;
        }
        if (length > (uint64_t)(end - at))
            return false;
        const bool run = (tag & 7) == 2;
        if ((run && tag >> 3 == nested && !is_plain_wire(at, (size_t)length, 0, 0)) ||
            (run && tag >> 3 == packed && !is_plain_packed(at, (size_t)length)))
            return false;
        at += length;
    }
    return true;
}

#endif
