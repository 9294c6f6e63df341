#include "export.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"

enum {
    MAX_TENSORS = TRAIN_MAX_PARAMETERS + 2 * DATASET_MAX_FIELDS + TRAIN_MAX_GROUPS + 3,
    NOTES = 9,
    LIST_BYTES = DATASET_MAX_EVENT_TYPES * DATASET_NAME_BYTES,
};

/* A file being put together. Blocks are copies of what the model has in another form. */
typedef struct assembly {
    tensor_file_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][TRAIN_NAME_BYTES];
    size_t count;
    void *blocks[MAX_TENSORS];
    size_t block_count;
} assembly;

vql_code export_check(const train_config *config, vql_error *error)
{
    if (config->attention != ATTENTION_VQL)
        return vql_fail(error, VQL_VALUE,
                        "attention %s has no model file: vqld serves attention vql alone",
                        train_attention_name(config->attention));
    if (config->quantize_values)
        return vql_fail(error, VQL_VALUE,
                        "quantize-values has no model file: vqld keeps values exact");
    return VQL_OK;
}

/* ---- tensors ---- */

/* Adds a tensor; rows is 0 for a vector. */
__attribute__((format(printf, 6, 7))) static void add(assembly *a, const char *type, uint64_t rows,
                                                      uint64_t columns, const void *data,
                                                      const char *format, ...)
{
    char *name = a->names[a->count];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, TRAIN_NAME_BYTES, format, arguments);
    va_end(arguments);
    a->tensors[a->count++] = (tensor_file_tensor){.name = name,
                                                  .type = type,
                                                  .width = strcmp(type, "I64") == 0 ? 8 : 4,
                                                  .rank = rows > 0 ? 2 : 1,
                                                  .shape = {rows > 0 ? rows : columns, columns},
                                                  .data = data};
}

/* A block of zeros that lives as long as the assembly; NULL: no memory. */
static void *new_block(assembly *a, size_t count, size_t element_bytes)
{
    void *block = calloc(count + 1, element_bytes);
    if (block != NULL)
        a->blocks[a->block_count++] = block;
    return block;
}

static void add_parameter(assembly *a, const train_tensor *parameter, bool is_vector)
{
    add(a, "F32", is_vector ? 0 : parameter->rows, parameter->columns, parameter->value, "%s",
        parameter->name);
}

static void add_field(assembly *a, const train_model *model, uint32_t index)
{
    const train_field *field = &model->data->fields[index];
    const uint32_t rows = model->data->rows;
    add_parameter(a, model->fields[index], false);
    add(a, "I32", 0, rows + 1u, field->offsets, "field.%s.offsets", field->name);
    add(a, "I32", 0, field->offsets[rows], field->indices, "field.%s.indices", field->name);
}

static bool add_kernel(assembly *a, const train_model *model)
{
    const uint32_t heads = model->config.heads;
    float *decay = new_block(a, model->kernels, sizeof *decay);
    float *weight = new_block(a, (size_t)heads * model->kernels, sizeof *weight);
    if (decay == NULL || weight == NULL)
        return false;
    train_model_kernel(model, decay, weight);
    add(a, "F32", 0, model->kernels, decay, "time.decay");
    add(a, "F32", heads, model->kernels, weight, "time.weight");
    return true;
}

static bool add_tensors(assembly *a, const train_model *model)
{
    add(a, "I64", 0, model->data->rows, model->data->item_ids, "item.id");
    add_parameter(a, model->item, false);
    for (uint32_t f = 0; f < model->data->field_count; f++)
        add_field(a, model, f);
    add_parameter(a, model->type, false);
    add_parameter(a, model->query, false);
    add_parameter(a, model->key, false);
    add_parameter(a, model->value, false);
    if (!add_kernel(a, model))
        return false;
    for (uint32_t g = 0; g < model->config.groups; g++)
        add(a, "F32", model->codebooks[g].codewords, model->group_width, model->codebooks[g].value,
            "codebook.%u", g);
    for (uint32_t layer = 0; layer < model->layers; layer++) {
        add_parameter(a, model->weight[layer], false);
        add_parameter(a, model->bias[layer], true);
    }
    return true;
}

/* ---- metadata ---- */

/* Writes "a,b,c" of names that stand `stride` bytes apart. */
static void join(char *out, const char *first, uint32_t count, size_t stride)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s", i > 0 ? "," : "",
                                 first + i * stride);
}

static int write_file(const assembly *a, const train_model *model, const char *name,
                      const char *path)
{
    char heads[16];
    char groups[16];
    char fields[LIST_BYTES];
    char types[LIST_BYTES];
    char tasks[LIST_BYTES];
    const dataset *data = model->data;
    (void)snprintf(heads, sizeof heads, "%u", model->config.heads);
    (void)snprintf(groups, sizeof groups, "%u", model->config.groups);
    join(fields, data->fields[0].name, data->field_count, sizeof data->fields[0]);
    join(types, data->event_type_names[0], data->event_types, DATASET_NAME_BYTES);
    join(tasks, data->task_names[0], data->tasks, DATASET_NAME_BYTES);
    const tensor_file_note notes[NOTES] = {
        {"format", "vql"},      {"format_version", "1"}, {"name", name},
        {"heads", heads},       {"groups", groups},      {"fields", fields},
        {"event_types", types}, {"tasks", tasks},        {"rms_epsilon", "1e-6"},
    };
    const tensor_file file = {notes, NOTES, a->tensors, a->count};
    return tensor_file_write(&file, path);
}

vql_code export_model(const train_model *model, const char *name, const char *path,
                      vql_error *error)
{
    const vql_code code = export_check(&model->config, error);
    if (code != VQL_OK)
        return code;
    if (!model->quantized)
        return vql_fail(error, VQL_VALUE, "%s: the model has no codebooks yet", path);
    assembly *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "%s: no memory for the file", path);
    const bool assembled = add_tensors(a, model);
    const int failure = assembled ? write_file(a, model, name, path) : 0;
    for (size_t i = 0; i < a->block_count; i++)
        free(a->blocks[i]);
    free(a);
    if (!assembled)
        return vql_fail(error, VQL_NO_MEMORY, "%s: no memory for the file", path);
    return failure == 0 ? VQL_OK : vql_fail(error, VQL_FORMAT, "%s: %s", path, strerror(failure));
}
