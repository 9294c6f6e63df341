/*
 * UTF-8 (RFC 3629), as far as strings in requests need it.
 */
#ifndef VQL_SERVER_UTF8_H
#define VQL_SERVER_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_LONGEST = 4 }; /* bytes of a character */

/* How many bytes from the front on are whole, well-formed characters. */
size_t utf8_prefix(const uint8_t *bytes, size_t count);

#endif
