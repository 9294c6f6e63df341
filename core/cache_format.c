/*
 * The serialized form of a cache, little-endian, nothing between the parts:
 *
 *      0   4  "VQLC"
 *      4   4  version: 3
 *      8   8  fingerprint of the model
 *     16  12  D, G, R
 *     28   4  format of the rows: vql_cache_format
 *     32   8  events
 *     40   8  t_ref, milliseconds
 *     48   8  state of the rounding's generator
 *     56   8  base time of the events below; at most t_ref
 *     64   4  number of events below
 *     68   1  bytes of an item code in them: what the last row's last code takes
 *     69   1  bytes of a time in them: 1 … 8
 *     70   1  bytes of a count: 1, 2 or 4; 0 without rows
 *     71   1  form: vql_cache_form
 *     72   4  words of the positions in use; 0 without rows
 *     76      base time, at most t_ref, and gain, from 1/2 to 2, of every kernel  [R] of 8 and 8
 *             events as they came                           [events below], cache_events.h
 *             then, unless these are all events:
 *             positions in use, a bit each, zeros behind    [words] of 8
 *             counts                                        [rows], at least 1; with the events
 *                                                           above events in sum for every group
 *             slices                                        [rows, R], cache_codec.h
 *             A position is that of a codeword, or of an item and event type, as the form says.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "allocation.h"
#include "cache_layout.h"

static const uint8_t MAGIC[4] = {'V', 'Q', 'L', 'C'};

enum {
    VERSION = 3,
    HEADER_BYTES = 76,
    BASE_BYTES = 16,
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

static uint8_t *put_double(uint8_t *out, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return put(out, bits, sizeof bits);
}

static double take_double(const uint8_t **in)
{
    const uint64_t bits = take(in, sizeof bits);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Bytes of the part that rows make: no overflow within a model's bounds. */
static uint64_t rows_bytes(const vql_cache_rows *rows, uint64_t count)
{
    if (count == 0)
        return 0;
    return (uint64_t)rows->words * 8 + count * ((uint64_t)rows->row_bytes + rows->count_bytes);
}

static uint64_t tail_bytes(const vql_cache_events_list *tail)
{
    return (uint64_t)tail->count * vql_events_stride(tail);
}

size_t vql_cache_serialized_size(const vql_cache *cache)
{
    return HEADER_BYTES + (size_t)cache->tables->model->shape.kernels * BASE_BYTES +
           tail_bytes(&cache->tail) + rows_bytes(&cache->rows, cache->rows.count);
}

static uint8_t *put_header(uint8_t *out, const vql_cache *cache)
{
    const vql_model *model = cache->tables->model;
    memcpy(out, MAGIC, sizeof MAGIC);
    out = put(out + sizeof MAGIC, VERSION, 4);
    out = put(out, model->fingerprint, 8);
    out = put(out, model->shape.width, 4);
    out = put(out, model->shape.groups, 4);
    out = put(out, model->shape.kernels, 4);
    out = put(out, (uint64_t)cache->format, 4);
    out = put(out, cache->events, 8);
    out = put(out, (uint64_t)cache->reference_ms, 8);
    out = put(out, cache->random, 8);
    out = put(out, (uint64_t)cache->tail.base_ms, 8);
    out = put(out, cache->tail.count, 4);
    out = put(out, cache->tail.item_bytes, 1);
    out = put(out, cache->tail.time_bytes, 1);
    out = put(out, cache->rows.count_bytes, 1);
    out = put(out, (uint64_t)cache->form, 1);
    return put(out, cache->rows.words, 4);
}

static void put_rows(uint8_t *out, const vql_cache_rows *rows)
{
    if (rows->count == 0)
        return;
    for (uint32_t w = 0; w < rows->words; w++)
        out = put(out, vql_rows_occupied(rows)[w], 8);
    for (uint32_t i = 0; i < rows->count; i++)
        out = put(out, vql_rows_count(rows, i), rows->count_bytes);
    memcpy(out, vql_rows_slices(rows, 0), (size_t)rows->count * rows->row_bytes);
}

void vql_cache_serialize(const vql_cache *cache, uint8_t *out)
{
    out = put_header(out, cache);
    for (uint32_t r = 0; r < cache->tables->model->shape.kernels; r++) {
        out = put(out, (uint64_t)cache->bases[r].time_ms, 8);
        out = put_double(out, cache->bases[r].gain);
    }
    const size_t bytes = (size_t)tail_bytes(&cache->tail);
    if (bytes > 0)
        memcpy(out, cache->tail.bytes, bytes);
    put_rows(out + bytes, &cache->rows);
}

/* What is being read: the bytes that are left, for which catalog, and where an error goes. */
typedef struct reader {
    const uint8_t *in;
    const uint8_t *end;
    const vql_catalog *catalog;
    vql_error *error;
} reader;

static size_t bytes_left(const reader *from)
{
    return (size_t)(from->end - from->in);
}

static vql_code need(const reader *from, uint64_t bytes, const char *what)
{
    if (bytes_left(from) >= bytes)
        return VQL_OK;
    return vql_fail(from->error, VQL_FORMAT, "cache: %zu bytes left, below the %" PRIu64 " of %s",
                    bytes_left(from), bytes, what);
}

/* Reads the first 28 bytes: whether this is a cache of the model. */
static vql_code read_identity(reader *from, const vql_model *model)
{
    if (memcmp(from->in, MAGIC, sizeof MAGIC) != 0)
        return vql_fail(from->error, VQL_FORMAT, "cache: magic is not \"VQLC\"");
    from->in += sizeof MAGIC;
    const uint64_t version = take(&from->in, 4);
    if (version != VERSION) {
        return vql_fail(from->error, VQL_VERSION, "cache: version is %" PRIu64 ", not %d", version,
                        VERSION);
    }
    const uint64_t fingerprint = take(&from->in, 8);
    if (fingerprint != model->fingerprint) {
        return vql_fail(from->error, VQL_MISMATCH,
                        "cache: fingerprint is %016" PRIx64 ", the model's is %016" PRIx64,
                        fingerprint, model->fingerprint);
    }
    const vql_shape *shape = &model->shape;
    const uint64_t width = take(&from->in, 4);
    const uint64_t groups = take(&from->in, 4);
    const uint64_t kernels = take(&from->in, 4);
    if (width != shape->width || groups != shape->groups || kernels != shape->kernels) {
        return vql_fail(from->error, VQL_MISMATCH,
                        "cache: D, G, R are %" PRIu64 ", %" PRIu64 ", %" PRIu64
                        ", the model's are %" PRIu32 ", %" PRIu32 ", %" PRIu32,
                        width, groups, kernels, shape->width, shape->groups, shape->kernels);
    }
    return VQL_OK;
}

/* Whether a number is from least to most; what: its name. */
static vql_code check_range(const reader *from, const char *what, uint64_t number, uint64_t least,
                            uint64_t most)
{
    if (number >= least && number <= most)
        return VQL_OK;
    return vql_fail(from->error, VQL_VALUE,
                    "cache: %s is %" PRIu64 ", not from %" PRIu64 " to %" PRIu64, what, number,
                    least, most);
}

/* The numbers of the header from the format on. */
typedef struct header {
    uint64_t format, events, reference_ms, random, tail_base_ms, tail_count;
    uint64_t item_bytes, time_bytes, count_bytes, form, words;
} header;

static header take_header(reader *from)
{
    header read = {0};
    read.format = take(&from->in, 4);
    read.events = take(&from->in, 8);
    read.reference_ms = take(&from->in, 8);
    read.random = take(&from->in, 8);
    read.tail_base_ms = take(&from->in, 8);
    read.tail_count = take(&from->in, 4);
    read.item_bytes = take(&from->in, 1);
    read.time_bytes = take(&from->in, 1);
    read.count_bytes = take(&from->in, 1);
    read.form = take(&from->in, 1);
    read.words = take(&from->in, 4);
    return read;
}

/* The least and the most positions that rows of a form may have. */
typedef struct positions_range {
    uint64_t least, most;
} positions_range;

static positions_range positions_of(const vql_catalog *catalog, uint64_t form)
{
    const vql_model *model = catalog->tables->model;
    const uint64_t event_types = model->shape.event_types;
    positions_range range = {0, 0};
    if (form == VQL_FORM_ITEMS)
        return (positions_range){model->shape.items * event_types, catalog->rows * event_types};
    for (uint32_t g = 0; form == VQL_FORM_ROWS && g < model->shape.groups; g++)
        range.most += model->codewords[g];
    range.least = range.most;
    return range;
}

static uint64_t words_for(uint64_t positions)
{
    return (positions + 63) / 64;
}

static vql_code check_header(const reader *from, const header *read)
{
    const vql_tables *tables = from->catalog->tables;
    vql_cache_events_list like;
    vql_events_init(&like, tables->capacity, tables->model->shape.event_types);
    const positions_range positions = positions_of(from->catalog, read->form);
    const bool rows = read->tail_count < read->events;
    const uint64_t most_tail = rows ? VQL_CACHE_TAIL_EVENTS : VQL_CACHE_MOST_EVENTS_KEPT;
    const uint64_t least_form = !rows                   ? VQL_FORM_EVENTS
                                : vql_items_fit(tables) ? VQL_FORM_ITEMS
                                                        : VQL_FORM_ROWS;
    const struct {
        const char *name;
        uint64_t number, least, most;
    } fields[] = {
        {"format", read->format, 0, VQL_CACHE_FORMATS - 1},
        {"events", read->events, 0, VQL_CACHE_MAX_EVENTS},
        {"t_ref", read->reference_ms, 0, INT64_MAX},
        {"base time of the events", read->tail_base_ms, 0, read->reference_ms},
        {"number of events kept", read->tail_count, 0, most_tail},
        {"number of events kept", read->tail_count, 0, read->events},
        {"bytes of an item code", read->item_bytes, like.item_bytes, like.item_bytes},
        {"bytes of a time", read->time_bytes, 1, 8},
        {"bytes of a count", read->count_bytes, 0, rows ? 4 : 0},
        {"form", read->form, least_form, rows ? VQL_FORM_ROWS : VQL_FORM_EVENTS},
        {"words of the positions in use", read->words, words_for(positions.least),
         words_for(positions.most)},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const vql_code code =
            check_range(from, fields[i].name, fields[i].number, fields[i].least, fields[i].most);
        if (code != VQL_OK)
            return code;
    }
    if (read->count_bytes == 3 || (rows && read->count_bytes == 0)) {
        return vql_fail(from->error, VQL_VALUE,
                        "cache: bytes of a count is %" PRIu64 ", not 1, 2 or 4", read->count_bytes);
    }
    return VQL_OK;
}

static vql_code read_bases(reader *from, vql_cache *cache)
{
    const uint32_t kernels = cache->tables->model->shape.kernels;
    const vql_code code = need(from, (uint64_t)kernels * BASE_BYTES, "the bases");
    if (code != VQL_OK)
        return code;
    for (uint32_t r = 0; r < kernels; r++) {
        const uint64_t base_ms = take(&from->in, 8);
        const double gain = take_double(&from->in);
        if (base_ms > (uint64_t)cache->reference_ms || !(gain >= 0.5 && gain <= 2.0)) {
            return vql_fail(from->error, VQL_VALUE,
                            "cache: base of kernel %" PRIu32 " is %" PRIu64
                            " with gain %g: above t_ref = %" PRId64 ", or not from 0.5 to 2",
                            r, base_ms, gain, cache->reference_ms);
        }
        cache->bases[r] = (vql_cache_base){(int64_t)base_ms, gain};
    }
    return VQL_OK;
}

static vql_code read_tail(reader *from, const header *read, vql_cache *cache)
{
    vql_cache_events_list tail = cache->tail;
    tail.base_ms = (int64_t)read->tail_base_ms;
    tail.time_bytes = (uint8_t)read->time_bytes;
    tail.count = (uint32_t)read->tail_count;
    const size_t bytes = (size_t)tail_bytes(&tail);
    vql_code code = need(from, bytes, "the events");
    if (code != VQL_OK)
        return code;
    if (bytes > 0) {
        tail.bytes = vql_allocate_array(&cache->allocator, bytes, 1, NULL);
        if (tail.bytes == NULL)
            return vql_fail(from->error, VQL_NO_MEMORY, "cache: no memory for the events");
        memcpy(tail.bytes, from->in, bytes);
        from->in += bytes;
        tail.capacity_bytes = (uint32_t)bytes;
    }
    cache->tail = tail;
    const uint32_t bad = vql_events_check(&tail, from->catalog->rows, cache->reference_ms);
    if (bad < tail.count) {
        return vql_fail(from->error, VQL_VALUE,
                        "cache: event %" PRIu32 " is of no item, or after t_ref = %" PRId64, bad,
                        cache->reference_ms);
    }
    return VQL_OK;
}

/* Reads which rows there are and makes them. */
static vql_code read_map(reader *from, const header *read, vql_cache *cache)
{
    const uint64_t most = positions_of(from->catalog, read->form).most;
    const bool items = read->form == VQL_FORM_ITEMS;
    vql_cache_set_form(cache, (vql_cache_form)read->form,
                       items ? (uint32_t)read->words * 64 : (uint32_t)most);
    vql_cache_rows *rows = &cache->rows;
    vql_code code = need(from, (uint64_t)rows->words * 8, "the positions in use");
    if (code != VQL_OK)
        return code;
    uint64_t count = 0;
    uint64_t last = 0;
    const uint8_t *in = from->in;
    for (uint32_t w = 0; w < rows->words; w++) {
        last = take(&in, 8);
        count += (uint64_t)__builtin_popcountll(last);
    }
    if (most < (uint64_t)rows->words * 64 && last >> most % 64 != 0)
        return vql_fail(from->error, VQL_VALUE, "cache: a position in use is not below %" PRIu64,
                        most);
    rows->count_bytes = (uint8_t)read->count_bytes;
    if (rows_bytes(rows, count) != bytes_left(from)) {
        return vql_fail(from->error, VQL_FORMAT,
                        "cache: %zu bytes left, not the %" PRIu64 " of %" PRIu64 " rows",
                        bytes_left(from), rows_bytes(rows, count), count);
    }
    if (vql_rows_allocate(rows, (uint32_t)count, &cache->allocator) != VQL_OK)
        return vql_fail(from->error, VQL_NO_MEMORY, "cache: no memory for %" PRIu64 " rows", count);
    for (uint32_t w = 0; w < rows->words; w++)
        vql_rows_occupied(rows)[w] = take(&from->in, 8);
    rows->count = vql_bits_sum(vql_rows_occupied(rows), vql_rows_before(rows), rows->words);
    return VQL_OK;
}

/* Reads the counts of a group's rows, from *index on. */
static vql_code read_group(reader *from, vql_cache *cache, uint32_t group, uint32_t first,
                           uint32_t positions, uint32_t *index)
{
    vql_cache_rows *rows = &cache->rows;
    const uint64_t expected = cache->events - cache->tail.count;
    uint64_t events = 0;
    for (uint32_t code = 0; code < positions; code++) {
        if (!vql_rows_has(rows, first + code))
            continue;
        const uint64_t count = take(&from->in, rows->count_bytes);
        if (count == 0) {
            return vql_fail(from->error, VQL_VALUE,
                            "cache: group %" PRIu32 ", code %" PRIu32 ": count is 0, below 1",
                            group, code);
        }
        events += count;
        vql_rows_set_count(rows, (*index)++, (uint32_t)count);
    }
    if (events == expected)
        return VQL_OK;
    return vql_fail(from->error, VQL_VALUE,
                    "cache: group %" PRIu32 "'s counts sum to %" PRIu64 ", not to %" PRIu64, group,
                    events, expected);
}

static vql_code read_slices(reader *from, vql_cache *cache)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const size_t slices = (size_t)cache->rows.count * layout.kernels;
    for (size_t i = 0; i < slices; i++) {
        const uint8_t *slice = from->in + i * layout.slice_bytes;
        const size_t bad = vql_codec_check(layout.format, layout.width, slice);
        if (bad <= layout.width) {
            return vql_fail(from->error, VQL_VALUE,
                            "cache: row %zu, kernel %zu: number %zu is not finite, an n too small, "
                            "or no number of the format",
                            i / layout.kernels, i % layout.kernels, bad);
        }
    }
    memcpy(vql_rows_slices(&cache->rows, 0), from->in, slices * layout.slice_bytes);
    return VQL_OK;
}

static vql_code read_rows(reader *from, const header *read, vql_cache *cache)
{
    vql_code code = read_map(from, read, cache);
    const vql_row_layout layout = vql_row_layout_of(cache);
    uint32_t first = 0;
    uint32_t index = 0;
    for (uint32_t g = 0; g < layout.groups && code == VQL_OK; g++) {
        const uint32_t positions = vql_group_positions(&layout, cache, g);
        code = read_group(from, cache, g, first, positions, &index);
        first += positions;
    }
    return code == VQL_OK ? read_slices(from, cache) : code;
}

/* Reads what comes after the header into a new cache. */
static vql_code read_state(reader *from, const header *read, vql_cache *cache)
{
    cache->events = read->events;
    cache->reference_ms = (int64_t)read->reference_ms;
    vql_code code = read_bases(from, cache);
    if (code == VQL_OK)
        code = read_tail(from, read, cache);
    if (code != VQL_OK)
        return code;
    if (cache->tail.count < cache->events)
        return read_rows(from, read, cache);
    if (bytes_left(from) > 0) {
        return vql_fail(from->error, VQL_FORMAT, "cache: %zu bytes behind the events",
                        bytes_left(from));
    }
    return VQL_OK;
}

vql_code vql_cache_parse(const vql_catalog *catalog, const void *bytes, size_t count,
                         const vql_allocator *allocator, vql_cache **out, vql_error *error)
{
    reader from = {
        .in = bytes, .end = (const uint8_t *)bytes + count, .catalog = catalog, .error = error};
    vql_code code = need(&from, HEADER_BYTES, "the header");
    if (code == VQL_OK)
        code = read_identity(&from, catalog->tables->model);
    if (code != VQL_OK)
        return code;
    const header read = take_header(&from);
    code = check_header(&from, &read);
    if (code != VQL_OK)
        return code;
    const vql_cache_options options = {(vql_cache_format)read.format, read.random};
    vql_cache *cache;
    if (vql_cache_new_with(catalog, &options, allocator, &cache) != VQL_OK)
        return vql_fail(error, VQL_NO_MEMORY, "cache: no memory");
    code = read_state(&from, &read, cache);
    if (code != VQL_OK) {
        vql_cache_free(cache);
        return code;
    }
    *out = cache;
    return VQL_OK;
}
