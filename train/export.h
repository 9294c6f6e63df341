/*
 * Writes a trained model as the file that vqld serves: docs/MODEL_FORMAT.md.
 */
#ifndef VQL_TRAIN_EXPORT_H
#define VQL_TRAIN_EXPORT_H

#include "model.h"

/*
 * Whether a configuration's model can be served. VQL_OK, or VQL_VALUE with what stands against it:
 * an attention other than vql, or quantized values.
 */
vql_code export_check(const train_config *config, vql_error *error);

/*
 * Writes the model, whole or not at all, under a name by which requests may ask for it. Returns
 * VQL_OK; VQL_NO_MEMORY; VQL_VALUE as export_check, or before the codebooks exist; VQL_FORMAT when
 * the file cannot be written.
 */
vql_code export_model(const train_model *model, const char *name, const char *path,
                      vql_error *error);

#endif
