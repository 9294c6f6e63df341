/*
 * gzip (RFC 1952) of whole messages, by zlib. A message's bytes know nothing of the message before
 * it (PROTOCOL-HTTP2.md, "Compressed-Flag").
 */
#ifndef VQL_SERVER_GZIP_H
#define VQL_SERVER_GZIP_H

#include <stddef.h>
#include <stdint.h>

typedef enum gzip_result {
    GZIP_OK,
    GZIP_MALFORMED, /* not gzip, cut off, or followed by something else */
    GZIP_TOO_LONG,  /* more than the limit comes out */
    GZIP_NO_MEMORY,
} gzip_result;

/*
 * Inflates count bytes into *out, a block of *out_count bytes that the caller frees; it is never
 * larger than `limit`, whatever the bytes claim, and NULL unless the result is GZIP_OK. Otherwise
 * *out_count says how many bytes had come out.
 */
gzip_result gzip_inflate(const uint8_t *bytes, size_t count, uint32_t limit, uint8_t **out,
                         size_t *out_count);

/*
 * Deflates count bytes, as fast as it can be done. Returns how many bytes were written to out; 0:
 * they would be more than capacity, or there is no memory.
 */
size_t gzip_deflate(const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity);

#endif
