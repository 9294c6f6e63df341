#include "vql/reference.h"

#include <math.h>
#include <string.h>

#include "allocation.h"
#include "model_data.h"

/* y = W x: weight is [outputs, inputs]. */
static void project(const float *weight, size_t outputs, size_t inputs, const double *x, double *y)
{
    for (size_t i = 0; i < outputs; i++) {
        y[i] = 0.0;
        for (size_t j = 0; j < inputs; j++)
            y[i] += (double)weight[i * inputs + j] * x[j];
    }
}

/* §3: every head divided by its root mean square. */
static void normalise(const vql_model *model, double *x)
{
    const size_t head_width = model->shape.head_width;
    for (double *head = x; head < x + model->shape.width; head += head_width) {
        double squares = 0.0;
        for (size_t j = 0; j < head_width; j++)
            squares += head[j] * head[j];
        const double root = sqrt(squares / (double)head_width + model->rms_epsilon);
        for (size_t j = 0; j < head_width; j++)
            head[j] /= root;
    }
}

/* x_l = [x_i ‖ e_a] (§2): X + E_a numbers. */
static void event_input(const vql_model *model, uint32_t row, uint32_t event_type, double *x)
{
    const vql_shape *shape = &model->shape;
    vql_model_item(model, row, x);
    for (size_t j = 0; j < shape->type_width; j++) {
        x[shape->x_width + j] =
            (double)model->type_embedding[(size_t)event_type * shape->type_width + j];
    }
}

void vql_reference_query(const vql_model *model, uint32_t row, double *query)
{
    double x[VQL_MAX_WIDTH];
    vql_model_item(model, row, x);
    project(model->query_weight, model->shape.width, model->shape.x_width, x, query);
    normalise(model, query);
}

void vql_reference_key(const vql_model *model, uint32_t row, uint32_t event_type, double *key)
{
    double x[2 * VQL_MAX_WIDTH];
    event_input(model, row, event_type, x);
    project(model->key_weight, model->shape.width,
            (size_t)model->shape.x_width + model->shape.type_width, x, key);
    normalise(model, key);
}

void vql_reference_value(const vql_model *model, uint32_t row, uint32_t event_type, double *value)
{
    double x[2 * VQL_MAX_WIDTH];
    event_input(model, row, event_type, x);
    project(model->value_weight, model->shape.width,
            (size_t)model->shape.x_width + model->shape.type_width, x, value);
}

void vql_reference_codes(const vql_model *model, const double *key, uint16_t *codes)
{
    const size_t group_width = model->shape.group_width;
    for (uint32_t g = 0; g < model->shape.groups; g++) {
        double least = INFINITY;
        for (uint32_t a = 0; a < model->codewords[g]; a++) {
            const float *codeword = model->codebooks[g] + a * group_width;
            double distance = 0.0;
            for (size_t j = 0; j < group_width; j++) {
                const double difference = key[g * group_width + j] - (double)codeword[j];
                distance += difference * difference;
            }
            if (distance < least) {
                least = distance;
                codes[g] = (uint16_t)a;
            }
        }
    }
}

/* k̂ (§4): every group of the key replaced by its codeword. */
static void quantize(const vql_model *model, const double *key, double *quantized)
{
    const size_t group_width = model->shape.group_width;
    uint16_t codes[VQL_MAX_HEADS];
    vql_reference_codes(model, key, codes);
    for (uint32_t g = 0; g < model->shape.groups; g++) {
        for (size_t j = 0; j < group_width; j++) {
            quantized[g * group_width + j] =
                (double)model->codebooks[g][codes[g] * group_width + j];
        }
    }
}

/* log κ_h (§5), `hours` after the event. */
static double log_kernel(const vql_model *model, uint32_t head, double hours)
{
    const uint32_t kernels = model->shape.kernels;
    double most = -INFINITY;
    for (uint32_t r = 0; r < kernels; r++) {
        const double weight = (double)model->kernel_weight[head * kernels + r];
        most = fmax(most, log(weight) - (double)model->decay[r] * hours);
    }
    if (most == -INFINITY)
        return most;
    double sum = 0.0;
    for (uint32_t r = 0; r < kernels; r++) {
        const double weight = (double)model->kernel_weight[head * kernels + r];
        sum += exp(log(weight) - (double)model->decay[r] * hours - most);
    }
    return most + log(sum);
}

/* q_h·k_h/√d. */
static double head_logit(const vql_model *model, uint32_t head, const double *query,
                         const double *key)
{
    const size_t head_width = model->shape.head_width;
    double sum = 0.0;
    for (size_t j = head * head_width; j < (head + 1) * head_width; j++)
        sum += query[j] * key[j];
    return sum / sqrt((double)head_width);
}

/* Writes ŝ + log κ per head of one event, and raises epsilon (unless NULL) to this event's ε_h. */
static void event_exponents(const vql_model *model, const vql_cache_event *event,
                            const double *query, double hours, vql_reference_keys keys,
                            double *exponents, double *epsilon)
{
    double key[VQL_MAX_WIDTH];
    double quantized[VQL_MAX_WIDTH];
    vql_reference_key(model, event->row, event->event_type, key);
    quantize(model, key, quantized);
    for (uint32_t h = 0; h < model->shape.heads; h++) {
        const double exact = head_logit(model, h, query, key);
        const double served = head_logit(model, h, query, quantized);
        exponents[h] = (keys == VQL_KEYS_EXACT ? exact : served) + log_kernel(model, h, hours);
        if (epsilon != NULL)
            epsilon[h] = fmax(epsilon[h], fabs(served - exact));
    }
}

/* o = Σ_l e^{exponent - most} v_l / Σ_l e^{exponent - most} per head; exponents is [count, H]. */
static void weigh_values(const vql_model *model, const vql_cache_event *events, size_t count,
                         const double *exponents, double *o)
{
    const vql_shape *shape = &model->shape;
    double most[VQL_MAX_HEADS];
    double normaliser[VQL_MAX_HEADS] = {0.0};
    double value[VQL_MAX_WIDTH];
    for (uint32_t h = 0; h < shape->heads; h++) {
        most[h] = -INFINITY;
        for (size_t l = 0; l < count; l++)
            most[h] = fmax(most[h], exponents[l * shape->heads + h]);
    }
    memset(o, 0, shape->width * sizeof *o);
    for (size_t l = 0; l < count; l++) {
        vql_reference_value(model, events[l].row, events[l].event_type, value);
        for (uint32_t h = 0; h < shape->heads; h++) {
            const double exponent = exponents[l * shape->heads + h];
            const double weight = exponent == -INFINITY ? 0.0 : exp(exponent - most[h]);
            normaliser[h] += weight;
            for (size_t j = h * shape->head_width; j < (h + 1) * shape->head_width; j++)
                o[j] += weight * value[j];
        }
    }
    for (size_t j = 0; j < shape->width; j++) {
        o[j] = normaliser[j / shape->head_width] > 0.0 ? o[j] / normaliser[j / shape->head_width]
                                                       : 0.0;
    }
}

vql_code vql_reference_attention(const vql_model *model, const vql_cache_event *events,
                                 size_t count, uint32_t row, int64_t time_ms,
                                 vql_reference_keys keys, double *o, double *epsilon)
{
    const uint32_t heads = model->shape.heads;
    const vql_allocator *allocator = vql_allocator_default();
    double query[VQL_MAX_WIDTH];
    double *exponents = vql_allocate_array(allocator, count, heads * sizeof *exponents, NULL);
    if (exponents == NULL)
        return VQL_NO_MEMORY;
    for (size_t l = 0; l < count; l++)
        time_ms = events[l].time_ms > time_ms ? events[l].time_ms : time_ms;
    if (epsilon != NULL)
        memset(epsilon, 0, heads * sizeof *epsilon);
    vql_reference_query(model, row, query);
    for (size_t l = 0; l < count; l++) {
        const double hours = (double)(time_ms - events[l].time_ms) / 3.6e6;
        event_exponents(model, &events[l], query, hours, keys, exponents + l * heads, epsilon);
    }
    weigh_values(model, events, count, exponents, o);
    vql_release(allocator, exponents);
    return VQL_OK;
}

void vql_reference_head(const vql_model *model, uint32_t row, const double *o, double *logits)
{
    const vql_shape *shape = &model->shape;
    double inputs[2 * VQL_MAX_WIDTH];
    double outputs[VQL_MAX_WIDTH];
    vql_model_item(model, row, inputs);
    memcpy(inputs + shape->x_width, o, shape->width * sizeof *o);
    for (uint32_t l = 0; l < model->layer_count; l++) {
        const vql_layer *layer = &model->layers[l];
        project(layer->weight, layer->outputs, layer->inputs, inputs, outputs);
        for (uint32_t k = 0; k < layer->outputs; k++) {
            outputs[k] += (double)layer->bias[k];
            inputs[k] = fmax(outputs[k], 0.0);
        }
    }
    memcpy(logits, outputs, shape->tasks * sizeof *logits);
}
