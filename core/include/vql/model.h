/*
 * A model: the parameters of vql.md, read from a safetensors file (docs/MODEL_FORMAT.md).
 *
 * A file is validated once, whole, by vql_model_parse: lengths, types, shapes, finite numbers,
 * indices. Everything after that trusts the model. A model never changes, so any number of threads
 * may read one.
 *
 * Tensors and metadata under names that this version does not know are ignored, so that a later
 * format may add some; a known one that is missing or misspelt is missed.
 */
#ifndef VQL_MODEL_H
#define VQL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/error.h"

/*
 * Upper bounds of a model's shape. They keep every product of two of them far from overflow, and
 * scratch space finite.
 */
enum {
    VQL_MAX_ITEMS = 1 << 30,   /* I, and the values V of a field */
    VQL_MAX_WIDTH = 4096,      /* D, X, E, E_a and each layer of the head */
    VQL_MAX_HEADS = 256,       /* H, and G which divides it */
    VQL_MAX_CODEWORDS = 65536, /* K_g: a code fits 16 bits */
    VQL_MAX_KERNELS = 16,      /* R */
    VQL_MAX_EVENT_TYPES = 4096,
    VQL_MAX_TASKS = 64,
    VQL_MAX_LAYERS = 16,
    VQL_MAX_FIELDS = 64,
    VQL_MAX_NAME_BYTES = 127, /* of a model, task, event type or field, without the terminator */
};

/* The sizes that the symbols of vql.md §1 stand for. */
typedef struct vql_shape {
    uint32_t items;       /* I, the unknown item (row 0) included */
    uint32_t x_width;     /* X: item embedding and fields */
    uint32_t type_width;  /* E_a */
    uint32_t event_types; /* A */
    uint32_t width;       /* D */
    uint32_t heads;       /* H */
    uint32_t head_width;  /* d = D / H */
    uint32_t groups;      /* G */
    uint32_t group_width; /* D_g = D / G */
    uint32_t kernels;     /* R */
    uint32_t tasks;       /* T */
} vql_shape;

typedef struct vql_model vql_model;

/*
 * Parses and validates a whole model file.
 *
 * bytes      the file's content; read during the call only, of any alignment
 * allocator  for the model; NULL for vql_allocator_default()
 * out        set to a new model, released by vql_model_free; untouched on failure
 * error      may be NULL; on failure names the tensor or metadata key, the value and the limit
 *
 * Returns VQL_OK, VQL_NO_MEMORY, VQL_FORMAT, VQL_VERSION, VQL_SHAPE or VQL_VALUE.
 */
vql_code vql_model_parse(const void *bytes, size_t count, const vql_allocator *allocator,
                         vql_model **out, vql_error *error);

void vql_model_free(vql_model *model);

/* All of these live as long as the model. */
const vql_shape *vql_model_shape(const vql_model *model);
const char *vql_model_name(const vql_model *model);
const char *vql_model_task(const vql_model *model, uint32_t task);             /* task < T */
const char *vql_model_event_type(const vql_model *model, uint32_t event_type); /* event_type < A */

/* K_g of group g < G. */
uint32_t vql_model_codewords(const vql_model *model, uint32_t group);

/* The temporal kernel (vql.md §5): λ_r per hour, and w_{h,r}; kernel < R, head < H. */
double vql_model_decay(const vql_model *model, uint32_t kernel);
double vql_model_kernel_weight(const vql_model *model, uint32_t head, uint32_t kernel);

/*
 * A 64-bit hash of the file's bytes (FNV-1a): ties a serialized cache to the model that it was made
 * with.
 */
uint64_t vql_model_fingerprint(const vql_model *model);

/* Bytes that the model holds. */
size_t vql_model_bytes(const vql_model *model);

#endif
