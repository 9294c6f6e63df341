/*
 * The head over impressions (vql.md §7) and the loss.
 */
#ifndef VQL_TRAIN_TOWER_H
#define VQL_TRAIN_TOWER_H

#include "pass.h"

/* Computes the logits of the thread's impressions from pass->inputs. */
void tower_forward(const train_pass *pass, pass_thread *thread);

/*
 * After tower_forward: adds the impressions' loss to the thread's, and computes the slopes of the
 * batch's mean loss: of the inputs, and added to the thread's gradients of weights and biases.
 */
void tower_backward(const train_pass *pass, pass_thread *thread);

#endif
