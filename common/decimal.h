/*
 * Numbers in texts: decimal digits, and nothing before, between or behind them.
 */
#ifndef VQL_COMMON_DECIMAL_H
#define VQL_COMMON_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads text[0 … length) as a number of at most max. False, and *number as it was, if it is none.
 */
bool decimal_parse(const char *text, size_t length, uint64_t max, uint64_t *number);

#endif
