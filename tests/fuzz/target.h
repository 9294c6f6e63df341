/*
 * A target: what libFuzzer calls with every input, and replay.c with every input of the corpus.
 * What must hold is asserted; the sanitizers see the rest.
 */
#ifndef VQL_TESTS_TARGET_H
#define VQL_TESTS_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
