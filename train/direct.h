/*
 * Attention of a moment as a sum over its columns (vql.md §6, the first form, and §8's backward):
 * of quantized keys, of exact keys, and of the other kinds that it is compared with.
 */
#ifndef VQL_TRAIN_DIRECT_H
#define VQL_TRAIN_DIRECT_H

#include "pass.h"

/* Writes o of the moment's impressions into pass->inputs. */
void direct_forward(const train_pass *pass, pass_thread *thread, const train_moment *moment);

/*
 * From the slopes of o in pass->input_slopes: writes those of q to pass->query_slopes, and adds
 * those of keys, values, λ and w to the thread's.
 */
void direct_backward(const train_pass *pass, pass_thread *thread, const train_moment *moment);

#endif
