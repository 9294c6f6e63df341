#include "redis_slots.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* CRC-16/XMODEM, whose polynomial is x^16 + x^12 + x^5 + 1, four bits at a time. */
static uint16_t crc16(const char *bytes, size_t count)
{
    static const uint16_t table[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    unsigned crc = 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned byte = (unsigned char)bytes[i];
        crc = ((crc << 4) ^ table[((crc >> 12) ^ (byte >> 4)) & 15]) & 0xffff;
        crc = ((crc << 4) ^ table[((crc >> 12) ^ byte) & 15]) & 0xffff;
    }
    return (uint16_t)crc;
}

uint16_t redis_slot(const char *key, size_t bytes)
{
    const char *open = memchr(key, '{', bytes);
    if (open) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', bytes - (size_t)(tag - key));
        if (close && close > tag) {
            key = tag;
            bytes = (size_t)(close - tag);
        }
    }
    return crc16(key, bytes) % REDIS_SLOTS;
}

void redis_little(uint64_t number, char out[8])
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (char)(number >> (8 * i));
}

uint64_t redis_little_parse(const char bytes[8])
{
    uint64_t number = 0;
    for (size_t i = 0; i < 8; i++)
        number |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return number;
}

uint64_t redis_random(void)
{
    uint64_t number = 0;
    while (number == 0)
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = 0;
    return number;
}

size_t redis_user_key(uint64_t user_id, char out[REDIS_KEY_BYTES])
{
    return (size_t)snprintf(out, REDIS_KEY_BYTES, "vql:{%" PRIu64 "}", user_id);
}

uint16_t redis_user_slot(uint64_t user_id)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + user_id % 10);
        user_id /= 10;
    } while (user_id > 0);
    return crc16(digits + at, sizeof digits - at) % REDIS_SLOTS;
}

void redis_tags_find(redis_tags *out)
{
    bool found[REDIS_SLOTS] = {false};
    uint32_t tag = 0;
    for (size_t left = REDIS_SLOTS; left > 0; tag++) {
        const uint16_t slot = redis_user_slot(tag);
        if (found[slot])
            continue;
        found[slot] = true;
        out->of[slot] = tag;
        left--;
    }
}

size_t redis_slot_channel(const redis_tags *t, uint16_t slot, char out[REDIS_KEY_BYTES])
{
    return (size_t)snprintf(out, REDIS_KEY_BYTES, "vql:news:{%" PRIu32 "}", t->of[slot]);
}

size_t redis_slot_probe(const redis_tags *t, uint16_t slot, char out[REDIS_KEY_BYTES])
{
    return (size_t)snprintf(out, REDIS_KEY_BYTES, "vql:probe:{%" PRIu32 "}", t->of[slot]);
}
