/* Training's command line: what becomes of it, and that its defaults are the configuration's. */
#include "options.h"

#include <string.h>
#include <unistd.h>

#include "check_main.h"

enum { MAX_WORDS = 16 };

static train_fields fields;
static command_status status;

/* Reads a command line, split at blanks. */
static bool load(const char *line)
{
    static char text[1024];
    char *words[MAX_WORDS];
    int count = 0;
    fields = (train_fields){0};
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *word = text; *word != '\0';) {
        ck_assert_int_lt(count, MAX_WORDS);
        words[count++] = word;
        word += strcspn(word, " ");
        if (*word == ' ')
            *word++ = '\0';
    }
    return options_begin(count, words, &fields, &status);
}

START_TEST(defaults_are_the_configurations)
{
    ck_assert(load("--data d"));
    train_config expected = train_config_default();
    expected.threads = fields.config.threads;
    expected.attention_count = fields.config.attention_count;
    ck_assert_uint_eq(fields.config.width, expected.width);
    ck_assert_mem_eq(fields.config.codewords, expected.codewords, sizeof expected.codewords);
    ck_assert_mem_eq(fields.config.decay_start, expected.decay_start, sizeof expected.decay_start);
    ck_assert_mem_eq(fields.config.mixture_start, expected.mixture_start,
                     sizeof expected.mixture_start);
    ck_assert_uint_eq(fields.config.hidden_layers, expected.hidden_layers);
    ck_assert_uint_eq(fields.config.hidden[1], expected.hidden[1]);
    ck_assert_int_eq(fields.config.attention, expected.attention);
    ck_assert_int_eq(fields.config.static_context, expected.static_context);
    const struct {
        uint32_t found, wanted;
    } counts[] = {
        {fields.config.heads, expected.heads},
        {fields.config.groups, expected.groups},
        {fields.config.kernels, expected.kernels},
        {fields.config.item_width, expected.item_width},
        {fields.config.field_width, expected.field_width},
        {fields.config.type_width, expected.type_width},
        {fields.config.max_history, expected.max_history},
        {fields.config.epochs, expected.epochs},
        {fields.config.warm_epochs, expected.warm_epochs},
        {fields.config.batch, expected.batch},
        {fields.config.run, expected.run},
        {fields.config.patience, expected.patience},
        {fields.config.reseed_every, expected.reseed_every},
        {(uint32_t)fields.config.seed, (uint32_t)expected.seed},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        ck_assert_msg(counts[i].found == counts[i].wanted, "number %zu", i);
    const struct {
        double found, wanted;
    } numbers[] = {
        {fields.config.rate, expected.rate},
        {fields.config.kernel_rate, expected.kernel_rate},
        {fields.config.hold, expected.hold},
        {fields.config.final_rate, expected.final_rate},
        {fields.config.weight_decay, expected.weight_decay},
        {fields.config.embedding_decay, expected.embedding_decay},
        {fields.config.dropout, expected.dropout},
        {fields.config.commitment, expected.commitment},
        {fields.config.codebook_memory, expected.codebook_memory},
        {fields.config.count_memory, expected.count_memory},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_double_eq(numbers[i].found, numbers[i].wanted);
    options_free(&fields);
}
END_TEST

START_TEST(lists_and_attentions_are_read)
{
    ck_assert(load("--data d --codewords 8,16,32,64 --hidden none --decays 1e-3,2,0.5 "
                   "--mixture -1,0,2.5 --attention top:30"));
    ck_assert_uint_eq(fields.config.codewords[3], 64);
    ck_assert_uint_eq(fields.config.hidden_layers, 0);
    ck_assert_double_eq(fields.config.decay_start[2], 0.5);
    ck_assert_double_eq(fields.config.mixture_start[0], -1.0);
    ck_assert_int_eq(fields.config.attention, ATTENTION_TOP);
    ck_assert_uint_eq(fields.config.attention_count, 30);
    options_free(&fields);
    ck_assert(load("--data d --attention recent:50 --max-history 80"));
    ck_assert_int_eq(fields.config.attention, ATTENTION_EXACT);
    ck_assert_uint_eq(fields.config.max_history, 50);
    options_free(&fields);
    ck_assert(load("--data d --attention search:7"));
    ck_assert_int_eq(fields.config.attention, ATTENTION_SEARCH);
    ck_assert_uint_eq(fields.config.attention_count, 7);
    options_free(&fields);
    ck_assert(load("--data d --attention sdim --separate-context"));
    ck_assert_int_eq(fields.config.attention, ATTENTION_HASH);
    ck_assert(!fields.config.static_context);
    options_free(&fields);
}
END_TEST

START_TEST(files_are_named_after_the_output)
{
    ck_assert(load("--data d --output out/shop-1.safetensors"));
    ck_assert_str_eq(fields.name, "shop-1");
    ck_assert_str_eq(fields.checkpoint, "out/shop-1.safetensors.checkpoint");
    options_free(&fields);
    ck_assert(load("--data d --output o --name n --checkpoint c"));
    ck_assert_str_eq(fields.name, "n");
    ck_assert_str_eq(fields.checkpoint, "c");
    options_free(&fields);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    static const char *const lines[] = {
        "--output o",
        "--data d --attention best",
        "--data d --attention top",
        "--data d --attention top:0",
        "--data d --attention search",
        "--data d --attention recent:x",
        "--data d --attention exact:3",
        "--data d --codewords 1,2",
        "--data d --codewords many",
        "--data d --hidden 64,",
        "--data d --decays 1,2",
        "--data d --decays 1,2,x",
        "--data d --kernels 5",
        "--data d --heads 3",
        "--data d --rate 11",
        "--data d --output o --attention exact",
        "--data d --output o --quantize-values",
        "--data d --resume",
        "--data d --epochs",
        "--data d --no-such-option 3",
        "--data d word",
    };
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ck_assert_msg(!load(lines[i]), "%s", lines[i]);
        ck_assert_int_eq(status, COMMAND_FAILED);
    }
}
END_TEST

START_TEST(what_the_model_follows_from_is_shown)
{
    const char *name;
    char value[OPTIONS_TEXT_BYTES];
    ck_assert(load("--data d --seed 7"));
    ck_assert(options_shown(&fields, 0, &name, value));
    ck_assert_str_eq(name, "attention");
    ck_assert_str_eq(value, "vql");
    size_t count = 0;
    while (options_shown(&fields, count, &name, value))
        count++;
    ck_assert_str_eq(name, "seed");
    ck_assert_str_eq(value, "7");
    options_free(&fields);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_options");
    TCase *tests = tcase_create("options");
    tcase_add_test(tests, defaults_are_the_configurations);
    tcase_add_test(tests, lists_and_attentions_are_read);
    tcase_add_test(tests, files_are_named_after_the_output);
    tcase_add_test(tests, what_does_not_fit_is_refused);
    tcase_add_test(tests, what_the_model_follows_from_is_shown);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
