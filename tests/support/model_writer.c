#include "model_writer.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tensor_file.h"

typedef struct tensor {
    char *name;
    char type[8];
    bool is_float; /* float in memory, whatever type says */
    uint32_t rank;
    uint64_t shape[MODEL_WRITER_RANK];
    size_t elements;
    uint8_t *data;
} tensor;

struct model_writer {
    tensor *tensors;
    size_t count;
    json_t *metadata;
    random_stream random;
};

/* ---- small helpers that cannot fail ---- */

static void require(bool condition, const char *what, const char *name)
{
    if (!condition) {
        fprintf(stderr, "model_writer: %s: %s\n", what, name);
        abort();
    }
}

static void *must_have(void *block)
{
    require(block != NULL, "no memory", "");
    return block;
}

static char *copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    return memcpy(must_have(malloc(bytes)), text, bytes);
}

static size_t type_width(const char *type)
{
    static const struct {
        const char *name;
        size_t width;
    } types[] = {{"U8", 1},  {"F16", 2}, {"BF16", 2}, {"F32", 4}, {"I32", 4},
                 {"U32", 4}, {"I64", 8}, {"U64", 8},  {"F64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, type) == 0)
            return types[i].width;
    require(false, "no such type", type);
    return 0;
}

static size_t element_width(const tensor *t)
{
    return t->is_float ? sizeof(float) : type_width(t->type);
}

static tensor *lookup(const model_writer *writer, const char *name)
{
    for (size_t i = 0; i < writer->count; i++)
        if (strcmp(writer->tensors[i].name, name) == 0)
            return &writer->tensors[i];
    require(false, "no such tensor", name);
    return NULL;
}

/* Sets the number of bytes from old to new, cutting off or filling up with zeros. */
static void resize_data(tensor *t, size_t old_bytes, size_t new_bytes)
{
    t->data = must_have(realloc(t->data, new_bytes > 0 ? new_bytes : 1));
    if (new_bytes > old_bytes)
        memset(t->data + old_bytes, 0, new_bytes - old_bytes);
}

static void set_shape(tensor *t, uint32_t rank, const uint64_t *shape)
{
    require(rank <= MODEL_WRITER_RANK, "too many dimensions", t->name);
    const size_t old_bytes = t->elements * element_width(t);
    t->rank = rank;
    t->elements = 1;
    for (uint32_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->elements *= shape[i];
    }
    resize_data(t, old_bytes, t->elements * element_width(t));
}

/* ---- changes ---- */

void model_writer_add(model_writer *writer, const char *name, const char *type, uint32_t rank,
                      const uint64_t *shape)
{
    writer->tensors =
        must_have(realloc(writer->tensors, (writer->count + 1) * sizeof *writer->tensors));
    tensor *t = &writer->tensors[writer->count++];
    *t = (tensor){.name = copy_text(name)};
    (void)snprintf(t->type, sizeof t->type, "%s", type);
    t->is_float = strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0;
    set_shape(t, rank, shape);
}

void model_writer_drop(model_writer *writer, const char *name)
{
    tensor *t = lookup(writer, name);
    free(t->name);
    free(t->data);
    const size_t index = (size_t)(t - writer->tensors);
    writer->count--;
    memmove(t, t + 1, (writer->count - index) * sizeof *t);
}

void model_writer_rename(model_writer *writer, const char *from, const char *to)
{
    tensor *t = lookup(writer, from);
    free(t->name);
    t->name = copy_text(to);
}

void model_writer_reshape(model_writer *writer, const char *name, uint32_t rank,
                          const uint64_t *shape)
{
    set_shape(lookup(writer, name), rank, shape);
}

void model_writer_retype(model_writer *writer, const char *name, const char *type)
{
    tensor *t = lookup(writer, name);
    const size_t old_bytes = t->elements * element_width(t);
    t->is_float = t->is_float && (type_width(type) == 2 || strcmp(type, "F32") == 0);
    (void)snprintf(t->type, sizeof t->type, "%s", type);
    resize_data(t, old_bytes, t->elements * element_width(t));
}

void model_writer_metadata(model_writer *writer, const char *key, const char *value)
{
    if (value == NULL) {
        (void)json_object_del(writer->metadata, key);
        return;
    }
    require(json_object_set_new(writer->metadata, key, json_string(value)) == 0, "metadata", key);
}

/* ---- reading ---- */

float *model_writer_floats(model_writer *writer, const char *name)
{
    tensor *t = lookup(writer, name);
    require(t->is_float, "not a float tensor", name);
    return (float *)(void *)t->data;
}

int64_t *model_writer_i64(model_writer *writer, const char *name)
{
    tensor *t = lookup(writer, name);
    require(strcmp(t->type, "I64") == 0, "not an I64 tensor", name);
    return (int64_t *)(void *)t->data;
}

int32_t *model_writer_i32(model_writer *writer, const char *name)
{
    tensor *t = lookup(writer, name);
    require(strcmp(t->type, "I32") == 0, "not an I32 tensor", name);
    return (int32_t *)(void *)t->data;
}

size_t model_writer_elements(const model_writer *writer, const char *name)
{
    return lookup(writer, name)->elements;
}

const char *model_writer_tensor_name(const model_writer *writer, size_t index)
{
    return index < writer->count ? writer->tensors[index].name : NULL;
}

/* ---- random parameters ---- */

__attribute__((format(printf, 3, 4))) static void print_name(char *out, size_t size,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(out, size, format, arguments);
    va_end(arguments);
}

/* A matrix [rows, columns] (rank 1 when rows is 0) of normal numbers of the given deviation. */
static void add_normal(model_writer *writer, const model_spec *spec, const char *name,
                       uint64_t rows, uint64_t columns, double deviation)
{
    const uint64_t shape[2] = {rows > 0 ? rows : columns, columns};
    model_writer_add(writer, name, spec->float_type, rows > 0 ? 2 : 1, shape);
    float *data = model_writer_floats(writer, name);
    for (size_t i = 0; i < model_writer_elements(writer, name); i++)
        data[i] = (float)(deviation * random_normal(&writer->random));
}

static void add_item_ids(model_writer *writer, const model_spec *spec)
{
    model_writer_add(writer, "item.id", "I64", 1, (const uint64_t[]){spec->items});
    int64_t *ids = model_writer_i64(writer, "item.id");
    for (uint32_t row = 0; row < spec->items; row++) {
        ids[row] = row < 2 ? 0 : (int64_t)(random_u64(&writer->random) >> (row == 2 ? 0 : 1));
        ids[row] = row == 2 ? (int64_t)((uint64_t)ids[row] | UINT64_C(1) << 63) : ids[row];
    }
}

static void add_field(model_writer *writer, const model_spec *spec, uint32_t index)
{
    const model_spec_field *field = &spec->fields[index];
    char name[64];
    print_name(name, sizeof name, "field.field%u.embedding", index);
    add_normal(writer, spec, name, field->values, field->width, 1.0);

    print_name(name, sizeof name, "field.field%u.offsets", index);
    model_writer_add(writer, name, "I32", 1, (const uint64_t[]){spec->items + 1u});
    int32_t *offsets = model_writer_i32(writer, name);
    for (uint32_t row = 0; row < spec->items; row++) {
        offsets[row + 1] =
            offsets[row] + (int32_t)random_below(&writer->random, field->most_values + 1);
    }

    const uint64_t total = (uint64_t)offsets[spec->items];
    print_name(name, sizeof name, "field.field%u.indices", index);
    model_writer_add(writer, name, "I32", 1, &total);
    int32_t *indices = model_writer_i32(writer, name);
    for (uint64_t i = 0; i < total; i++)
        indices[i] = (int32_t)random_below(&writer->random, field->values);
}

static void add_kernel(model_writer *writer, const model_spec *spec)
{
    const uint64_t kernels = spec->kernels;
    model_writer_add(writer, "time.decay", spec->float_type, 1, &kernels);
    float *decay = model_writer_floats(writer, "time.decay");
    for (uint32_t r = 0; r < spec->kernels; r++) {
        const double spread = 0.5 + random_uniform(&writer->random);
        decay[r] = r == 0 && spec->seed % 2 == 0 ? 0.0F : (float)(1e-3 * pow(8.0, r) * spread);
    }
    const uint64_t shape[2] = {spec->heads, spec->kernels};
    model_writer_add(writer, "time.weight", spec->float_type, 2, shape);
    float *weight = model_writer_floats(writer, "time.weight");
    for (uint32_t h = 0; h < spec->heads; h++) {
        double sum = 0.0;
        for (uint32_t r = 0; r < spec->kernels; r++) {
            weight[h * spec->kernels + r] = (float)(0.05 + random_uniform(&writer->random));
            sum += (double)weight[h * spec->kernels + r];
        }
        for (uint32_t r = 0; r < spec->kernels; r++)
            weight[h * spec->kernels + r] = (float)((double)weight[h * spec->kernels + r] / sum);
    }
}

static void add_head(model_writer *writer, const model_spec *spec, uint32_t inputs)
{
    for (uint32_t layer = 0; layer < spec->layer_count; layer++) {
        const bool last = layer + 1 == spec->layer_count;
        const uint32_t outputs = last ? spec->tasks : spec->hidden[layer];
        char name[64];
        print_name(name, sizeof name, "head.%u.weight", layer);
        add_normal(writer, spec, name, outputs, inputs, 1.0 / sqrt(inputs));
        print_name(name, sizeof name, "head.%u.bias", layer);
        add_normal(writer, spec, name, 0, outputs, 0.5);
        inputs = outputs;
    }
}

/* "prefix0,prefix1,…": count names. */
static void set_names(model_writer *writer, const char *key, const char *prefix, uint32_t count)
{
    const size_t each = strlen(prefix) + 12;
    char *list = must_have(calloc(count + 1u, each));
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        used += (size_t)snprintf(list + used, each, "%s%s%u", i > 0 ? "," : "", prefix, i);
    model_writer_metadata(writer, key, list);
    free(list);
}

static void set_metadata(model_writer *writer, const model_spec *spec)
{
    char number[16];
    model_writer_metadata(writer, "format", "vql");
    model_writer_metadata(writer, "format_version", "1");
    model_writer_metadata(writer, "name", "synthetic");
    print_name(number, sizeof number, "%u", spec->heads);
    model_writer_metadata(writer, "heads", number);
    print_name(number, sizeof number, "%u", spec->groups);
    model_writer_metadata(writer, "groups", number);
    set_names(writer, "fields", "field", spec->field_count);
    set_names(writer, "event_types", "type", spec->event_types);
    set_names(writer, "tasks", "task", spec->tasks);
}

model_writer *model_writer_new(const model_spec *spec)
{
    require(spec->heads % spec->groups == 0, "groups", "must divide heads");
    model_writer *writer = must_have(calloc(1, sizeof *writer));
    writer->metadata = must_have(json_object());
    writer->random.state = spec->seed;
    set_metadata(writer, spec);

    const uint32_t width = spec->heads * spec->head_width;
    uint32_t x_width = spec->item_width;
    add_item_ids(writer, spec);
    add_normal(writer, spec, "item.embedding", spec->items, spec->item_width, 1.0);
    for (uint32_t f = 0; f < spec->field_count; f++) {
        add_field(writer, spec, f);
        x_width += spec->fields[f].width;
    }
    const uint32_t event_width = x_width + spec->type_width;
    add_normal(writer, spec, "event_type.embedding", spec->event_types, spec->type_width, 1.0);
    add_normal(writer, spec, "attention.query.weight", width, x_width, 1.0 / sqrt(x_width));
    add_normal(writer, spec, "attention.key.weight", width, event_width, 1.0 / sqrt(event_width));
    add_normal(writer, spec, "attention.value.weight", width, event_width, 1.0 / sqrt(event_width));
    for (uint32_t g = 0; g < spec->groups; g++) {
        char name[64];
        print_name(name, sizeof name, "codebook.%u", g);
        add_normal(writer, spec, name, spec->codewords[g], width / spec->groups, 1.0);
    }
    add_kernel(writer, spec);
    add_head(writer, spec, x_width + width);
    return writer;
}

void model_writer_free(model_writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < writer->count; i++) {
        free(writer->tensors[i].name);
        free(writer->tensors[i].data);
    }
    free(writer->tensors);
    json_decref(writer->metadata);
    free(writer);
}

model_spec model_spec_default(uint64_t seed)
{
    return (model_spec){
        .seed = seed,
        .items = 23,
        .item_width = 5,
        .event_types = 3,
        .type_width = 2,
        .heads = 4,
        .head_width = 3,
        .groups = 2,
        .codewords = {7, 5},
        .kernels = 3,
        .tasks = 2,
        .layer_count = 2,
        .hidden = {8},
        .field_count = 2,
        .fields = {{4, 9, 1}, {3, 6, 4}},
        .float_type = "F32",
    };
}

model_spec model_spec_random(uint64_t seed)
{
    random_stream random = {seed ^ UINT64_C(0x5EED5EED5EED5EED)};
    model_spec spec = {
        .seed = seed,
        .items = 1 + random_below(&random, 60),
        .item_width = 1 + random_below(&random, 20),
        .event_types = 1 + random_below(&random, 5),
        .type_width = 1 + random_below(&random, 6),
        .head_width = 1 + random_below(&random, 19),
        .groups = 1 + random_below(&random, 4),
        .kernels = 1 + random_below(&random, 4),
        .tasks = 1 + random_below(&random, 3),
        .layer_count = 1 + random_below(&random, MODEL_SPEC_LAYERS),
        .field_count = random_below(&random, MODEL_SPEC_FIELDS + 1),
        .float_type = "F32",
    };
    spec.heads = spec.groups * (1 + random_below(&random, 3));
    for (uint32_t g = 0; g < spec.groups; g++)
        spec.codewords[g] = 1 + random_below(&random, 40);
    for (uint32_t layer = 0; layer < spec.layer_count; layer++)
        spec.hidden[layer] = 1 + random_below(&random, 24);
    for (uint32_t f = 0; f < spec.field_count; f++) {
        spec.fields[f] = (model_spec_field){
            1 + random_below(&random, 9), 1 + random_below(&random, 12), random_below(&random, 4)};
    }
    return spec;
}

/* ---- serialization ---- */

static uint16_t bfloat_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

static uint16_t half_bits(float value)
{
    const uint16_t sign = signbit(value) ? 0x8000u : 0u;
    const double magnitude = fabs((double)value);
    if (isnan(value))
        return 0x7E00u;
    if (magnitude >= 65520.0)
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)lrint(magnitude * 0x1p24));
    int exponent;
    const long mantissa = lrint(frexp(magnitude, &exponent) * 2048.0);
    return (uint16_t)(sign | (uint16_t)(((exponent + 14) << 10) + mantissa - 1024));
}

/* Writes the tensor's data as it is in the file; returns its bytes. */
static size_t write_data(const tensor *t, uint8_t *out)
{
    const size_t bytes = t->elements * type_width(t->type);
    if (!t->is_float || type_width(t->type) == sizeof(float)) {
        memcpy(out, t->data, bytes);
        return bytes;
    }
    for (size_t i = 0; i < t->elements; i++) {
        float value;
        memcpy(&value, t->data + i * sizeof value, sizeof value);
        const uint16_t bits = strcmp(t->type, "F16") == 0 ? half_bits(value) : bfloat_bits(value);
        memcpy(out + i * sizeof bits, &bits, sizeof bits);
    }
    return bytes;
}

/* Points descriptions at the tensors, as they will be in the file; returns the data's bytes. */
static size_t describe(const model_writer *writer, tensor_file_tensor *described)
{
    size_t bytes = 0;
    for (size_t i = 0; i < writer->count; i++) {
        const tensor *t = &writer->tensors[i];
        described[i] = (tensor_file_tensor){
            .name = t->name, .type = t->type, .width = type_width(t->type), .rank = t->rank};
        memcpy(described[i].shape, t->shape, sizeof t->shape);
        bytes += tensor_file_bytes(&described[i]);
    }
    return bytes;
}

uint8_t *model_writer_serialize(const model_writer *writer, size_t *count)
{
    tensor_file_tensor *tensors = must_have(calloc(writer->count + 1, sizeof *tensors));
    const size_t data_bytes = describe(writer, tensors);
    tensor_file_note *notes =
        must_have(calloc(json_object_size(writer->metadata) + 1, sizeof *notes));
    tensor_file file = {.notes = notes, .tensors = tensors, .tensor_count = writer->count};
    const char *key;
    json_t *value;
    json_object_foreach(writer->metadata, key, value)
    {
        notes[file.note_count++] = (tensor_file_note){key, json_string_value(value)};
    }
    size_t used;
    char *header = must_have(tensor_file_header(&file, &used));
    uint8_t *bytes = must_have(realloc(header, used + data_bytes));
    for (size_t i = 0; i < writer->count; i++)
        used += write_data(&writer->tensors[i], bytes + used);
    *count = used;
    free(notes);
    free(tensors);
    return bytes;
}

uint8_t *safetensors_file(const char *header, const void *data, size_t data_count, size_t *count)
{
    const uint64_t header_bytes = strlen(header);
    *count = sizeof header_bytes + header_bytes + data_count;
    uint8_t *file = must_have(malloc(*count));
    memcpy(file, &header_bytes, sizeof header_bytes);
    memcpy(file + sizeof header_bytes, header, header_bytes);
    if (data_count > 0)
        memcpy(file + sizeof header_bytes + header_bytes, data, data_count);
    return file;
}

vql_model *model_writer_parse(const model_writer *writer)
{
    size_t count;
    uint8_t *file = model_writer_serialize(writer, &count);
    vql_model *model = NULL;
    vql_error error;
    const vql_code code = vql_model_parse(file, count, NULL, &model, &error);
    free(file);
    require(code == VQL_OK, "refused", error.text);
    return model;
}
