#include "scan.h"

#include <math.h>
#include <string.h>

#include "columns.h"
#include "direct.h"
#include "panel.h"
#include "scan_cache.h"
#include "scan_debt.h"

enum {
    SCAN_CHUNK = 64,               /* impressions of a chunk, and events within it, about */
    SCAN_MOST_CHUNKS = 64,         /* whose caches are kept at once */
    SCAN_MOST_NUMBERS = 1 << 24,   /* of debts */
    SCAN_TIMES = TRAIN_MAX_KERNELS /* weights of an event */
};

/* κ below which a codeword adds nothing: that of the last event is about 1. */
static const float scan_least_weight = 1e-30F;

/* Moments that share a base: parts of at most SCAN_CHUNK impressions each. */
typedef struct scan_chunk {
    train_moment moments[SCAN_CHUNK];
    size_t count;
    size_t impressions;
    uint32_t base;        /* events before the chunk */
    int64_t reference_ms; /* of its cache: the time of the last of them */
    float *cache;
} scan_chunk;

/* A user's moments, cut into chunks. */
typedef struct train_scan {
    const train_pass *pass;
    pass_thread *thread;
    const train_event *events; /* of the user */
    const uint32_t *local;     /* beside them */
    const uint32_t *rows;      /* the user's */
    scan_chunk *chunks;        /* [SCAN_MOST_CHUNKS] */
    size_t count;
} train_scan;

static uint32_t slot_of(const train_scan *scan, uint32_t event)
{
    return scan->pass->batch->slots[scan->rows[scan->local[event]]];
}

static double hours_between(int64_t from_ms, int64_t to_ms)
{
    return (double)(to_ms - from_ms) / kernel_hour_ms;
}

/* e^{-λ_r hours} [R]. */
static void decays(const train_pass *pass, double hours, float *out)
{
    for (uint32_t r = 0; r < pass->kernel.kernels; r++)
        out[r] = (float)exp(-(double)pass->kernel.decay[r] * hours);
}

bool scan_pays(const train_pass *pass, const train_moment *moments, size_t count)
{
    const train_model *model = pass->model;
    const train_config *config = &model->config;
    const train_moment *last = &moments[count - 1];
    if (config->attention != ATTENTION_VQL || !pass->quantized || config->quantize_values ||
        last->end > config->max_history || config->form == FORM_DIRECT ||
        scan_debt_size(pass) > SCAN_MOST_NUMBERS)
        return false;
    if (config->form == FORM_SCAN)
        return true;
    const double width = config->width, terms = model->kernels;
    const double row = (double)scan_debt_stride(pass) * config->heads * terms;
    double codewords = 0.0, direct = 0.0, impressions = 0.0;
    for (uint32_t g = 0; g < config->groups; g++)
        codewords += (double)model->codebooks[g].codewords / config->groups;
    for (size_t i = 0; i < count; i++) {
        const double distinct = history_distinct(pass->batch->history, last->user, moments[i].end);
        direct += distinct * width * (12.0 + 7.0 * moments[i].count) + 10.0 * moments[i].end;
        impressions += moments[i].count;
    }
    const double distinct = history_distinct(pass->batch->history, last->user, last->end);
    const double passes = pass->backward ? 1.0 : 0.0;
    return direct > 10.0 * last->end + distinct * (terms * width * 2.0 + passes * row) +
                        (double)count * codewords * width * (12.0 + terms) +
                        impressions * codewords * (width * 7.0 + passes * row) +
                        passes * codewords * row;
}

/* The reference time of a base of so many events. */
static int64_t reference_of(const train_scan *scan, uint32_t base, const train_moment *moment)
{
    if (base > 0)
        return scan->events[base - 1].time_ms;
    return moment->end > 0 ? scan->events[0].time_ms
                           : scan->pass->batch->impressions[moment->first]->time_ms;
}

/* Adds a part of a moment to the last chunk, or to a new one; false when there is no room. */
static bool add_part(train_scan *scan, const train_moment *part)
{
    scan_chunk *last = scan->count > 0 ? &scan->chunks[scan->count - 1] : NULL;
    if (last == NULL || last->impressions + part->count > SCAN_CHUNK ||
        part->end - last->base > SCAN_CHUNK) {
        if (scan->count == SCAN_MOST_CHUNKS)
            return false;
        last = &scan->chunks[scan->count++];
        last->count = last->impressions = 0;
        last->base = part->end;
        last->reference_ms = reference_of(scan, last->base, part);
        last->cache = NULL;
    }
    last->moments[last->count++] = *part;
    last->impressions += part->count;
    return true;
}

/* Cuts moments from *at on, of which *done impressions of the first are done, into chunks. */
static train_scan open_scan(const train_pass *pass, pass_thread *thread,
                            const train_moment *moments, size_t count, size_t *at, uint32_t *done)
{
    const train_batch *batch = pass->batch;
    const uint32_t user = moments->user;
    train_scan made = {.pass = pass,
                       .thread = thread,
                       .events = batch->data->events + batch->data->starts[user],
                       .local = batch->history->local + batch->data->starts[user],
                       .rows = batch->history->rows + batch->history->starts[user]};
    made.chunks = memory_reserve(&thread->chunk_room, SCAN_MOST_CHUNKS, sizeof *made.chunks);
    while (*at < count) {
        train_moment part = moments[*at];
        part.first += *done;
        part.count -= *done;
        if (part.count > SCAN_CHUNK)
            part.count = SCAN_CHUNK;
        if (!add_part(&made, &part))
            break;
        *done += part.count;
        if (*done == moments[*at].count) {
            ++*at;
            *done = 0;
        }
    }
    return made;
}

/* The distinct rows of the first chunk's base; there is one. */
static train_columns base_columns(const train_scan *scan, bool ages)
{
    const scan_chunk *first = &scan->chunks[0];
    train_moment base = first->moments[0];
    base.begin = 0;
    base.end = first->base;
    return columns_of(scan->pass, scan->thread, &base, ages);
}

static void build_first(const train_scan *scan, float *cache)
{
    const train_pass *pass = scan->pass;
    memset(cache, 0, scan_cache_size(pass) * sizeof *cache);
    if (scan->chunks[0].base == 0)
        return;
    const train_columns columns = base_columns(scan, false);
    for (size_t u = 0; u < columns.count; u++) {
        float weights[SCAN_TIMES];
        for (uint32_t r = 0; r < pass->kernel.kernels; r++)
            weights[r] = columns.sums[r * columns.padded + u];
        scan_cache_add(pass, cache, columns.slots[u], weights);
    }
}

/* Brings the cache of a chunk to the next one. */
static void advance(const train_scan *scan, const scan_chunk *from, const scan_chunk *to,
                    float *cache)
{
    scan_cache_advance(scan->pass, cache, hours_between(from->reference_ms, to->reference_ms));
    for (uint32_t i = from->base; i < to->base; i++) {
        float weights[SCAN_TIMES];
        decays(scan->pass, hours_between(scan->events[i].time_ms, to->reference_ms), weights);
        scan_cache_add(scan->pass, cache, slot_of(scan, i), weights);
    }
}

/* Keeps a cache for every chunk. */
static void build_all(const train_scan *scan)
{
    const size_t size = scan_cache_size(scan->pass);
    float *room = memory_floats(&scan->thread->cache_room, scan->count * size);
    build_first(scan, room);
    scan->chunks[0].cache = room;
    for (size_t c = 1; c < scan->count; c++) {
        float *cache = room + c * size;
        memcpy(cache, cache - size, size * sizeof *cache);
        advance(scan, &scan->chunks[c - 1], &scan->chunks[c], cache);
        scan->chunks[c].cache = cache;
    }
}

/* How one head of a moment sees the base and the events of its chunk. */
typedef struct scan_view {
    const scan_chunk *chunk;
    const train_moment *moment;
    uint32_t head;
    size_t codewords;
    size_t within;                  /* events of the chunk before the moment */
    double delay;                   /* hours since the last event */
    float factors[SCAN_TIMES];      /* f_r without what all have in common: as in columns.h */
    float base_factors[SCAN_TIMES]; /* w_{h,r} f_r e^{-λ_r (t_last - t_ref)} */
    float *weights;                 /* κ: [codewords + within], padded */
    float *means;                   /* of the values of each codeword: [codewords, d] */
} scan_view;

static double least_decay(const train_kernel *kernel)
{
    float least = kernel->decay[0];
    for (uint32_t r = 1; r < kernel->kernels; r++)
        least = kernel->decay[r] < least ? kernel->decay[r] : least;
    return (double)least;
}

/* κ and the mean value of every codeword: the base folded for the moment. */
static void fold(const train_pass *pass, const scan_view *view)
{
    const train_model *model = pass->model;
    const size_t d = model->head_width;
    const uint32_t heads_a_group = model->config.heads / model->config.groups;
    const uint32_t g = view->head / heads_a_group;
    const cache_group group = scan_cache_group(pass, view->chunk->cache, g);
    const size_t column = (view->head % heads_a_group) * d;
    for (size_t a = 0; a < view->codewords; a++) {
        float weight = 0.0F;
        float *restrict mean = view->means + a * d;
        memset(mean, 0, d * sizeof *mean);
        for (uint32_t r = 0; r < model->kernels; r++) {
            const float factor = view->base_factors[r];
            const size_t at = r * view->codewords + a;
            const float *restrict sum = group.sums + at * model->group_width + column;
            weight += factor * group.masses[at];
            for (size_t j = 0; j < d; j++)
                mean[j] += factor * sum[j];
        }
        const bool alive = weight > scan_least_weight;
        const float scale = alive ? 1.0F / weight : 0.0F;
        view->weights[a] = alive ? weight : 0.0F;
        for (size_t j = 0; j < d; j++)
            mean[j] *= scale;
    }
}

static int64_t last_time(const train_scan *scan, const train_moment *moment)
{
    return scan->events[moment->end - 1].time_ms;
}

/* κ of the chunk's own events. */
static void weigh_events(const train_scan *scan, const scan_view *view)
{
    const train_kernel *kernel = &scan->pass->kernel;
    const int64_t last = last_time(scan, view->moment);
    for (uint32_t i = 0; i < view->within; i++) {
        float decay[SCAN_TIMES];
        float weight = 0.0F;
        decays(scan->pass, hours_between(scan->events[view->chunk->base + i].time_ms, last), decay);
        for (uint32_t r = 0; r < kernel->kernels; r++)
            weight +=
                kernel->weight[view->head * kernel->kernels + r] * view->factors[r] * decay[r];
        view->weights[view->codewords + i] = weight;
    }
}

static scan_view view_of(const train_scan *scan, const scan_chunk *chunk,
                         const train_moment *moment, uint32_t head)
{
    const train_pass *pass = scan->pass;
    const train_model *model = pass->model;
    const train_kernel *kernel = &pass->kernel;
    const uint32_t g = head / (model->config.heads / model->config.groups);
    scan_view view = {.chunk = chunk, .moment = moment, .head = head};
    view.codewords = model->codebooks[g].codewords;
    view.within = moment->end - chunk->base;
    const int64_t last = last_time(scan, moment);
    view.delay = hours_between(last, pass->batch->impressions[moment->first]->time_ms);
    const double since = hours_between(chunk->reference_ms, last);
    const double least = least_decay(kernel);
    for (uint32_t r = 0; r < kernel->kernels; r++) {
        const double decay = (double)kernel->decay[r];
        view.factors[r] = (float)exp(-(decay - least) * view.delay);
        view.base_factors[r] = kernel->weight[head * kernel->kernels + r] * view.factors[r] *
                               (float)exp(-decay * since);
    }
    const size_t columns = loops_padded(view.codewords + view.within);
    view.weights =
        memory_floats(&scan->thread->view_room, columns + view.codewords * model->head_width);
    view.means = view.weights + columns;
    memset(view.weights, 0, columns * sizeof *view.weights);
    if (chunk->base > 0)
        fold(pass, &view);
    else
        memset(view.means, 0, view.codewords * model->head_width * sizeof *view.means);
    weigh_events(scan, &view);
    return view;
}

/* The keys, then the values, of the view's columns. */
static void fill_panel(const train_scan *scan, const scan_view *view, train_panel *panel,
                       bool backward)
{
    const train_pass *pass = scan->pass;
    const train_model *model = pass->model;
    const size_t d = model->head_width, width = model->config.width;
    const uint32_t heads_a_group = model->config.heads / model->config.groups;
    const float *codewords =
        model->codebooks[view->head / heads_a_group].value + (view->head % heads_a_group) * d;
    const float **rows = memory_reserve(&scan->thread->pointer_room, panel->count, sizeof *rows);
    for (size_t a = 0; a < view->codewords; a++)
        rows[a] = codewords + a * model->group_width;
    for (uint32_t i = 0; i < view->within; i++)
        rows[view->codewords + i] =
            pass->seen_keys + slot_of(scan, view->chunk->base + i) * width + view->head * d;
    panel_gather_across(pass, panel, d, rows, panel->keys_across);
    if (backward)
        panel_gather(panel, d, rows, panel->keys);
    for (size_t a = 0; a < view->codewords; a++)
        rows[a] = view->means + a * d;
    for (uint32_t i = 0; i < view->within; i++)
        rows[view->codewords + i] =
            pass->seen_values + slot_of(scan, view->chunk->base + i) * width + view->head * d;
    if (backward)
        panel_gather_across(pass, panel, d, rows, panel->values_across);
    else
        panel_gather(panel, d, rows, panel->values);
}

static train_panel view_panel(const train_scan *scan, const scan_view *view, bool backward)
{
    train_panel made =
        panel_of(scan->pass, scan->thread, view->head, view->codewords + view->within, backward);
    made.weights = view->weights;
    fill_panel(scan, view, &made, backward);
    return made;
}

static void forward_chunk(const train_scan *scan, const scan_chunk *chunk)
{
    const train_pass *pass = scan->pass;
    for (size_t i = 0; i < chunk->count; i++) {
        const train_moment *moment = &chunk->moments[i];
        if (moment->end == 0) {
            direct_forward(pass, scan->thread, moment);
            continue;
        }
        for (uint32_t h = 0; h < pass->model->config.heads; h++) {
            const scan_view view = view_of(scan, chunk, moment, h);
            const train_panel panel = view_panel(scan, &view, false);
            panel_forward(pass, scan->thread, &panel, moment);
        }
    }
}

void scan_forward(const train_pass *pass, pass_thread *thread, const train_moment *moments,
                  size_t count)
{
    uint32_t done = 0;
    for (size_t at = 0; at < count;) {
        train_scan scan = open_scan(pass, thread, moments, count, &at, &done);
        float *cache = memory_floats(&thread->cache_room, scan_cache_size(pass));
        build_first(&scan, cache);
        for (size_t c = 0; c < scan.count; c++) {
            scan.chunks[c].cache = cache;
            forward_chunk(&scan, &scan.chunks[c]);
            if (c + 1 < scan.count)
                advance(&scan, &scan.chunks[c], &scan.chunks[c + 1], cache);
        }
    }
}

/* A chunk's c and terms (scan_debt.h): by head and term [rows, K_g], and by head [rows, stride]. */
typedef struct scan_stack {
    float *alphas; /* of one moment */
    float *shares; /* [H, R, SCAN_CHUNK, most codewords] */
    float *terms;  /* [H, SCAN_CHUNK, stride] */
    size_t most;
} scan_stack;

static scan_stack stack_of(const train_scan *scan)
{
    const train_model *model = scan->pass->model;
    const size_t heads = model->config.heads;
    scan_stack made = {0};
    for (uint32_t g = 0; g < model->config.groups; g++)
        made.most =
            model->codebooks[g].codewords > made.most ? model->codebooks[g].codewords : made.most;
    const size_t alphas = SCAN_CHUNK * loops_padded(made.most + SCAN_CHUNK);
    const size_t shares = heads * model->kernels * SCAN_CHUNK * made.most;
    const size_t terms = heads * SCAN_CHUNK * scan_debt_stride(scan->pass);
    made.alphas = memory_floats(&scan->thread->stack_room, alphas + shares + terms);
    made.shares = made.alphas + alphas;
    made.terms = made.shares + shares;
    return made;
}

static float *stack_shares(const train_scan *scan, const scan_stack *stack, uint32_t head,
                           uint32_t r)
{
    return stack->shares +
           ((size_t)head * scan->pass->model->kernels + r) * SCAN_CHUNK * stack->most;
}

/* Puts the moment's impressions on the stack, from row `first` on. */
static void push(const train_scan *scan, const scan_view *view, const scan_stack *stack,
                 size_t columns, size_t first)
{
    const train_pass *pass = scan->pass;
    const train_moment *moment = view->moment;
    const size_t stride = scan_debt_stride(pass);
    const float hours = (float)hours_between(view->chunk->reference_ms,
                                             pass->batch->impressions[moment->first]->time_ms);
    float *terms = stack->terms + ((size_t)view->head * SCAN_CHUNK + first) * stride;
    for (size_t i = 0; i < moment->count; i++)
        scan_debt_terms(pass, moment->first + i, view->head, hours, terms + i * stride);
    for (uint32_t r = 0; r < pass->kernel.kernels; r++) {
        float *shares = stack_shares(scan, stack, view->head, r) + first * stack->most;
        for (size_t i = 0; i < moment->count; i++, shares += stack->most) {
            const float *alphas = stack->alphas + i * columns;
            for (size_t a = 0; a < view->codewords; a++)
                shares[a] = view->weights[a] > 0.0F
                                ? alphas[a] * view->base_factors[r] / view->weights[a]
                                : 0.0F;
        }
    }
}

/* The slopes of λ and w by the chunk's own events, of whose log κ those are given. */
static void events_backward(const train_scan *scan, const scan_view *view, const float *kappa)
{
    const train_kernel *kernel = &scan->pass->kernel;
    const int64_t last = last_time(scan, view->moment);
    for (uint32_t i = 0; i < view->within; i++) {
        const size_t column = view->codewords + i;
        const double hours = hours_between(scan->events[view->chunk->base + i].time_ms, last);
        float decay[SCAN_TIMES];
        decays(scan->pass, hours, decay);
        if (!(view->weights[column] > 0.0F))
            continue;
        for (uint32_t r = 0; r < kernel->kernels; r++) {
            const size_t at = (size_t)view->head * kernel->kernels + r;
            const double slope =
                (double)(kappa[column] / view->weights[column] * view->factors[r] * decay[r]);
            scan->thread->mixture_slopes[at] += slope;
            scan->thread->decay_slopes[r] -=
                (double)kernel->weight[at] * slope * (hours + view->delay);
        }
    }
}

static void backward_view(const train_scan *scan, const scan_view *view, const scan_stack *stack,
                          size_t first)
{
    const train_pass *pass = scan->pass;
    const float factor = 1.0F / sqrtf((float)pass->model->head_width);
    train_panel panel = view_panel(scan, view, true);
    panel.kappa = memory_floats(&scan->thread->kappa_room, panel.columns);
    memset(panel.kappa, 0, panel.columns * sizeof *panel.kappa);
    panel_backward(pass, scan->thread, &panel, view->moment, stack->alphas);
    for (uint32_t i = 0; i < view->within; i++) {
        const size_t at = (view->codewords + i) * panel.width;
        direct_add(pass, scan->thread, slot_of(scan, view->chunk->base + i), view->head, factor,
                   panel.key_slopes.at + at, panel.value_slopes.at + at);
    }
    events_backward(scan, view, panel.kappa);
    push(scan, view, stack, panel.columns, first);
}

static void backward_chunk(const train_scan *scan, const scan_chunk *chunk, const scan_stack *stack,
                           float *debt)
{
    const train_pass *pass = scan->pass;
    const train_model *model = pass->model;
    const size_t stride = scan_debt_stride(pass);
    size_t rows = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        const train_moment *moment = &chunk->moments[i];
        if (moment->end == 0) {
            direct_backward(pass, scan->thread, moment);
            continue;
        }
        for (uint32_t h = 0; h < model->config.heads; h++) {
            const scan_view view = view_of(scan, chunk, moment, h);
            backward_view(scan, &view, stack, rows);
        }
        rows += moment->count;
    }
    for (uint32_t h = 0; chunk->base > 0 && h < model->config.heads; h++) {
        const uint32_t g = h / (model->config.heads / model->config.groups);
        const loops_input terms = {stack->terms + (size_t)h * SCAN_CHUNK * stride, stride};
        scan->thread->operations +=
            2.0 * (double)(rows * stride * model->kernels) * (double)model->codebooks[g].codewords;
        for (uint32_t r = 0; r < model->kernels; r++)
            pass->loops->spread(rows, model->codebooks[g].codewords, stride,
                                (loops_input){stack_shares(scan, stack, h, r), stack->most}, terms,
                                scan_debt_rows(pass, debt, h, r));
    }
}

/* Pays the events between the bases of two chunks. */
static void pay_between(const train_scan *scan, const scan_chunk *from, const scan_chunk *to,
                        float *debt)
{
    for (uint32_t i = from->base; i < to->base; i++) {
        float weights[SCAN_TIMES], ages[SCAN_TIMES];
        const double hours = hours_between(scan->events[i].time_ms, to->reference_ms);
        decays(scan->pass, hours, weights);
        for (uint32_t r = 0; r < scan->pass->kernel.kernels; r++)
            ages[r] = (float)hours * weights[r];
        scan_debt_pay(scan->pass, scan->thread, debt, slot_of(scan, i), weights, ages);
    }
}

static void pay_first(const train_scan *scan, float *debt)
{
    if (scan->chunks[0].base == 0)
        return;
    const train_columns columns = base_columns(scan, true);
    for (size_t u = 0; u < columns.count; u++) {
        float weights[SCAN_TIMES], ages[SCAN_TIMES];
        for (uint32_t r = 0; r < scan->pass->kernel.kernels; r++) {
            weights[r] = columns.sums[r * columns.padded + u];
            ages[r] = columns.ages[r * columns.padded + u];
        }
        scan_debt_pay(scan->pass, scan->thread, debt, columns.slots[u], weights, ages);
    }
}

void scan_backward(const train_pass *pass, pass_thread *thread, const train_moment *moments,
                   size_t count)
{
    uint32_t done = 0;
    for (size_t at = 0; at < count;) {
        const train_scan scan = open_scan(pass, thread, moments, count, &at, &done);
        build_all(&scan);
        const scan_stack stack = stack_of(&scan);
        const size_t size = scan_debt_size(pass);
        float *debt = memory_floats(&thread->debt_room, size);
        memset(debt, 0, size * sizeof *debt);
        for (size_t c = scan.count; c-- > 0;) {
            const scan_chunk *chunk = &scan.chunks[c];
            if (c + 1 < scan.count) {
                pay_between(&scan, chunk, &scan.chunks[c + 1], debt);
                scan_debt_retreat(
                    pass, debt,
                    hours_between(chunk->reference_ms, scan.chunks[c + 1].reference_ms));
            }
            backward_chunk(&scan, chunk, &stack, debt);
        }
        pay_first(&scan, debt);
    }
}
