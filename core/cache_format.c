/*
 * The serialized form of a cache, little-endian, nothing between the parts:
 *
 *      0   4  "VQLC"
 *      4   4  version: 1
 *      8   8  fingerprint of the model
 *     16  12  D, G, R
 *     28   4  flags: bit 0, there are remainders
 *     32   8  events
 *     40   8  t_ref, milliseconds
 *     48      base time of every kernel      [R] of 8
 *             number of rows of every group  [G] of 4
 *             codes                          [rows] of 2, ascending within a group
 *             counts                         [rows] of 4, at least 1; events in sum for every group
 *             sums                           [rows, R, D_g + 1] of 4: finite; n 0 or >= FLT_MIN
 *             remainders, if flagged         [rows, R, D_g + 1] of 2: at most 2^-24 of their sums
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cache_data.h"
#include "catalog_data.h"
#include "model_data.h"

static const uint8_t MAGIC[4] = {'V', 'Q', 'L', 'C'};

enum {
    VERSION = 1,
    HEADER_BYTES = 48,
    FLAG_REMAINDERS = 1,
};

/* Writes the low `bytes` bytes of a number and returns the place behind them. */
static uint8_t *put(uint8_t *out, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * i));
    return out + bytes;
}

/* Reads a number of `bytes` bytes and moves *in behind them. */
static uint64_t take(const uint8_t **in, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)(*in)[i] << (8 * i);
    *in += bytes;
    return number;
}

/*
 * The size of the form of a cache with so many rows of a width: no overflow within a model's
 * bounds.
 */
static uint64_t form_bytes(const vql_shape *shape, uint64_t rows, bool remainders)
{
    const uint64_t width = (uint64_t)shape->kernels * (shape->group_width + 1);
    const uint64_t row_bytes = 2 + 4 + width * (remainders ? 4 + 2 : 4);
    return HEADER_BYTES + (uint64_t)shape->kernels * 8 + (uint64_t)shape->groups * 4 +
           rows * row_bytes;
}

size_t vql_cache_serialized_size(const vql_cache *cache)
{
    const vql_cache_rows *rows = &cache->rows;
    return form_bytes(&cache->catalog->model->shape, rows->count, rows->remainders != NULL);
}

static uint8_t *put_header(uint8_t *out, const vql_cache *cache)
{
    const vql_model *model = cache->catalog->model;
    memcpy(out, MAGIC, sizeof MAGIC);
    out = put(out + sizeof MAGIC, VERSION, 4);
    out = put(out, model->fingerprint, 8);
    out = put(out, model->shape.width, 4);
    out = put(out, model->shape.groups, 4);
    out = put(out, model->shape.kernels, 4);
    out = put(out, cache->rows.remainders != NULL ? FLAG_REMAINDERS : 0, 4);
    out = put(out, cache->events, 8);
    return put(out, (uint64_t)cache->reference_ms, 8);
}

static uint8_t *put_rows(uint8_t *out, const vql_cache_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++)
        out = put(out, rows->keys[i] & 0xffff, 2);
    for (uint32_t i = 0; i < rows->count; i++)
        out = put(out, rows->counts[i], 4);
    const size_t numbers = rows->count * rows->width;
    for (size_t i = 0; i < numbers; i++) {
        uint32_t bits;
        memcpy(&bits, &rows->sums[i], sizeof bits);
        out = put(out, bits, 4);
    }
    for (size_t i = 0; rows->remainders != NULL && i < numbers; i++)
        out = put(out, rows->remainders[i], 2);
    return out;
}

void vql_cache_serialize(const vql_cache *cache, uint8_t *out)
{
    const vql_shape *shape = &cache->catalog->model->shape;
    out = put_header(out, cache);
    for (uint32_t r = 0; r < shape->kernels; r++)
        out = put(out, (uint64_t)cache->base_ms[r], 8);
    for (uint32_t g = 0; g < shape->groups; g++)
        out = put(out, vql_cache_occupied(cache, g), 4);
    put_rows(out, &cache->rows);
}

/* The parts of a form, found before anything is allocated. */
typedef struct form {
    bool remainders;
    uint64_t events;
    uint64_t reference_ms;
    uint32_t rows;
    const uint8_t *bases;
    const uint8_t *group_rows;
    const uint8_t *codes;
    const uint8_t *counts;
    const uint8_t *numbers;
} form;

/* Reads the first 32 bytes: whether this is a cache of the model. */
static vql_code read_identity(const vql_model *model, const uint8_t **in, form *read,
                              vql_error *error)
{
    if (memcmp(*in, MAGIC, sizeof MAGIC) != 0)
        return vql_fail(error, VQL_FORMAT, "cache: magic is not \"VQLC\"");
    *in += sizeof MAGIC;
    const uint64_t version = take(in, 4);
    if (version != VERSION) {
        return vql_fail(error, VQL_VERSION, "cache: version is %" PRIu64 ", not %d", version,
                        VERSION);
    }
    const uint64_t fingerprint = take(in, 8);
    if (fingerprint != model->fingerprint) {
        return vql_fail(error, VQL_MISMATCH,
                        "cache: fingerprint is %016" PRIx64 ", the model's is %016" PRIx64,
                        fingerprint, model->fingerprint);
    }
    const vql_shape *shape = &model->shape;
    const uint64_t width = take(in, 4);
    const uint64_t groups = take(in, 4);
    const uint64_t kernels = take(in, 4);
    if (width != shape->width || groups != shape->groups || kernels != shape->kernels) {
        return vql_fail(error, VQL_MISMATCH,
                        "cache: D, G, R are %" PRIu64 ", %" PRIu64 ", %" PRIu64
                        ", the model's are %" PRIu32 ", %" PRIu32 ", %" PRIu32,
                        width, groups, kernels, shape->width, shape->groups, shape->kernels);
    }
    const uint64_t flags = take(in, 4);
    if (flags > FLAG_REMAINDERS) {
        return vql_fail(error, VQL_FORMAT, "cache: flags are %" PRIu64 ", above %d", flags,
                        FLAG_REMAINDERS);
    }
    read->remainders = flags == FLAG_REMAINDERS;
    return VQL_OK;
}

/*
 * Reads the numbers of rows and compares the length that they make with the bytes that there are.
 */
static vql_code read_lengths(const vql_model *model, size_t count, form *read, vql_error *error)
{
    const vql_shape *shape = &model->shape;
    const uint8_t *in = read->group_rows;
    read->rows = 0;
    for (uint32_t g = 0; g < shape->groups; g++) {
        const uint64_t rows = take(&in, 4);
        if (rows > model->codewords[g]) {
            return vql_fail(error, VQL_VALUE,
                            "cache: group %" PRIu32 " has %" PRIu64 " rows, above K_g = %" PRIu32,
                            g, rows, model->codewords[g]);
        }
        read->rows += (uint32_t)rows;
    }
    const uint64_t needed = form_bytes(shape, read->rows, read->remainders);
    if (needed != count) {
        return vql_fail(error, VQL_FORMAT,
                        "cache: %zu bytes, not the %" PRIu64 " of %" PRIu32 " rows", count, needed,
                        read->rows);
    }
    read->codes = in;
    read->counts = read->codes + (size_t)read->rows * 2;
    read->numbers = read->counts + (size_t)read->rows * 4;
    return VQL_OK;
}

static vql_code read_header(const vql_model *model, const uint8_t *bytes, size_t count, form *read,
                            vql_error *error)
{
    const vql_shape *shape = &model->shape;
    if (count < HEADER_BYTES) {
        return vql_fail(error, VQL_FORMAT, "cache: %zu bytes, below the header's %d", count,
                        HEADER_BYTES);
    }
    const uint8_t *in = bytes;
    const vql_code code = read_identity(model, &in, read, error);
    if (code != VQL_OK)
        return code;
    read->events = take(&in, 8);
    if (read->events > VQL_CACHE_MAX_EVENTS) {
        return vql_fail(error, VQL_VALUE, "cache: events is %" PRIu64 ", above %" PRIu64,
                        read->events, (uint64_t)VQL_CACHE_MAX_EVENTS);
    }
    read->reference_ms = take(&in, 8);
    if (read->reference_ms > INT64_MAX) {
        return vql_fail(error, VQL_VALUE, "cache: t_ref is %" PRIu64 ", above %" PRId64,
                        read->reference_ms, INT64_MAX);
    }
    const uint64_t empty = form_bytes(shape, 0, read->remainders);
    if (count < empty) {
        return vql_fail(error, VQL_FORMAT, "cache: %zu bytes, below the %" PRIu64 " of no rows",
                        count, empty);
    }
    read->bases = in;
    read->group_rows = in + (size_t)shape->kernels * 8;
    return read_lengths(model, count, read, error);
}

static vql_code read_bases(const form *read, vql_cache *cache, vql_error *error)
{
    const uint8_t *in = read->bases;
    for (uint32_t r = 0; r < cache->catalog->model->shape.kernels; r++) {
        const uint64_t base_ms = take(&in, 8);
        if (base_ms > read->reference_ms) {
            return vql_fail(error, VQL_VALUE,
                            "cache: base of kernel %" PRIu32 " is %" PRIu64
                            ", above t_ref = %" PRIu64,
                            r, base_ms, read->reference_ms);
        }
        cache->base_ms[r] = (int64_t)base_ms;
    }
    return VQL_OK;
}

/* Reads the keys and counts of one group's rows, appending them to the cache's. */
static vql_code read_group(const form *read, uint32_t group, uint32_t rows, vql_cache *cache,
                           vql_error *error)
{
    const uint32_t codewords = cache->catalog->model->codewords[group];
    const uint8_t *codes = read->codes + (size_t)cache->rows.count * 2;
    const uint8_t *counts = read->counts + (size_t)cache->rows.count * 4;
    uint64_t events = 0;
    uint64_t least = 0;
    for (uint32_t i = 0; i < rows; i++) {
        const uint64_t code = take(&codes, 2);
        if (code < least || code >= codewords) {
            return vql_fail(error, VQL_VALUE,
                            "cache: group %" PRIu32 ", row %" PRIu32 ": code %" PRIu64
                            " is not from %" PRIu64 " to below K_g = %" PRIu32,
                            group, i, code, least, codewords);
        }
        least = code + 1;
        const uint64_t count = take(&counts, 4);
        if (count == 0) {
            return vql_fail(error, VQL_VALUE,
                            "cache: group %" PRIu32 ", row %" PRIu32 ": count is 0, below 1", group,
                            i);
        }
        events += count;
        cache->rows.keys[cache->rows.count] = vql_cache_key(group, (uint32_t)code);
        cache->rows.counts[cache->rows.count] = (uint32_t)count;
        cache->rows.count++;
    }
    if (events != read->events) {
        return vql_fail(error, VQL_VALUE,
                        "cache: group %" PRIu32 "'s counts sum to %" PRIu64
                        ", not to events = %" PRIu64,
                        group, events, read->events);
    }
    return VQL_OK;
}

static vql_code read_sums(const form *read, vql_cache *cache, vql_error *error)
{
    const size_t slice = cache->catalog->model->shape.group_width + 1;
    const size_t numbers = read->rows * cache->rows.width;
    const uint8_t *in = read->numbers;
    for (size_t i = 0; i < numbers; i++) {
        const uint32_t bits = (uint32_t)take(&in, 4);
        float sum;
        memcpy(&sum, &bits, sizeof sum);
        const bool is_n = i % slice == slice - 1;
        if (!isfinite(sum) || (is_n && sum != 0.0f && sum < FLT_MIN)) {
            return vql_fail(error, VQL_VALUE,
                            "cache: number %zu of the sums is %g: not finite, or an n below %g", i,
                            (double)sum, (double)FLT_MIN);
        }
        cache->rows.sums[i] = sum;
    }
    for (size_t i = 0; read->remainders && i < numbers; i++) {
        const uint16_t bits = (uint16_t)take(&in, 2);
        const double remainder = (double)vql_cache_remainder(bits);
        const double most = fabs((double)cache->rows.sums[i]) * 0x1p-24;
        if (!(fabs(remainder) <= most)) {
            return vql_fail(error, VQL_VALUE,
                            "cache: number %zu of the remainders is %g, beyond %g", i, remainder,
                            most);
        }
        cache->rows.remainders[i] = bits;
    }
    return VQL_OK;
}

/* Reads the state of a form into a new cache. */
static vql_code read_state(const form *read, vql_cache *cache, vql_error *error)
{
    cache->events = read->events;
    cache->reference_ms = (int64_t)read->reference_ms;
    vql_code code = read_bases(read, cache, error);
    if (code != VQL_OK)
        return code;
    if (vql_cache_rows_new(&cache->rows, read->rows, read->remainders, &cache->allocator) != VQL_OK)
        return vql_fail(error, VQL_NO_MEMORY, "cache: no memory for %" PRIu32 " rows", read->rows);
    const uint8_t *in = read->group_rows;
    for (uint32_t g = 0; g < cache->catalog->model->shape.groups; g++) {
        code = read_group(read, g, (uint32_t)take(&in, 4), cache, error);
        if (code != VQL_OK)
            return code;
    }
    return read_sums(read, cache, error);
}

vql_code vql_cache_parse(const vql_catalog *catalog, const void *bytes, size_t count,
                         const vql_allocator *allocator, vql_cache **out, vql_error *error)
{
    form read = {0};
    vql_code code = read_header(catalog->model, bytes, count, &read, error);
    if (code != VQL_OK)
        return code;
    vql_cache *cache;
    if (vql_cache_new(catalog, allocator, &cache) != VQL_OK)
        return vql_fail(error, VQL_NO_MEMORY, "cache: no memory");
    code = read_state(&read, cache, error);
    if (code != VQL_OK) {
        vql_cache_free(cache);
        return code;
    }
    *out = cache;
    return VQL_OK;
}
