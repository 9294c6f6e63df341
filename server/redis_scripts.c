#include "redis_scripts.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

/*
 * The head as store_record.h has it. Birth and times stay bytes: Lua's numbers have 53 bits.
 * HSET is the first that a script without memory refuses, and the only one that writes, so that all
 * is done or nothing.
 */
#define PRELUDE                                                                                    \
    "local key = KEYS[1]\n"                                                                        \
    "local function number(bytes) return (struct.unpack('<I8', bytes)) end\n"                      \
    "local function time(bytes) return (struct.unpack('<i8', bytes)) end\n"                        \
    "local function publish() redis.call('SPUBLISH', ARGV[1], ARGV[2]) end\n"                      \
    "local head = redis.call('HGET', key, 'h')\n"                                                  \
    "local born, seq, first, cleared, t0, t1, bytes\n"                                             \
    "if head then\n"                                                                               \
    "  born = head:sub(1, 8)\n"                                                                    \
    "  seq, first, cleared = struct.unpack('<I8I8I8', head, 9)\n"                                  \
    "  t0, t1, bytes = head:sub(33, 40), head:sub(41, 48), number(head:sub(49))\n"                 \
    "end\n"                                                                                        \
    "local function packed()\n"                                                                    \
    "  return born .. struct.pack('<I8I8I8', seq, first, cleared) .. t0 .. t1 ..\n"                \
    "    struct.pack('<I8', bytes)\n"                                                              \
    "end\n"                                                                                        \
    "local function place(ids, id)\n"                                                              \
    "  local at = 1\n"                                                                             \
    "  while true do\n"                                                                            \
    "    at = ids:find(id, at, true)\n"                                                            \
    "    if not at or at % 8 == 1 then return at end\n"                                            \
    "    at = at + 1\n"                                                                            \
    "  end\n"                                                                                      \
    "end\n"                                                                                        \
    "local buckets, changed = {}, {}\n"                                                            \
    "local function bucket_of(id)\n"                                                               \
    "  local name = 'i' .. id:byte(1) % 16\n"                                                      \
    "  if not buckets[name] then\n"                                                                \
    "    buckets[name] = head and redis.call('HGET', key, name) or ''\n"                           \
    "  end\n"                                                                                      \
    "  return name\n"                                                                              \
    "end\n"                                                                                        \
    "local function set(name, value)\n"                                                            \
    "  changed[#changed + 1] = name\n"                                                             \
    "  changed[#changed + 1] = value\n"                                                            \
    "end\n"                                                                                        \
    "local function write()\n"                                                                     \
    "  set('h', packed())\n"                                                                       \
    "  redis.call('HSET', key, unpack(changed))\n"                                                 \
    "end\n"

static const char append_text[] =
    PRELUDE "local records, fates, fresh, any, none = ARGV[4], {}, {}, false, ('\\0'):rep(8)\n"
            "if not head then\n"
            "  born, seq, first, cleared, t0, t1, bytes = ARGV[3], 0, 1, 1, none, none, 0\n"
            "end\n"
            "local dirty = {}\n"
            "for at = 1, #records, 28 do\n"
            "  local id, fate = records:sub(at + 8, at + 15), '1'\n"
            "  if id ~= none then\n"
            "    local name = bucket_of(id)\n"
            "    if place(buckets[name], id) then\n"
            "      fate, any = '0', true\n"
            "    else\n"
            "      buckets[name], dirty[name] = buckets[name] .. id, true\n"
            "      bytes = bytes + 8\n"
            "    end\n"
            "  end\n"
            "  fates[#fates + 1] = fate\n"
            "  if fate == '1' then\n"
            "    local when = records:sub(at + 16, at + 23)\n"
            "    local only = first > seq + #fresh\n"
            "    if only or time(when) < time(t0) then t0 = when end\n"
            "    if only or time(when) > time(t1) then t1 = when end\n"
            "    fresh[#fresh + 1] = records:sub(at, at + 27)\n"
            "  end\n"
            "end\n"
            "if #fresh > 0 then\n"
            "  publish()\n"
            "  bytes = bytes + 28 * #fresh\n"
            "  local done = 0\n"
            "  while done < #fresh do\n"
            "    local chunk = math.floor(seq / 128)\n"
            "    local room = 128 - seq % 128\n"
            "    local last = math.min(done + room, #fresh)\n"
            "    local before = room < 128 and redis.call('HGET', key, 'e' .. chunk) or ''\n"
            "    set('e' .. chunk, before .. table.concat(fresh, '', done + 1, last))\n"
            "    seq, done = seq + last - done, last\n"
            "  end\n"
            "  for name in pairs(dirty) do set(name, buckets[name]) end\n"
            "  write()\n"
            "end\n"
            "return {seq > 0 and packed() or '', any and table.concat(fates) or ''}\n";

static const char save_text[] =
    PRELUDE "if not head or born ~= ARGV[3] or seq < number(ARGV[4]) then return 0 end\n"
            "local kept, names = ARGV[5], redis.call('HGET', key, 's') or ''\n"
            "for at = 1, #names, 8 do\n"
            "  local name = names:sub(at, at + 7)\n"
            "  if name ~= ARGV[5] then\n"
            "    if place(ARGV[7], name) then kept = kept .. name\n"
            "    else redis.call('HDEL', key, 's' .. name) end\n"
            "  end\n"
            "end\n"
            "redis.call('HSET', key, 's', kept, 's' .. ARGV[5], ARGV[6])\n"
            "return 1\n";

static const char erase_text[] = PRELUDE "if not head then return 0 end\n"
                                         "publish()\n"
                                         "redis.call('UNLINK', key)\n"
                                         "return seq - first + 1\n";

static const char trim_text[] =
    PRELUDE "if not head or (ARGV[3] ~= '' and born ~= ARGV[3]) then return 0 end\n"
            "local to = number(ARGV[5])\n"
            "if to < first or to > seq + 1 then return 0 end\n"
            "local grown = seq ~= number(ARGV[6])\n"
            "publish()\n"
            "born, first = ARGV[4], to\n"
            "if not grown or time(ARGV[7]) < time(t0) then t0 = ARGV[7] end\n"
            "if not grown or time(ARGV[8]) > time(t1) then t1 = ARGV[8] end\n"
            "local names = redis.call('HGET', key, 's') or ''\n"
            "write()\n"
            "for at = 1, #names, 8 do\n"
            "  redis.call('HDEL', key, 's' .. names:sub(at, at + 7))\n"
            "end\n"
            "redis.call('HDEL', key, 's')\n"
            "return 1\n";

static const char purge_text[] =
    PRELUDE "if not head then return 0 end\n"
            "local to = math.min(first, cleared + tonumber(ARGV[3]))\n"
            "local dirty, gone, name, chunk = {}, {}, nil, nil\n"
            "while cleared < to do\n"
            "  local now = 'e' .. math.floor((cleared - 1) / 128)\n"
            "  if now ~= name then\n"
            "    name, chunk = now, redis.call('HGET', key, now)\n"
            "    if not chunk then return redis.error_reply('VQL events are missing') end\n"
            "  end\n"
            "  local at = (cleared - 1) % 128 * 28\n"
            "  local id = chunk:sub(at + 9, at + 16)\n"
            "  if id ~= ('\\0'):rep(8) then\n"
            "    local b = bucket_of(id)\n"
            "    local p = place(buckets[b], id)\n"
            "    if p then\n"
            "      buckets[b], dirty[b] = buckets[b]:sub(1, p - 1) .. buckets[b]:sub(p + 8), true\n"
            "      bytes = bytes - 8\n"
            "    end\n"
            "  end\n"
            "  bytes = bytes - 28\n"
            "  if cleared % 128 == 0 then gone[#gone + 1] = now end\n"
            "  cleared = cleared + 1\n"
            "end\n"
            "for b in pairs(dirty) do\n"
            "  if buckets[b] == '' then gone[#gone + 1] = b else set(b, buckets[b]) end\n"
            "end\n"
            "write()\n"
            "for _, field in ipairs(gone) do redis.call('HDEL', key, field) end\n"
            "return cleared < first and 1 or 0\n";

const char *redis_script_text(redis_script which)
{
    static const char *const texts[] = {
        [REDIS_APPEND] = append_text, [REDIS_SAVE] = save_text,   [REDIS_ERASE] = erase_text,
        [REDIS_TRIM] = trim_text,     [REDIS_PURGE] = purge_text,
    };
    return texts[which];
}

void redis_script_sha(redis_script which, char out[REDIS_SHA_BYTES])
{
    const char *text = redis_script_text(which);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    if (EVP_Digest(text, strlen(text), digest, &count, EVP_sha1(), NULL) != 1)
        count = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < count && 2 * i + 2 < REDIS_SHA_BYTES; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
