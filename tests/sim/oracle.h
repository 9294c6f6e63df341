/*
 * The model that the simulated server scores with, and what its scores must be: those of a fresh
 * cache of the whole history, and now and then those of the reference in float64.
 */
#ifndef VQL_TESTS_ORACLE_H
#define VQL_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "registry.h"

/* Makes the model, once for the program. */
void oracle_begin(void);
void oracle_end(void);

registry *oracle_models(void);

/* An item of the model by the world's dice; now and then one that it does not know. */
uint64_t oracle_draw_item(void);

/* An event type by the world's dice, and one that there is not. */
uint32_t oracle_draw_type(void);
uint32_t oracle_bad_type(void);

/* Whether a Score's answer is right for a user with this history. */
bool oracle_agrees(const record *r, const event *history, size_t count);

#endif
