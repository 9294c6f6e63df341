/*
 * What the machine can compute at most: what a training's speed is compared with.
 */
#ifndef VQL_TRAIN_PEAK_H
#define VQL_TRAIN_PEAK_H

#include "crew.h"

/*
 * Multiplications and additions in float32 per second that the crew's threads do together when they
 * do nothing else: the best of some short attempts, about 20 ms in all.
 */
double peak_operations(train_crew *crew);

#endif
