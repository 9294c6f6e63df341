/*
 * Base64 (RFC 4648 §4) as gRPC's binary header fields have it: written without padding, read with
 * or without (PROTOCOL-HTTP2.md, "Custom-Metadata").
 */
#ifndef VQL_SERVER_BASE64_H
#define VQL_SERVER_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many characters count bytes become. */
#define BASE64_LENGTH(count) (((count)*4 + 2) / 3)

/* Writes BASE64_LENGTH(count) characters to out, and a terminator. */
void base64_encode(const uint8_t *bytes, size_t count, char *out);

/*
 * Writes the bytes that `length` characters stand for to out, which has room for length * 3 / 4,
 * and how many they are to *count. False: they are not Base64.
 */
bool base64_decode(const char *text, size_t length, uint8_t *out, size_t *count);

#endif
