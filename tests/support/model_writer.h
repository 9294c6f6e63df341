/*
 * Writes model files for tests: a random valid model of any shape, which a test may then change in
 * any way, valid or not, before it is serialized.
 *
 *     model_spec spec = model_spec_default(7);          // seed 7
 *     spec.heads = 6; spec.groups = 3;
 *     model_writer *writer = model_writer_new(&spec);
 *     model_writer_floats(writer, "time.decay")[0] = NAN;
 *     uint8_t *bytes = model_writer_serialize(writer, &count);  // or model_writer_parse(writer)
 *     free(bytes);
 *     model_writer_free(writer);
 *
 * Misuse (a tensor that is not there, no memory) aborts: there is no error to handle in a test.
 */
#ifndef VQL_TESTS_MODEL_WRITER_H
#define VQL_TESTS_MODEL_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "vql/model.h"

enum {
    MODEL_SPEC_GROUPS = 16,
    MODEL_SPEC_FIELDS = 4,
    MODEL_SPEC_LAYERS = 4,
    MODEL_WRITER_RANK = 4,
};

/* A field of a model: every item gets 0 … most_values values, uniformly. */
typedef struct model_spec_field {
    uint32_t width;       /* E_f */
    uint32_t values;      /* V */
    uint32_t most_values; /* of one item */
} model_spec_field;

/* The shape of a random model. D = heads · head_width. */
typedef struct model_spec {
    uint64_t seed;
    uint32_t items;      /* I, the unknown item included */
    uint32_t item_width; /* E */
    uint32_t event_types;
    uint32_t type_width;
    uint32_t heads;
    uint32_t head_width;
    uint32_t groups;                       /* at most MODEL_SPEC_GROUPS */
    uint32_t codewords[MODEL_SPEC_GROUPS]; /* K_g */
    uint32_t kernels;                      /* R */
    uint32_t tasks;
    uint32_t layer_count;               /* 1 … MODEL_SPEC_LAYERS */
    uint32_t hidden[MODEL_SPEC_LAYERS]; /* outputs of every layer but the last, which has `tasks` */
    uint32_t field_count;
    model_spec_field fields[MODEL_SPEC_FIELDS]; /* named field0, field1, … */
    const char *float_type;                     /* "F32", "F16" or "BF16", of every float tensor */
} model_spec;

/*
 * A small model of which every part is in use: I=23, E=5, A=3, E_a=2, H=4, d=3, G=2, K=(7, 5), R=3,
 * T=2, two layers (8, T), two fields, F32.
 */
model_spec model_spec_default(uint64_t seed);

/*
 * A small shape drawn from the seed: H, d, G, K_g, R, A, T, fields and layers all vary, odd ones
 * among them.
 */
model_spec model_spec_random(uint64_t seed);

typedef struct model_writer model_writer;

/*
 * Parameters are drawn from the seed: embeddings and codewords normal, weights normal with variance
 * 1/inputs, decays ascending per hour (the first one is 0 for an even seed), kernel weights
 * positive with sum 1 a head. Item ids are distinct, with 0 and one beyond 2^63 among them (rows 1
 * and 2, where there are such); row 0 repeats the id of row 1, which must be ignored.
 */
model_writer *model_writer_new(const model_spec *spec);
void model_writer_free(model_writer *writer);

/*
 * The elements of a tensor, living until it is dropped or reshaped. Float tensors are float here
 * whatever their type in the file will be; item.id is I64; offsets and indices are I32.
 */
float *model_writer_floats(model_writer *writer, const char *tensor);
int64_t *model_writer_i64(model_writer *writer, const char *tensor);
int32_t *model_writer_i32(model_writer *writer, const char *tensor);

/* How many elements the tensor has. */
size_t model_writer_elements(const model_writer *writer, const char *tensor);

/* The names of the tensors, in the order of the file; NULL from the number of tensors on. */
const char *model_writer_tensor_name(const model_writer *writer, size_t index);

/* Takes a tensor out. */
void model_writer_drop(model_writer *writer, const char *tensor);

/* Gives a tensor another name. */
void model_writer_rename(model_writer *writer, const char *tensor, const char *name);

/* Gives a tensor another shape; its data is cut off, or filled up with zeros, at the end. */
void model_writer_reshape(model_writer *writer, const char *tensor, uint32_t rank,
                          const uint64_t *shape);

/*
 * Gives a tensor another type. A float tensor may become F16 or BF16: it stays float in memory and
 * is rounded when the file is written. Any other type keeps the tensor's bytes, cut off or filled
 * up with zeros to the new width.
 */
void model_writer_retype(model_writer *writer, const char *tensor, const char *type);

/* Adds a tensor of zeros. */
void model_writer_add(model_writer *writer, const char *tensor, const char *type, uint32_t rank,
                      const uint64_t *shape);

/* Sets a metadata string; NULL takes it out. */
void model_writer_metadata(model_writer *writer, const char *key, const char *value);

/* The file; the caller frees it. */
uint8_t *model_writer_serialize(const model_writer *writer, size_t *count);

/* The file, parsed with the default allocator; aborts with the error's text if it is refused. */
vql_model *model_writer_parse(const model_writer *writer);

/* A safetensors file of any header text and data, right or wrong; the caller frees it. */
uint8_t *safetensors_file(const char *header, const void *data, size_t data_count, size_t *count);

#endif
