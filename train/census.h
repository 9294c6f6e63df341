/*
 * Every row that was counted, with its key as the model has it now: what codebooks begin with, and
 * what their health is judged on.
 */
#ifndef VQL_TRAIN_CENSUS_H
#define VQL_TRAIN_CENSUS_H

#include "codebook.h"

typedef struct train_census {
    codebook_rows rows; /* with codes when the model is quantized */
    memory_buffer number_room, input_room, room, code_room;
} train_census;

/* Takes the model's census; begins as all zeros. */
void census_take(train_census *census, const train_model *model, train_crew *crew);

void census_release(train_census *census);

#endif
