/*
 * AdamW (Loshchilov and Hutter 2019) with β = (0.9, 0.999) and ε = 1e-8, over all parameters.
 */
#ifndef VQL_TRAIN_ADAM_H
#define VQL_TRAIN_ADAM_H

#include <stdint.h>

#include "crew.h"
#include "model.h"

/*
 * One step by the parameters' gradients; the rates of the configuration are multiplied by factor.
 * `step` is 1 for the first one.
 */
void adam_step(train_model *model, train_crew *crew, uint64_t step, double factor);

#endif
