/*
 * One seed, played from its beginning to its end.
 */
#ifndef VQL_TESTS_PLAY_H
#define VQL_TESTS_PLAY_H

#include <stdbool.h>
#include <stdint.h>

/* Plays a seed, acts of so many steps, and returns its trace's hash. A failure ends the program. */
uint64_t play(uint64_t seed, uint32_t steps, bool verbose);

#endif
