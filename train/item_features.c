#include "item_features.h"

#include <math.h>
#include <string.h>

static const float features_epsilon = 1e-6F; /* rms_epsilon of a model file */

void features_item(const train_model *model, uint32_t item, float *x)
{
    const uint32_t width = model->config.item_width;
    const uint32_t field_width = model->config.field_width;
    memcpy(x, model->item->value + (size_t)item * width, width * sizeof *x);
    x += width;
    for (uint32_t f = 0; f < model->data->field_count; f++, x += field_width) {
        const train_field *field = &model->data->fields[f];
        const uint32_t begin = field->offsets[item], end = field->offsets[item + 1];
        memset(x, 0, field_width * sizeof *x);
        for (uint32_t i = begin; i < end; i++) {
            const float *from = model->fields[f]->value + (size_t)field->indices[i] * field_width;
            for (uint32_t j = 0; j < field_width; j++)
                x[j] += from[j];
        }
        const float share = end > begin ? 1.0F / (float)(end - begin) : 0.0F;
        for (uint32_t j = 0; j < field_width; j++)
            x[j] *= share;
    }
}

void features_row(const train_model *model, uint32_t row, float *x)
{
    const uint32_t types = model->data->event_types;
    const uint32_t width = model->config.type_width;
    if (!model->config.static_context) {
        const uint32_t id = model->config.item_width;
        memcpy(x, model->item->value + (size_t)(row / types) * id, id * sizeof *x);
        memset(x + id, 0, (model->event_width - id) * sizeof *x);
        return;
    }
    features_item(model, row / types, x);
    memcpy(x + model->x_width, model->type->value + (size_t)(row % types) * width,
           width * sizeof *x);
}

static void add(float *restrict to, const float *restrict from, float factor, uint32_t count)
{
    for (uint32_t j = 0; j < count; j++)
        to[j] += factor * from[j];
}

static void id_backward(train_model *model, uint32_t item, const float *slopes, uint32_t owner,
                        uint32_t owners)
{
    const uint32_t width = model->config.item_width;
    if (item % owners == owner)
        add(model->item->gradient + (size_t)item * width, slopes, 1.0F, width);
}

void features_item_backward(train_model *model, uint32_t item, const float *slopes, uint32_t owner,
                            uint32_t owners)
{
    const uint32_t width = model->config.field_width;
    id_backward(model, item, slopes, owner, owners);
    slopes += model->config.item_width;
    for (uint32_t f = 0; f < model->data->field_count; f++, slopes += width) {
        const train_field *field = &model->data->fields[f];
        const uint32_t begin = field->offsets[item], end = field->offsets[item + 1];
        for (uint32_t i = begin; i < end; i++) {
            const uint32_t value = field->indices[i];
            if (value % owners == owner)
                add(model->fields[f]->gradient + (size_t)value * width, slopes,
                    1.0F / (float)(end - begin), width);
        }
    }
}

void features_row_backward(train_model *model, uint32_t row, const float *slopes, uint32_t owner,
                           uint32_t owners)
{
    const uint32_t types = model->data->event_types;
    const uint32_t width = model->config.type_width;
    if (!model->config.static_context) {
        id_backward(model, row / types, slopes, owner, owners);
        return;
    }
    features_item_backward(model, row / types, slopes, owner, owners);
    if ((row % types) % owners == owner)
        add(model->type->gradient + (size_t)(row % types) * width, slopes + model->x_width, 1.0F,
            width);
}

void features_norm(const train_model *model, float *y, float *scales)
{
    const uint32_t width = model->head_width;
    for (uint32_t h = 0; h < model->config.heads; h++, y += width) {
        float squares = 0.0F;
        for (uint32_t j = 0; j < width; j++)
            squares += y[j] * y[j];
        scales[h] = 1.0F / sqrtf(squares / (float)width + features_epsilon);
        for (uint32_t j = 0; j < width; j++)
            y[j] *= scales[h];
    }
}

void features_norm_backward(const train_model *model, const float *y, const float *scales,
                            float *slopes)
{
    const uint32_t width = model->head_width;
    for (uint32_t h = 0; h < model->config.heads; h++, y += width, slopes += width) {
        float along = 0.0F;
        for (uint32_t j = 0; j < width; j++)
            along += y[j] * slopes[j];
        along /= (float)width;
        for (uint32_t j = 0; j < width; j++)
            slopes[j] = scales[h] * (slopes[j] - y[j] * along);
    }
}
