/*
 * A trainer's state as a safetensors file, from which training goes on as if it had never stopped.
 * Its metadata says what it is ("format": "vql-checkpoint", "format_version": "1") and what it was
 * made with: all must be the same when it is read.
 */
#ifndef VQL_TRAIN_CHECKPOINT_H
#define VQL_TRAIN_CHECKPOINT_H

#include "tensor_file.h"
#include "trainer.h"

/* What a checkpoint was made with: an option's name and value, or the data's fingerprint. */
typedef tensor_file_note checkpoint_note;

/*
 * Writes a checkpoint, whole or not at all: what was there before stays until then. Returns VQL_OK,
 * VQL_NO_MEMORY, or VQL_FORMAT when the file cannot be written.
 */
vql_code checkpoint_write(const char *path, const checkpoint_note *notes, size_t note_count,
                          const trainer_state *states, size_t count, vql_error *error);

/*
 * Reads a checkpoint into the states. Everything is checked before the first state is written to:
 * otherwise they are untouched, and the error says what is another (VQL_MISMATCH), missing or
 * damaged. Returns VQL_OK, VQL_NO_MEMORY, VQL_FORMAT, VQL_VERSION, VQL_SHAPE or VQL_MISMATCH.
 */
vql_code checkpoint_read(const char *path, const checkpoint_note *notes, size_t note_count,
                         const trainer_state *states, size_t count, vql_error *error);

#endif
