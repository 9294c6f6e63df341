/*
 * gzip: what comes out is within the limit and deflates to what inflates to it again. The bytes
 * themselves are looked through as a message, field by field, and read as Base64.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "gzip.h"
#include "target.h"
#include "wire.h"

enum { MAX_BYTES = 100000 };

static void check_gzip(const uint8_t *bytes, size_t count)
{
    uint8_t *plain;
    size_t plain_count;
    const gzip_result result = gzip_inflate(bytes, count, MAX_BYTES, &plain, &plain_count);
    assert((result == GZIP_OK) == (plain != NULL));
    assert(plain_count <= MAX_BYTES + 1);
    free(plain);
}

/* Compressed and inflated, the bytes are as they were. */
static void check_round_trip(const uint8_t *bytes, size_t count)
{
    uint8_t packed[MAX_BYTES];
    uint8_t *plain;
    size_t plain_count;
    const size_t packed_count = gzip_deflate(bytes, count, packed, sizeof packed);
    if (packed_count == 0 || count > MAX_BYTES)
        return;
    const gzip_result result = gzip_inflate(packed, packed_count, MAX_BYTES, &plain, &plain_count);
    assert(result == GZIP_OK && plain_count == count);
    assert(count == 0 || memcmp(plain, bytes, count) == 0);
    free(plain);
}

/* Fields lie behind one another, within the message. */
static void check_wire(const uint8_t *bytes, size_t count)
{
    const uint8_t *end = bytes + count;
    wire_span rest = {bytes, count};
    wire_field field;
    const uint8_t *at = bytes;
    while (wire_next(&rest, &field)) {
        assert(field.number > 0);
        assert(rest.bytes > at && rest.bytes + rest.count == end);
        assert(field.type != WIRE_BYTES ||
               (field.bytes.bytes >= at && field.bytes.bytes + field.bytes.count == rest.bytes));
        at = rest.bytes;
    }
}

static void check_base64(const uint8_t *bytes, size_t count)
{
    uint8_t *read = malloc(count + 1);
    char *text = malloc(BASE64_LENGTH(count) + 1);
    size_t read_count;
    assert(read && text);
    if (base64_decode((const char *)bytes, count, read, &read_count))
        assert(read_count <= count * 3 / 4);
    base64_encode(bytes, count, text);
    assert(strlen(text) == BASE64_LENGTH(count));
    const bool good = base64_decode(text, strlen(text), read, &read_count);
    assert(good && read_count == count && (count == 0 || memcmp(read, bytes, count) == 0));
    free(read);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    check_gzip(bytes, count);
    check_round_trip(bytes, count);
    check_wire(bytes, count);
    check_base64(bytes, count);
    return 0;
}
