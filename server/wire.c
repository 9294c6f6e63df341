#include "wire.h"

#include <string.h>

enum { VARINT_BYTES = 10, FIXED64_BYTES = 8, FIXED32_BYTES = 4 };

static bool take(wire_span *message, size_t count)
{
    if (count > message->count)
        return false;
    message->bytes += count;
    message->count -= count;
    return true;
}

static bool take_varint(wire_span *message, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < VARINT_BYTES && i < message->count; i++) {
        const uint8_t byte = message->bytes[i];
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80)
            return take(message, i + 1);
    }
    return false;
}

static bool take_value(wire_span *message, wire_field *field)
{
    switch (field->type) {
    case WIRE_VARINT:
        return take_varint(message, &field->value);
    case WIRE_FIXED64:
        return take(message, FIXED64_BYTES);
    case WIRE_FIXED32:
        return take(message, FIXED32_BYTES);
    case WIRE_BYTES:
        break;
    }
    uint64_t count;
    if (field->type != WIRE_BYTES || !take_varint(message, &count) || count > message->count)
        return false;
    field->bytes = (wire_span){message->bytes, (size_t)count};
    return take(message, (size_t)count);
}

bool wire_next(wire_span *message, wire_field *field)
{
    wire_span rest = *message;
    uint64_t tag;
    if (rest.count == 0 || !take_varint(&rest, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return false;
    *field = (wire_field){.number = (uint32_t)(tag >> 3), .type = (wire_type)(tag & 7)};
    if (!take_value(&rest, field))
        return false;
    *message = rest;
    return true;
}

bool wire_equals(wire_span span, const char *text)
{
    return span.count == strlen(text) &&
           (span.count == 0 || memcmp(span.bytes, text, span.count) == 0);
}

static bool put_varint(message_buffer *out, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)(value & 0x7F) | (value > 0x7F ? 0x80 : 0);
        value >>= 7;
    } while (value > 0);
    uint8_t *room = message_buffer_extend(out, count);
    if (room)
        memcpy(room, bytes, count);
    return room;
}

bool wire_put_varint(message_buffer *out, uint32_t number, uint64_t value)
{
    return put_varint(out, (uint64_t)number << 3 | WIRE_VARINT) && put_varint(out, value);
}

bool wire_put_bytes(message_buffer *out, uint32_t number, wire_span bytes)
{
    if (!put_varint(out, (uint64_t)number << 3 | WIRE_BYTES) || !put_varint(out, bytes.count))
        return false;
    if (bytes.count == 0)
        return true;
    uint8_t *room = message_buffer_extend(out, bytes.count);
    if (room)
        memcpy(room, bytes.bytes, bytes.count);
    return room;
}
