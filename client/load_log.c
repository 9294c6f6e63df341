#include "load_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

/* Cookies of the encodings, whose lowest bits say that a word has 64 bits in LEB128. */
#define COOKIE_V2            0x1c849313u
#define COOKIE_V2_COMPRESSED 0x1c849314u

enum {
    HEADER_BYTES = 40,
    MOST_COUNT_BYTES = 9,
};

static uint8_t *put_32(uint8_t *out, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *out++ = (uint8_t)(number >> shift);
    return out;
}

static uint8_t *put_64(uint8_t *out, uint64_t number)
{
    return put_32(put_32(out, (uint32_t)(number >> 32)), (uint32_t)number);
}

/* ZigZag, in LEB128 of at most nine bytes, of which the last has eight bits. */
static uint8_t *put_count(uint8_t *out, int64_t count)
{
    uint64_t bits = (uint64_t)count << 1 ^ (uint64_t)(count >> 63);
    for (int i = 0; i < MOST_COUNT_BYTES - 1; i++) {
        if (bits < 0x80) {
            *out++ = (uint8_t)bits;
            return out;
        }
        *out++ = (uint8_t)(bits | 0x80);
        bits >>= 7;
    }
    *out++ = (uint8_t)bits;
    return out;
}

/* The counts; a run of zeros is its length, negative. */
static uint8_t *put_counts(uint8_t *out, const load_histogram *h)
{
    const size_t end = h->total > 0 ? load_histogram_index(h->most_ns) + 1 : 0;
    for (size_t i = 0; i < end;) {
        size_t zeros = 0;
        while (i + zeros < end && h->counts[i + zeros] == 0)
            zeros++;
        out = zeros > 0 ? put_count(out, -(int64_t)zeros) : put_count(out, (int64_t)h->counts[i]);
        i += zeros > 0 ? zeros : 1;
    }
    return out;
}

uint8_t *load_log_encode(const load_histogram *h, size_t *bytes)
{
    const double ratio = 1; /* of integers to doubles, which only other histograms need */
    uint64_t ratio_bits;
    uint8_t *out = malloc(HEADER_BYTES + MOST_COUNT_BYTES * (size_t)LOAD_HISTOGRAM_COUNTS);
    if (out == NULL)
        return NULL;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    uint8_t *end = put_counts(out + HEADER_BYTES, h);
    uint8_t *at = put_32(out, COOKIE_V2);
    at = put_32(at, (uint32_t)(end - out - HEADER_BYTES));
    at = put_32(at, 0); /* values are not shifted */
    at = put_32(at, LOAD_HISTOGRAM_DIGITS);
    at = put_64(at, 1); /* the least value that is told apart */
    at = put_64(at, LOAD_HISTOGRAM_MOST_NS);
    (void)put_64(at, ratio_bits);
    *bytes = (size_t)(end - out);
    uint8_t *fitting = realloc(out, *bytes);
    return fitting != NULL ? fitting : out;
}

static void base64(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const uint32_t second = i + 1 < count ? bytes[i + 1] : 0;
        const uint32_t third = i + 2 < count ? bytes[i + 2] : 0;
        const uint32_t bits = (uint32_t)bytes[i] << 16 | second << 8 | third;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = i + 1 < count ? digits[bits >> 6 & 63] : '=';
        *out++ = i + 2 < count ? digits[bits & 63] : '=';
    }
    *out = '\0';
}

char *load_log_compress(const uint8_t *encoded, size_t bytes)
{
    uLongf packed_bytes = compressBound((uLong)bytes);
    uint8_t *packed = malloc(8 + packed_bytes);
    char *text = packed != NULL ? malloc((8 + packed_bytes + 2) / 3 * 4 + 1) : NULL;
    if (text != NULL && compress(packed + 8, &packed_bytes, encoded, (uLong)bytes) == Z_OK) {
        (void)put_32(put_32(packed, COOKIE_V2_COMPRESSED), (uint32_t)packed_bytes);
        base64(packed, 8 + packed_bytes, text);
    } else {
        free(text);
        text = NULL;
    }
    free(packed);
    return text;
}

static bool write_line(FILE *file, const char *tag, const load_point *p, double most_ms,
                       const uint8_t *encoded, size_t bytes)
{
    char *text = load_log_compress(encoded, bytes);
    if (text == NULL)
        return false;
    const double begin_s = p->begin_s > 0 ? p->begin_s : 0;
    (void)fprintf(file, "Tag=%s,%.3f,%.3f,%.3f,%s\n", tag, begin_s, p->end_s - begin_s, most_ms,
                  text);
    free(text);
    return true;
}

bool load_log_write(FILE *file, const load_timeline *t, double start_s)
{
    const time_t seconds = (time_t)start_s;
    struct tm when;
    char date[64];
    (void)strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&seconds, &when));
    (void)fprintf(file,
                  "#[vqlbench " VQLC_VERSION ": nanoseconds from when calls were due, and from "
                  "when they were sent]\n"
                  "#[Histogram log format version 1.3]\n"
                  "#[StartTime: %.3f (seconds since epoch), %s]\n"
                  "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                  "\"Interval_Compressed_Histogram\"\n",
                  start_s, date);
    for (size_t i = 0; i < t->count; i++) {
        const load_point *p = &t->points[i];
        if (p->begin_s < 0 && p->counts.statuses[VQLC_OK] == 0)
            continue;
        if (!write_line(file, "due", p, p->due_most_ms, p->due, p->due_bytes) ||
            !write_line(file, "sent", p, p->sent_most_ms, p->sent, p->sent_bytes))
            return false;
    }
    return true;
}
