#include "options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "decimal.h"
#include "export.h"

#define FIELD(name) offsetof(train_fields, name)

enum {
    LIST_BYTES = 500,
    SHOWN_FIRST = 10, /* the model follows from the options from `attention` on */
};

static const char *const forms[] = {
    [FORM_AUTO] = "auto", [FORM_DIRECT] = "direct", [FORM_SCAN] = "scan", NULL};

static const option options[] = {
    {"data", OPTION_FILE, FIELD(data), NULL, 0, 0, NULL,
     "The folder of events, impressions and items. Required."},
    {"output", OPTION_FILE, FIELD(output), NULL, 0, 0, NULL,
     "The model file to write, which vqld serves; of attention vql alone."},
    {"name", OPTION_TEXT, FIELD(name), NULL, 1, 127, NULL,
     "The model's name, by which requests may ask for it; the output's file name if not given."},
    {"checkpoint", OPTION_FILE, FIELD(checkpoint), NULL, 0, 0, NULL,
     "Where training is saved now and then, and when it is stopped; OUTPUT.checkpoint if not "
     "given. Removed at the end."},
    {"checkpoint-seconds", OPTION_COUNT, FIELD(checkpoint_seconds), "300", 1, 1000000, NULL,
     "How often it is saved."},
    {"resume", OPTION_FLAG, FIELD(resume), "false", 0, 0, NULL,
     "Go on from the checkpoint; the options and the data must be those that it was made with."},
    {"metrics", OPTION_FILE, FIELD(metrics), NULL, 0, 0, NULL,
     "A file of figures to write, a JSON object a line."},
    {"report", OPTION_FILE, FIELD(report), NULL, 0, 0, NULL,
     "A page of plots to write when training ends, in HTML."},
    {"threads", OPTION_COUNT, FIELD(threads), "0", 0, TRAIN_MAX_THREADS, NULL,
     "0: one for each core. Results are the same for the same number."},
    {"config", OPTION_FILE, FIELD(config_file), NULL, 0, 0, NULL,
     "A file of lines \"name = value\" for any of these options but this one."},
    {"attention", OPTION_TEXT, FIELD(attention), "vql", 1, 32, NULL,
     "vql; exact, over the whole history, the last N events (recent:N), the N of each head's "
     "largest logits (top:N) or the N most like the candidate (search:N); sdim (hashing); mean; "
     "none."},
    {"heads", OPTION_COUNT, FIELD(config.heads), "4", 1, 256, NULL, "H."},
    {"groups", OPTION_COUNT, FIELD(config.groups), "4", 1, TRAIN_MAX_GROUPS, NULL,
     "G, which divides the heads: each has a codebook of its own."},
    {"codewords", OPTION_TEXT, FIELD(codewords), "256", 1, LIST_BYTES, NULL,
     "K: one number, or one for each group, joined by commas."},
    {"width", OPTION_COUNT, FIELD(config.width), "64", 1, 4096, NULL, "D."},
    {"kernels", OPTION_COUNT, FIELD(config.kernels), "3", 0, TRAIN_MAX_KERNELS, NULL,
     "R, the terms of the temporal kernel; 0: time plays no part."},
    {"decays", OPTION_TEXT, FIELD(decays), NULL, 1, LIST_BYTES, NULL,
     "What the kernel's decays begin with, per hour, joined by commas; 1e-6, 1/720 and 1/24 if not "
     "given."},
    {"mixture", OPTION_TEXT, FIELD(mixture), NULL, 1, LIST_BYTES, NULL,
     "What the logits of the kernel's weights begin with, joined by commas; 2, 0 and 0 if not "
     "given."},
    {"item-width", OPTION_COUNT, FIELD(config.item_width), "32", 1, 4096, NULL, "E."},
    {"field-width", OPTION_COUNT, FIELD(config.field_width), "16", 1, 4096, NULL,
     "The width of a field's embedding."},
    {"type-width", OPTION_COUNT, FIELD(config.type_width), "8", 1, 4096, NULL,
     "The width of an event type's embedding."},
    {"hidden", OPTION_TEXT, FIELD(hidden), "64,32", 1, LIST_BYTES, NULL,
     "The head's hidden layers, joined by commas, or none."},
    {"max-history", OPTION_COUNT, FIELD(config.max_history), "1000000", 1, DATASET_MAX_HISTORY,
     NULL, "The last events that an impression sees."},
    {"separate-context", OPTION_FLAG, FIELD(separate_context), "false", 0, 0, NULL,
     "Keys and values see the item's own embedding alone, not its fields nor the event's type."},
    {"quantize-values", OPTION_FLAG, FIELD(config.quantize_values), "false", 0, 0, NULL,
     "Quantize values, too: an ablation, which no file holds."},
    {"form", OPTION_CHOICE, FIELD(config.form), "auto", 0, 0, forms,
     "How attention is computed in training; the results are the same but for rounding."},
    {"min-count", OPTION_COUNT, FIELD(min_count), "2", 0, UINT32_MAX, NULL,
     "Items and field values that occur in training fewer times are taken for unknown."},
    {"epochs", OPTION_COUNT, FIELD(config.epochs), "9", 1, 100000, NULL,
     "How often all impressions are learned from."},
    {"warm-epochs", OPTION_COUNT, FIELD(config.warm_epochs), "4", 0, 100000, NULL,
     "So many of them with exact attention, before there are codebooks."},
    {"patience", OPTION_COUNT, FIELD(config.patience), "3", 0, 100000, NULL,
     "Stop after so many epochs without a better validation. 0: never."},
    {"batch", OPTION_COUNT, FIELD(config.batch), "2048", 1, 1 << 24, NULL,
     "Impressions of a step."},
    {"run", OPTION_COUNT, FIELD(config.run), "16", 1, 1 << 24, NULL,
     "Impressions of one user that come together in a step; 1: each by itself."},
    {"rate", OPTION_REAL, FIELD(config.rate), "1e-3", 0, 10, NULL, "AdamW's learning rate."},
    {"kernel-rate", OPTION_REAL, FIELD(config.kernel_rate), "1e-2", 0, 10, NULL,
     "The learning rate of the temporal kernel."},
    {"hold", OPTION_REAL, FIELD(config.hold), "0.4", 0, 1, NULL,
     "The part of the steps at the full rate; it then falls in a line."},
    {"final-rate", OPTION_REAL, FIELD(config.final_rate), "0.01", 0, 1, NULL,
     "What part of the rate is left in the end."},
    {"weight-decay", OPTION_REAL, FIELD(config.weight_decay), "1e-4", 0, 100, NULL,
     "AdamW's decay of weights."},
    {"embedding-decay", OPTION_REAL, FIELD(config.embedding_decay), "1", 0, 100, NULL,
     "The same of items' and fields' embeddings."},
    {"dropout", OPTION_REAL, FIELD(config.dropout), "0", 0, 1, NULL,
     "The part of the hidden layers that is left out at random."},
    {"commitment", OPTION_REAL, FIELD(config.commitment), "0.01", 0, 100, NULL,
     "What a key's distance from its codeword weighs in the loss."},
    {"codebook-memory", OPTION_REAL, FIELD(config.codebook_memory), "0.95", 0, 1, NULL,
     "What part of a codeword's running mean a step keeps."},
    {"count-memory", OPTION_REAL, FIELD(config.count_memory), "0.995", 0, 1, NULL,
     "What part of the items' running counts a step keeps."},
    {"reseed-every", OPTION_COUNT, FIELD(config.reseed_every), "20", 0, 1 << 24, NULL,
     "Steps after which codewords that are not in use are drawn anew. 0: never."},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, UINT32_MAX, NULL,
     "What all that is random follows from."},
};
enum { OPTION_TOTAL = sizeof options / sizeof options[0] };

static const command_usage usage = {
    "Usage: vql-train --data FOLDER --output MODEL [--option value | --option=value]...\n"
    "       vql-train evaluate MODEL --data FOLDER ...\n"
    "       vql-train generate FOLDER ...\n"
    "Learns a model from a log; evaluates one; makes a log to try it on. Each has its own --help.\n"
    "An option may also be given by its variable, or by a line of the file of --config; the\n"
    "command line goes before a variable, a variable before the file.\n\n",
    {options, OPTION_TOTAL},
    NULL,
};

/* ---- values made of texts ---- */

/* Reads "3,5" as at most `room` numbers; returns how many, or 0 when it is no such list. */
static uint32_t parse_counts(const char *text, uint32_t *out, uint32_t room)
{
    for (uint32_t count = 0; count < room;) {
        uint64_t number;
        const size_t length = strcspn(text, ",");
        if (!decimal_parse(text, length, UINT32_MAX, &number))
            return 0;
        out[count++] = (uint32_t)number;
        if (text[length] == '\0')
            return count;
        text += length + 1;
    }
    return 0;
}

/* The same of numbers with points, signs and exponents. */
static uint32_t parse_reals(const char *text, double *out, uint32_t room)
{
    for (uint32_t count = 0; count < room;) {
        char *end;
        out[count] = strtod(text, &end);
        if (end == text || !isfinite(out[count]))
            return 0;
        count++;
        if (*end == '\0')
            return count;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
    return 0;
}

/* Reads the N of "recent:N". */
static bool parse_count(const char *text, uint32_t *count)
{
    return *text == ':' && parse_counts(text + 1, count, 1) == 1 && *count > 0;
}

static bool set_attention(const char *text, train_config *config)
{
    static const struct {
        const char *name;
        train_attention attention;
    } names[] = {
        {"vql", ATTENTION_VQL},   {"exact", ATTENTION_EXACT},   {"recent", ATTENTION_EXACT},
        {"top", ATTENTION_TOP},   {"search", ATTENTION_SEARCH}, {"sdim", ATTENTION_HASH},
        {"mean", ATTENTION_MEAN}, {"none", ATTENTION_NONE},
    };
    const size_t length = strcspn(text, ":");
    uint32_t count = UINT32_MAX;
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] &&
           (strlen(names[i].name) != length || strncmp(names[i].name, text, length) != 0))
        i++;
    if (i == sizeof names / sizeof names[0])
        return false;
    config->attention = names[i].attention;
    if (strncmp(text, "recent", length) == 0) {
        const bool parsed = parse_count(text + length, &count);
        config->max_history = count < config->max_history ? count : config->max_history;
        return parsed;
    }
    if (train_config_chooses(config))
        return parse_count(text + length, &config->attention_count);
    return text[length] == '\0';
}

static bool set_codewords(const char *text, train_config *config)
{
    const uint32_t count = parse_counts(text, config->codewords, TRAIN_MAX_GROUPS);
    for (uint32_t g = 1; count == 1 && g < TRAIN_MAX_GROUPS; g++)
        config->codewords[g] = config->codewords[0];
    return count == 1 || count == config->groups;
}

static bool set_hidden(const char *text, train_config *config)
{
    if (strcmp(text, "none") == 0)
        return true;
    config->hidden_layers = parse_counts(text, config->hidden, TRAIN_MAX_HIDDEN);
    return config->hidden_layers > 0;
}

/* Sets the kernel's beginning: given, or as far as there is a default. */
static bool set_reals(const char *text, const double *fallback, uint32_t kernels, double *out)
{
    if (text != NULL)
        return parse_reals(text, out, TRAIN_MAX_KERNELS) == kernels;
    memcpy(out, fallback, TRAIN_MAX_KERNELS * sizeof *out);
    return kernels <= train_config_default().kernels;
}

/* Makes the configuration of what was given. */
static command_status finish(train_fields *fields)
{
    const train_config fallback = train_config_default();
    train_config *config = &fields->config;
    vql_error error;
    config->seed = fields->seed;
    config->threads = command_threads(fields->threads);
    config->static_context = !fields->separate_context;
    if (fields->data == NULL)
        return command_fail("data: required: --data FOLDER, VQL_DATA, or a line of the file of "
                            "--config");
    if (!set_attention(fields->attention, config))
        return command_fail("attention is \"%s\", but takes vql, exact, recent:N, top:N, "
                            "search:N, sdim, mean, none",
                            fields->attention);
    if (!set_codewords(fields->codewords, config))
        return command_fail("codewords is \"%s\", but takes one number, or %u joined by commas",
                            fields->codewords, config->groups);
    if (!set_hidden(fields->hidden, config))
        return command_fail("hidden is \"%s\", but takes none, or 1 to %d numbers joined by commas",
                            fields->hidden, TRAIN_MAX_HIDDEN);
    if (!set_reals(fields->decays, fallback.decay_start, config->kernels, config->decay_start))
        return command_fail("decays: takes %u numbers joined by commas, one a kernel",
                            config->kernels);
    if (!set_reals(fields->mixture, fallback.mixture_start, config->kernels, config->mixture_start))
        return command_fail("mixture: takes %u numbers joined by commas, one a kernel",
                            config->kernels);
    if (train_config_check(config, &error) != VQL_OK ||
        (fields->output != NULL && export_check(config, &error) != VQL_OK))
        return command_fail("%s", error.text);
    return COMMAND_DONE;
}

/* Names what the output's name says. False when there is no memory. */
static bool name_files(train_fields *fields)
{
    if (fields->output == NULL)
        return true;
    const size_t length = strlen(fields->output);
    if (fields->checkpoint == NULL) {
        static const char ending[] = ".checkpoint";
        fields->checkpoint = malloc(length + sizeof ending);
        if (fields->checkpoint == NULL)
            return false;
        memcpy(fields->checkpoint, fields->output, length);
        memcpy(fields->checkpoint + length, ending, sizeof ending);
    }
    if (fields->name == NULL) {
        const char *slash = strrchr(fields->output, '/');
        fields->name = strdup(slash != NULL ? slash + 1 : fields->output);
        if (fields->name == NULL)
            return false;
        char *dot = strrchr(fields->name, '.');
        if (dot != NULL && dot != fields->name)
            *dot = '\0';
    }
    return true;
}

bool options_begin(int argc, char *const *argv, train_fields *fields, command_status *status)
{
    if (!command_begin(&usage, argc, argv, fields, NULL, status))
        return false;
    *status = finish(fields);
    if (*status == COMMAND_DONE && !name_files(fields))
        *status = command_fail("no memory for the names of files");
    if (*status == COMMAND_DONE && fields->resume && fields->checkpoint == NULL)
        *status = command_fail("resume: needs checkpoint or output");
    if (*status != COMMAND_DONE)
        options_free(fields);
    return *status == COMMAND_DONE;
}

void options_free(train_fields *fields)
{
    settings_free(&usage.table, fields);
}

bool options_shown(const train_fields *fields, size_t i, const char **name, char *value)
{
    if (i >= OPTION_TOTAL - SHOWN_FIRST)
        return false;
    const option *o = &options[SHOWN_FIRST + i];
    *name = o->name;
    return option_text(o, fields, value, OPTIONS_TEXT_BYTES);
}
