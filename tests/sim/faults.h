/*
 * Allocations that fail, of the server's and the client's code, nghttp2's and the caches' among
 * them. The program is linked with --wrap for what faults.c names.
 */
#ifndef VQL_TESTS_FAULTS_H
#define VQL_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* From now on allocations may fail, as the plan says, or may not; returns what was before. */
bool faults_arm(bool armed);

/* Bytes that the program has allocated and not freed. */
size_t faults_allocated(void);

#endif
