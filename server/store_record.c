#include "store_record.h"

#include <string.h>
#include <zlib.h>

enum { SNAPSHOT_VERSION = 1, CHECKED_FROM = 12 /* what a snapshot's CRC is of begins there */ };

const char record_format_key[] = "mformat";
const char record_items_key[] = "mitems";
const char record_probe_key[] = "mprobe";

static const char snapshot_magic[4] = {'V', 'Q', 'L', 'S'};

static void put_big(char *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)(number >> (56 - 8 * i));
}

static uint64_t get_big(const char *in)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | (uint8_t)in[i];
    return number;
}

static char *put_little(char *out, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(number >> (8 * i));
    return out + bytes;
}

static uint64_t get_little(const char *in, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)(uint8_t)in[i] << (8 * i);
    return number;
}

record_key record_key_items(uint64_t number)
{
    record_key key = {.count = RECORD_ITEMS_BYTES};
    key.bytes[0] = 'i';
    put_big(key.bytes + 1, number);
    return key;
}

bool record_key_parse_items(const char *key, size_t count, uint64_t *number)
{
    if (count != RECORD_ITEMS_BYTES || key[0] != 'i')
        return false;
    *number = get_big(key + 1);
    return true;
}

void record_items_write(const record_items *items, char out[RECORD_COMPACTION_BYTES])
{
    out = put_little(out, items->compactions, 8);
    out = put_little(out, items->through, 8);
    (void)put_little(out, items->kept, 8);
}

bool record_items_parse(const char *value, size_t count, record_items *out)
{
    if (count != RECORD_COMPACTION_BYTES)
        return false;
    *out = (record_items){
        .compactions = get_little(value, 8),
        .through = get_little(value + 8, 8),
        .kept = get_little(value + 16, 8),
    };
    return out->compactions > 0 && out->kept <= out->through;
}

bool record_items_pass(record_items_walk *w, uint64_t number)
{
    const uint64_t before = w->last > w->of.through ? w->last : w->of.through;
    const bool old = number <= w->of.through;
    const bool next = old ? number > w->last : record_items_end(w) && number == before + 1;
    w->passed += old;
    w->last = number;
    return next;
}

bool record_items_end(const record_items_walk *w)
{
    return w->passed == w->of.kept;
}

record_key record_key_of(uint64_t user_id, record_kind kind)
{
    record_key key = {.count = RECORD_USER_BYTES + 1};
    key.bytes[0] = 'u';
    put_big(key.bytes + 1, user_id);
    key.bytes[RECORD_USER_BYTES] = (char)kind;
    return key;
}

record_key record_key_numbered(uint64_t user_id, record_kind kind, uint64_t number)
{
    record_key key = record_key_of(user_id, kind);
    put_big(key.bytes + key.count, number);
    key.count += 8;
    return key;
}

record_key record_key_end(uint64_t user_id)
{
    record_key key = record_key_of(user_id, RECORD_ID);
    key.bytes[RECORD_USER_BYTES]++;
    return key;
}

bool record_key_parse(const char *key, size_t count, uint64_t *user_id, record_kind *kind,
                      uint64_t *number)
{
    if (count <= RECORD_USER_BYTES || key[0] != 'u')
        return false;
    const uint8_t code = (uint8_t)key[RECORD_USER_BYTES];
    const bool numbered = code != RECORD_HEAD;
    if (code > RECORD_ID || count != RECORD_USER_BYTES + 1 + (numbered ? 8u : 0u))
        return false;
    *user_id = get_big(key + 1);
    *kind = (record_kind)code;
    *number = numbered ? get_big(key + RECORD_USER_BYTES + 1) : 0;
    return true;
}

bool record_is_damage(const char *message)
{
    return strncmp(message, "Corruption", strlen("Corruption")) == 0;
}

void record_head_write(const history_info *info, char out[RECORD_HEAD_BYTES])
{
    out = put_little(out, info->born, 8);
    out = put_little(out, info->sequence, 8);
    out = put_little(out, info->first, 8);
    out = put_little(out, info->cleared, 8);
    out = put_little(out, (uint64_t)info->first_time_ms, 8);
    out = put_little(out, (uint64_t)info->last_time_ms, 8);
    (void)put_little(out, info->bytes, 8);
}

bool record_head_parse(const char *value, size_t count, history_info *out)
{
    if (count != RECORD_HEAD_BYTES)
        return false;
    *out = (history_info){
        .born = get_little(value, 8),
        .sequence = get_little(value + 8, 8),
        .first = get_little(value + 16, 8),
        .cleared = get_little(value + 24, 8),
        .first_time_ms = (int64_t)get_little(value + 32, 8),
        .last_time_ms = (int64_t)get_little(value + 40, 8),
        .bytes = (size_t)get_little(value + 48, 8),
    };
    return out->sequence > 0 && out->cleared > 0 && out->cleared <= out->first &&
           out->first - 1 <= out->sequence;
}

void record_events_write(const event *events, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out = put_little(out, events[i].item_id, 8);
        out = put_little(out, events[i].id, 8);
        out = put_little(out, (uint64_t)events[i].time_ms, 8);
        out = put_little(out, events[i].type, 4);
    }
}

size_t record_events_count(size_t bytes)
{
    return bytes % RECORD_EVENT_BYTES == 0 ? bytes / RECORD_EVENT_BYTES : 0;
}

event record_event(const char *value, size_t i)
{
    value += i * RECORD_EVENT_BYTES;
    return (event){
        .item_id = get_little(value, 8),
        .id = get_little(value + 8, 8),
        .time_ms = (int64_t)get_little(value + 16, 8),
        .type = (uint32_t)get_little(value + 24, 4),
    };
}

static uint32_t checksum(const char *value, size_t count)
{
    return (uint32_t)crc32_z(0, (const Bytef *)value + CHECKED_FROM, count - CHECKED_FROM);
}

void record_snapshot_write(const store_snapshot *snapshot, char *out)
{
    char *p = out;
    memcpy(p, snapshot_magic, sizeof snapshot_magic);
    p = put_little(p + 4, SNAPSHOT_VERSION, 4) + 4;
    p = put_little(p, snapshot->born, 8);
    p = put_little(p, snapshot->sequence, 8);
    memcpy(p, snapshot->bytes, snapshot->count);
    (void)put_little(out + 8, checksum(out, RECORD_SNAPSHOT_HEAD_BYTES + snapshot->count), 4);
}

bool record_snapshot_parse(const char *value, size_t count, store_snapshot *out)
{
    if (count < RECORD_SNAPSHOT_HEAD_BYTES ||
        memcmp(value, snapshot_magic, sizeof snapshot_magic) != 0 ||
        get_little(value + 4, 4) != SNAPSHOT_VERSION ||
        get_little(value + 8, 4) != checksum(value, count))
        return false;
    *out = (store_snapshot){
        .born = get_little(value + 12, 8),
        .sequence = get_little(value + 20, 8),
        .bytes = (uint8_t *)(uintptr_t)value + RECORD_SNAPSHOT_HEAD_BYTES,
        .count = count - RECORD_SNAPSHOT_HEAD_BYTES,
    };
    return true;
}
