/*
 * One seed, played from its beginning to its end.
 */
#ifndef VQL_TESTS_PLAY_H
#define VQL_TESTS_PLAY_H

#include <stdbool.h>
#include <stdint.h>

/* Plays so many steps of a seed and returns the hash of its trace. What is wrong ends the program. */
uint64_t play(uint64_t seed, uint32_t steps, bool verbose);

#endif
