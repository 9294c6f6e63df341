#include "gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    WINDOW_BITS = 15 + 16, /* zlib: the largest window, and gzip's header instead of its own */
    MEMORY_LEVEL = 8,      /* zlib's default */
    FIRST_BYTES = 512,     /* the least to begin with for what comes out */
    USUAL_RATIO = 4,       /* what comes out of a byte of an ordinary message */
};

/* What is being inflated, and the block for what comes out. */
typedef struct inflation {
    z_stream stream;
    uint8_t *block;
    size_t capacity;
    size_t most; /* one byte more than the limit, which is how an excess is seen */
} inflation;

/* zlib only reads, const or not. */
static Bytef *readable(const uint8_t *bytes)
{
    return (Bytef *)(uintptr_t)bytes;
}

/* Room for more: a guess at first, then twice as much. */
static bool grow(inflation *f)
{
    const size_t guess = (size_t)f->stream.avail_in * USUAL_RATIO;
    size_t capacity = f->capacity * 2;
    if (f->capacity == 0)
        capacity = guess > FIRST_BYTES ? guess : FIRST_BYTES;
    if (capacity > f->most)
        capacity = f->most;
    uint8_t *block = realloc(f->block, capacity);
    if (!block)
        return false;
    f->block = block;
    f->stream.next_out = block + f->capacity;
    f->stream.avail_out = (uInt)(capacity - f->capacity);
    f->capacity = capacity;
    return true;
}

/* Inflates all of the input; the members that it may have follow each other (RFC 1952 §2.2). */
static gzip_result run(inflation *f)
{
    for (;;) {
        if (f->stream.avail_out == 0) {
            if (f->capacity == f->most)
                return GZIP_TOO_LONG;
            if (!grow(f))
                return GZIP_NO_MEMORY;
        }
        const int result = inflate(&f->stream, Z_NO_FLUSH);
        if (result == Z_STREAM_END && f->stream.avail_in == 0)
            return (size_t)(f->stream.next_out - f->block) == f->most ? GZIP_TOO_LONG : GZIP_OK;
        if (result == Z_STREAM_END && inflateReset(&f->stream) == Z_OK)
            continue;
        if (result == Z_MEM_ERROR)
            return GZIP_NO_MEMORY;
        if (result != Z_OK || (f->stream.avail_in == 0 && f->stream.avail_out > 0))
            return GZIP_MALFORMED;
    }
}

gzip_result gzip_inflate(const uint8_t *bytes, size_t count, uint32_t limit, uint8_t **out,
                         size_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    if (count > UINT32_MAX)
        return GZIP_TOO_LONG;
    inflation f = {
        .stream = {.next_in = readable(bytes), .avail_in = (uInt)count},
        .most = (size_t)limit + 1,
    };
    if (inflateInit2(&f.stream, WINDOW_BITS) != Z_OK)
        return GZIP_NO_MEMORY;
    const gzip_result result = run(&f);
    (void)inflateEnd(&f.stream);
    if (f.block)
        *out_count = (size_t)(f.stream.next_out - f.block);
    if (result == GZIP_OK)
        *out = f.block;
    else
        free(f.block);
    return result;
}

size_t gzip_deflate(const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity)
{
    if (count > UINT32_MAX || capacity > UINT32_MAX)
        return 0;
    z_stream stream = {
        .next_in = readable(bytes),
        .avail_in = (uInt)count,
        .next_out = out,
        .avail_out = (uInt)capacity,
    };
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    (void)deflateEnd(&stream);
    return whole ? (size_t)(stream.next_out - out) : 0;
}
