/*
 * Attention of a moment as a sum over its history's rows, of every kind.
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

/* Adds factor · keys [width] and values [width] to the thread's slopes of the row's head. */
void direct_add(const train_pass *pass, const pass_thread *thread, uint32_t slot, uint32_t head,
                float factor, const float *keys, const float *values);

#endif
