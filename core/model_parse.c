/*
 * The model file: which tensors and metadata a model is made of, and what they must satisfy
 * (docs/MODEL_FORMAT.md). Each step below reads one part into the model and relies on the shape
 * that the steps before it found.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "item_table.h"
#include "metadata_reader.h"
#include "model_data.h"
#include "tensor_reader.h"
#include "vql/safetensors.h"

/* The longest name of a tensor that a model can have: "field.", a field's name and ".embedding". */
enum { TENSOR_NAME = VQL_MAX_NAME_BYTES + 24 };

/* rms_epsilon of vql.md §3 for files that do not name one. */
static const double default_rms_epsilon = 1e-6;

typedef struct parser {
    vql_safetensors file;
    vql_model *model;
    vql_file_reader reader; /* of file, into arrays of model */
    vql_error *error;
} parser;

/* ---- metadata ---- */

static vql_code check_format(const parser *p)
{
    const char *format = vql_safetensors_metadata(&p->file, "format");
    if (format == NULL || strcmp(format, "vql") != 0) {
        return vql_fail(p->error, VQL_FORMAT, "__metadata__ format: \"%.32s\", wanted \"vql\"",
                        format != NULL ? format : "");
    }
    const char *version = vql_safetensors_metadata(&p->file, "format_version");
    if (version == NULL || strcmp(version, "1") != 0) {
        return vql_fail(p->error, VQL_VERSION,
                        "__metadata__ format_version: \"%.32s\", wanted \"1\"",
                        version != NULL ? version : "");
    }
    return VQL_OK;
}

/* Format, name and the numbers and names that the shape starts from. */
static vql_code parse_metadata(parser *p)
{
    vql_model *model = p->model;
    vql_shape *shape = &model->shape;
    vql_code code = check_format(p);
    if (code == VQL_OK)
        code = vql_read_name(&p->reader, "name", model->name);
    if (code == VQL_OK)
        code = vql_read_positive(&p->reader, "rms_epsilon", &model->rms_epsilon);
    if (code == VQL_OK)
        code = vql_read_count(&p->reader, "heads", VQL_MAX_HEADS, &shape->heads);
    if (code == VQL_OK)
        code = vql_read_count(&p->reader, "groups", VQL_MAX_HEADS, &shape->groups);
    if (code == VQL_OK) {
        code = vql_read_names(&p->reader, "tasks", vql_up_to(VQL_MAX_TASKS), &model->tasks,
                              &shape->tasks);
    }
    if (code == VQL_OK) {
        code = vql_read_names(&p->reader, "event_types", vql_up_to(VQL_MAX_EVENT_TYPES),
                              &model->event_types, &shape->event_types);
    }
    if (code == VQL_OK && shape->heads % shape->groups != 0) {
        code = vql_fail(p->error, VQL_VALUE,
                        "__metadata__ groups: %" PRIu32 " does not divide %" PRIu32 " heads",
                        shape->groups, shape->heads);
    }
    return code;
}

/* ---- items and fields ---- */

/* Row 0 is the unknown item; its id is ignored. Every other id must be there once. */
static vql_code check_distinct_ids(const parser *p)
{
    const vql_model *model = p->model;
    const uint64_t mask = vql_item_table_mask(model->shape.items);
    uint32_t *slots = vql_allocate_array(&model->allocator, mask + 1, sizeof *slots, NULL);
    if (slots == NULL) {
        return vql_fail(p->error, VQL_NO_MEMORY, "tensor item.id: no memory for %" PRIu32 " items",
                        model->shape.items);
    }
    memset(slots, 0, (mask + 1) * sizeof *slots);
    vql_code code = VQL_OK;
    for (uint32_t row = 1; row < model->shape.items && code == VQL_OK; row++) {
        const uint32_t holder = vql_item_table_put(slots, mask, model->item_ids, row);
        if (holder != row) {
            code = vql_fail(p->error, VQL_VALUE,
                            "tensor item.id: rows %" PRIu32 " and %" PRIu32
                            " have the same id %" PRIu64,
                            holder, row, model->item_ids[row]);
        }
    }
    vql_release(&model->allocator, slots);
    return code;
}

static vql_code parse_items(parser *p)
{
    vql_model *model = p->model;
    vql_code code = vql_read_ids(&p->reader, "item.id", vql_up_to(VQL_MAX_ITEMS), &model->item_ids,
                                 &model->shape.items);
    if (code == VQL_OK)
        code = check_distinct_ids(p);
    if (code == VQL_OK) {
        code = vql_read_matrix(&p->reader, "item.embedding", vql_exactly(model->shape.items),
                               vql_up_to(VQL_MAX_WIDTH), &model->item_embedding, NULL,
                               &model->item_width);
    }
    model->shape.x_width = model->item_width;
    return code;
}

static void field_tensor(char out[TENSOR_NAME], const vql_field *field, const char *part)
{
    (void)snprintf(out, TENSOR_NAME, "field.%s.%s", field->name, part);
}

/* Offsets begin at 0, never fall, and end at the number of indices. */
static vql_code check_offsets(const parser *p, const char *name, const uint32_t *offsets,
                              uint32_t count, uint32_t indices)
{
    if (offsets[0] != 0 || offsets[count - 1] != indices) {
        return vql_fail(p->error, VQL_VALUE,
                        "tensor %s: %" PRIu32 " .. %" PRIu32 ", wanted 0 .. %" PRIu32, name,
                        offsets[0], offsets[count - 1], indices);
    }
    for (uint32_t i = 1; i < count; i++) {
        if (offsets[i] < offsets[i - 1]) {
            return vql_fail(p->error, VQL_VALUE,
                            "tensor %s: element %" PRIu32 " is %" PRIu32 ", less than the %" PRIu32
                            " before it",
                            name, i, offsets[i], offsets[i - 1]);
        }
    }
    return VQL_OK;
}

static vql_code parse_field(parser *p, vql_field *field)
{
    char name[TENSOR_NAME];
    field_tensor(name, field, "embedding");
    vql_code code =
        vql_read_matrix(&p->reader, name, vql_up_to(VQL_MAX_ITEMS), vql_up_to(VQL_MAX_WIDTH),
                        &field->embedding, &field->values, &field->width);
    uint32_t indices = 0;
    if (code == VQL_OK) {
        field_tensor(name, field, "indices");
        code = vql_read_indices(&p->reader, name, (vql_range){0, INT32_MAX},
                                (vql_range){0, field->values - 1}, &field->indices, &indices);
    }
    uint32_t offsets = 0;
    if (code == VQL_OK) {
        field_tensor(name, field, "offsets");
        code = vql_read_indices(&p->reader, name, vql_exactly(p->model->shape.items + 1u),
                                (vql_range){0, indices}, &field->offsets, &offsets);
    }
    if (code == VQL_OK)
        code = check_offsets(p, name, field->offsets, offsets, indices);
    return code;
}

/* Makes the fields, which have names and nothing else yet. */
static vql_code name_fields(parser *p)
{
    vql_model *model = p->model;
    vql_name *names = NULL;
    uint32_t count = 0;
    vql_file_reader reader = p->reader;
    reader.held = NULL;
    const vql_range wanted = {0, VQL_MAX_FIELDS};
    const vql_code code = vql_read_names(&reader, "fields", wanted, &names, &count);
    if (code != VQL_OK)
        return code;
    model->fields =
        vql_allocate_array(&model->allocator, count, sizeof *model->fields, &model->bytes);
    for (uint32_t f = 0; model->fields != NULL && f < count; f++) {
        model->fields[f] = (vql_field){0};
        memcpy(model->fields[f].name, names[f], sizeof names[f]);
    }
    model->field_count = count;
    vql_release(&model->allocator, names);
    return model->fields != NULL
               ? VQL_OK
               : vql_fail(p->error, VQL_NO_MEMORY, "__metadata__ fields: no memory");
}

static vql_code parse_fields(parser *p)
{
    vql_model *model = p->model;
    vql_code code = name_fields(p);
    for (uint32_t f = 0; code == VQL_OK && f < model->field_count; f++) {
        code = parse_field(p, &model->fields[f]);
        model->shape.x_width += model->fields[f].width;
    }
    if (code == VQL_OK && model->shape.x_width > VQL_MAX_WIDTH) {
        code = vql_fail(p->error, VQL_SHAPE,
                        "item.embedding and fields: %" PRIu32 " columns together, more than %d",
                        model->shape.x_width, VQL_MAX_WIDTH);
    }
    return code;
}

/* ---- attention ---- */

static vql_code parse_event_types(parser *p)
{
    vql_shape *shape = &p->model->shape;
    return vql_read_matrix(&p->reader, "event_type.embedding", vql_exactly(shape->event_types),
                           vql_up_to(VQL_MAX_WIDTH), &p->model->type_embedding, NULL,
                           &shape->type_width);
}

static vql_code parse_attention(parser *p)
{
    vql_model *model = p->model;
    vql_shape *shape = &model->shape;
    vql_code code =
        vql_read_matrix(&p->reader, "attention.query.weight", vql_up_to(VQL_MAX_WIDTH),
                        vql_exactly(shape->x_width), &model->query_weight, &shape->width, NULL);
    if (code != VQL_OK)
        return code;
    if (shape->width % shape->heads != 0) {
        return vql_fail(p->error, VQL_SHAPE,
                        "tensor attention.query.weight: %" PRIu32
                        " rows, not a multiple of %" PRIu32 " heads",
                        shape->width, shape->heads);
    }
    shape->head_width = shape->width / shape->heads;
    shape->group_width = shape->width / shape->groups;
    const vql_range rows = vql_exactly(shape->width);
    const vql_range columns = vql_exactly(shape->x_width + shape->type_width);
    code = vql_read_matrix(&p->reader, "attention.key.weight", rows, columns, &model->key_weight,
                           NULL, NULL);
    if (code == VQL_OK) {
        code = vql_read_matrix(&p->reader, "attention.value.weight", rows, columns,
                               &model->value_weight, NULL, NULL);
    }
    return code;
}

static vql_code parse_codebooks(parser *p)
{
    vql_model *model = p->model;
    const uint32_t groups = model->shape.groups;
    model->codewords =
        vql_allocate_array(&model->allocator, groups, sizeof *model->codewords, &model->bytes);
    model->codebooks =
        vql_allocate_array(&model->allocator, groups, sizeof *model->codebooks, &model->bytes);
    for (uint32_t g = 0; model->codebooks != NULL && g < groups; g++)
        model->codebooks[g] = NULL;
    if (model->codewords == NULL || model->codebooks == NULL) {
        return vql_fail(p->error, VQL_NO_MEMORY, "codebooks: no memory for %" PRIu32 " groups",
                        groups);
    }
    vql_code code = VQL_OK;
    for (uint32_t g = 0; code == VQL_OK && g < groups; g++) {
        char name[TENSOR_NAME];
        (void)snprintf(name, sizeof name, "codebook.%" PRIu32, g);
        code = vql_read_matrix(&p->reader, name, vql_up_to(VQL_MAX_CODEWORDS),
                               vql_exactly(model->shape.group_width), &model->codebooks[g],
                               &model->codewords[g], NULL);
    }
    return code;
}

/* ---- the temporal kernel ---- */

/* λ >= 0 and never falling. */
static vql_code check_decay(const parser *p)
{
    const float *decay = p->model->decay;
    for (uint32_t r = 0; r < p->model->shape.kernels; r++) {
        const float least = r == 0 ? 0.0F : decay[r - 1];
        if (decay[r] < least) {
            return vql_fail(p->error, VQL_VALUE,
                            "tensor time.decay: element %" PRIu32 " is %g, wanted at least %g", r,
                            (double)decay[r], (double)least);
        }
    }
    return VQL_OK;
}

/* w >= 0 and, for every head, one of them above 0. */
static vql_code check_kernel_weight(const parser *p)
{
    const uint32_t kernels = p->model->shape.kernels;
    for (uint32_t h = 0; h < p->model->shape.heads; h++) {
        bool positive = false;
        for (uint32_t r = 0; r < kernels; r++) {
            const float weight = p->model->kernel_weight[h * kernels + r];
            if (weight < 0.0F) {
                return vql_fail(p->error, VQL_VALUE,
                                "tensor time.weight: element [%" PRIu32 ", %" PRIu32
                                "] is %g, wanted at least 0",
                                h, r, (double)weight);
            }
            positive = positive || weight > 0.0F;
        }
        if (!positive) {
            return vql_fail(p->error, VQL_VALUE,
                            "tensor time.weight: row %" PRIu32 " is 0, wanted a weight above 0", h);
        }
    }
    return VQL_OK;
}

static vql_code parse_time(parser *p)
{
    vql_model *model = p->model;
    vql_shape *shape = &model->shape;
    vql_code code = vql_read_vector(&p->reader, "time.decay", vql_up_to(VQL_MAX_KERNELS),
                                    &model->decay, &shape->kernels);
    if (code == VQL_OK)
        code = check_decay(p);
    if (code == VQL_OK) {
        code = vql_read_matrix(&p->reader, "time.weight", vql_exactly(shape->heads),
                               vql_exactly(shape->kernels), &model->kernel_weight, NULL, NULL);
    }
    if (code == VQL_OK)
        code = check_kernel_weight(p);
    return code;
}

/* ---- the head ---- */

static void layer_tensor(char out[TENSOR_NAME], uint32_t layer, const char *part)
{
    (void)snprintf(out, TENSOR_NAME, "head.%" PRIu32 ".%s", layer, part);
}

/* One more than the last layer that the file has, so that one left out in between is missed. */
static uint32_t count_layers(const parser *p)
{
    uint32_t count = 1;
    for (uint32_t layer = 1; layer <= VQL_MAX_LAYERS; layer++) {
        char name[TENSOR_NAME];
        layer_tensor(name, layer, "weight");
        if (vql_safetensors_tensor(&p->file, name) != NULL)
            count = layer + 1;
    }
    return count;
}

static vql_code parse_layer(parser *p, uint32_t index, uint32_t inputs, vql_range outputs)
{
    vql_layer *layer = &p->model->layers[index];
    char name[TENSOR_NAME];
    layer_tensor(name, index, "weight");
    vql_code code = vql_read_matrix(&p->reader, name, outputs, vql_exactly(inputs), &layer->weight,
                                    &layer->outputs, &layer->inputs);
    if (code == VQL_OK) {
        layer_tensor(name, index, "bias");
        code = vql_read_vector(&p->reader, name, vql_exactly(layer->outputs), &layer->bias, NULL);
    }
    return code;
}

static vql_code parse_head(parser *p)
{
    vql_model *model = p->model;
    const uint32_t count = count_layers(p);
    if (count > VQL_MAX_LAYERS) {
        return vql_fail(p->error, VQL_SHAPE, "tensor head.%d.weight: more than %d layers",
                        VQL_MAX_LAYERS, VQL_MAX_LAYERS);
    }
    model->layers =
        vql_allocate_array(&model->allocator, count, sizeof *model->layers, &model->bytes);
    if (model->layers == NULL)
        return vql_fail(p->error, VQL_NO_MEMORY, "head: no memory for %" PRIu32 " layers", count);
    model->layer_count = count;
    memset(model->layers, 0, count * sizeof *model->layers);

    uint32_t inputs = model->shape.x_width + model->shape.width;
    vql_code code = VQL_OK;
    for (uint32_t i = 0; code == VQL_OK && i < count; i++) {
        const bool last = i + 1 == count;
        code = parse_layer(p, i, inputs,
                           last ? vql_exactly(model->shape.tasks) : vql_up_to(VQL_MAX_WIDTH));
        inputs = model->layers[i].outputs;
    }
    return code;
}

/* ---- the whole file ---- */

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t count)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static vql_code parse_parts(parser *p)
{
    static vql_code (*const parts[])(parser *) = {
        parse_metadata,  parse_items,     parse_fields, parse_event_types,
        parse_attention, parse_codebooks, parse_time,   parse_head,
    };
    vql_code code = VQL_OK;
    for (size_t i = 0; code == VQL_OK && i < sizeof parts / sizeof parts[0]; i++)
        code = parts[i](p);
    return code;
}

vql_code vql_model_parse(const void *bytes, size_t count, const vql_allocator *allocator,
                         vql_model **out, vql_error *error)
{
    const vql_allocator chosen = allocator != NULL ? *allocator : *vql_allocator_default();
    parser p = {.error = error};
    vql_code code = vql_safetensors_parse(bytes, count, &chosen, &p.file, error);
    if (code != VQL_OK)
        return code;
    p.model = vql_allocate_array(&chosen, 1, sizeof *p.model, NULL);
    if (p.model == NULL) {
        code = vql_fail(error, VQL_NO_MEMORY, "model: no memory");
        goto release_file;
    }
    *p.model = (vql_model){
        .allocator = chosen,
        .fingerprint = hash_bytes(bytes, count),
        .bytes = sizeof *p.model,
        .rms_epsilon = default_rms_epsilon,
    };
    p.reader = (vql_file_reader){&p.file, &p.model->allocator, &p.model->bytes, error};
    code = parse_parts(&p);
    if (code != VQL_OK) {
        vql_model_free(p.model);
        goto release_file;
    }
    *out = p.model;
release_file:
    vql_safetensors_release(&p.file);
    return code;
}
