#include "frame.h"

frame_prefix frame_parse(const uint8_t *bytes, size_t count, uint32_t max_length, bool may_compress)
{
    frame_prefix prefix = {.result = FRAME_PARTIAL};
    if (count < FRAME_PREFIX_BYTES)
        return prefix;
    prefix.flag = bytes[0];
    prefix.length = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 |
                    (uint32_t)bytes[4];
    if (prefix.flag > 1)
        prefix.result = FRAME_BAD_FLAG;
    else if (prefix.flag == 1 && !may_compress)
        prefix.result = FRAME_COMPRESSED;
    else if (prefix.length > max_length)
        prefix.result = FRAME_TOO_LONG;
    else if (count - FRAME_PREFIX_BYTES >= prefix.length)
        prefix.result = FRAME_WHOLE;
    return prefix;
}

void frame_write_prefix(uint8_t prefix[FRAME_PREFIX_BYTES], bool compressed, uint32_t length)
{
    prefix[0] = compressed;
    prefix[1] = (uint8_t)(length >> 24);
    prefix[2] = (uint8_t)(length >> 16);
    prefix[3] = (uint8_t)(length >> 8);
    prefix[4] = (uint8_t)length;
}
