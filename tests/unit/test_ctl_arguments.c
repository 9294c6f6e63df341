/*
 * vqlctl's command line: where a value comes from, and what is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "ctl_arguments.h"

static ctl_exit run(const ctl_arguments *arguments)
{
    (void)arguments;
    return CTL_OK;
}

static const ctl_option options[] = {
    {"count", "VQL_TEST_COUNT", "N", "7", "a number"},
    {"file", "VQL_TEST_FILE", "FILE", NULL, "a text without a default"},
    {"quick", "VQL_TEST_QUICK", NULL, NULL, "a switch"},
};

static const ctl_command copy = {
    .name = "copy",
    .operands = "FROM [TO]",
    .min_operands = 1,
    .max_operands = 2,
    .help = "Copies.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};

static const ctl_command list = {.name = "list", .operands = "", .help = "Lists.", .run = run};

static const ctl_command *const commands[] = {&copy, &list};

/* Parses a command line, its words separated by one space, which lives until the next one. */
static ctl_parse_result parse(ctl_arguments *arguments, const char *line)
{
    static char text[128];
    static char program[] = "vqlctl";
    static char *words[16];
    ck_assert_uint_lt(strlen(line), sizeof text);
    memcpy(text, line, strlen(line) + 1);
    int count = 0;
    words[count++] = program;
    for (char *word = text; word != NULL && *word != '\0';) {
        ck_assert_int_lt(count, 15);
        words[count++] = word;
        word = strchr(word, ' ');
        if (word != NULL)
            *word++ = '\0';
    }
    words[count] = NULL;
    return ctl_parse(count, words, commands, 2, arguments);
}

START_TEST(options_and_operands_may_be_mixed)
{
    ctl_arguments a;
    ck_assert_int_eq(parse(&a, "--server h:1 copy x --count=3 y --quick"), CTL_PARSED);
    ck_assert_ptr_eq(a.command, &copy);
    ck_assert_int_eq(a.operand_count, 2);
    ck_assert_str_eq(a.operands[0], "x");
    ck_assert_str_eq(a.operands[1], "y");
    ck_assert_str_eq(ctl_text(&a, "server"), "h:1");
    uint64_t count = 0;
    ck_assert(ctl_number(&a, "count", 1, 10, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert(ctl_switch(&a, "quick"));
    ck_assert_ptr_null(ctl_text(&a, "file"));
}
END_TEST

START_TEST(the_command_line_wins_over_the_environment_and_that_over_the_default)
{
    ctl_arguments a;
    uint64_t count = 0;
    ck_assert_int_eq(parse(&a, "copy x"), CTL_PARSED);
    ck_assert(ctl_number(&a, "count", 1, 10, &count));
    ck_assert_uint_eq(count, 7);
    ck_assert(!ctl_switch(&a, "quick"));
    ck_assert_int_eq(setenv("VQL_TEST_COUNT", "8", 1), 0);
    ck_assert_int_eq(setenv("VQL_TEST_QUICK", "1", 1), 0);
    ck_assert(ctl_number(&a, "count", 1, 10, &count));
    ck_assert_uint_eq(count, 8);
    ck_assert(ctl_switch(&a, "quick"));
    ck_assert_int_eq(setenv("VQL_TEST_QUICK", "0", 1), 0);
    ck_assert(!ctl_switch(&a, "quick"));
    ck_assert_int_eq(parse(&a, "copy x --count 9"), CTL_PARSED);
    ck_assert(ctl_number(&a, "count", 1, 10, &count));
    ck_assert_uint_eq(count, 9);
}
END_TEST

START_TEST(numbers_have_ranges)
{
    ctl_arguments a;
    uint64_t count = 77;
    ck_assert_int_eq(parse(&a, "copy 12x --count 11"), CTL_PARSED);
    ck_assert(!ctl_number(&a, "count", 1, 10, &count));
    ck_assert(!ctl_number(&a, "count", 12, 20, &count));
    ck_assert_uint_eq(count, 77);
    ck_assert(ctl_number(&a, "count", 11, 11, &count));
    ck_assert(!ctl_operand_number(&a, 0, "FROM", &count));
}
END_TEST

START_TEST(formats_are_table_and_json)
{
    ctl_arguments a;
    bool json = true;
    ck_assert_int_eq(parse(&a, "list"), CTL_PARSED);
    ck_assert(ctl_format(&a, &json));
    ck_assert(!json);
    ck_assert_int_eq(parse(&a, "list --format json"), CTL_PARSED);
    ck_assert(ctl_format(&a, &json));
    ck_assert(json);
    ck_assert_int_eq(parse(&a, "list --format xml"), CTL_PARSED);
    ck_assert(!ctl_format(&a, &json));
}
END_TEST

START_TEST(wrong_command_lines_are_refused)
{
    ctl_arguments a;
    ck_assert_int_eq(parse(&a, ""), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "remove"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "copy"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "copy 1 2 3"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "list 1"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "copy x --slow"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "list --count 1"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "--count 1 copy x"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "copy x --count"), CTL_WRONG);
    ck_assert_int_eq(parse(&a, "copy x --quick=1"), CTL_WRONG);
}
END_TEST

START_TEST(help_and_version_are_answered)
{
    ctl_arguments a;
    ck_assert_int_eq(parse(&a, "--help"), CTL_ANSWERED);
    ck_assert_int_eq(parse(&a, "--version"), CTL_ANSWERED);
    ck_assert_int_eq(parse(&a, "copy --help"), CTL_ANSWERED);
}
END_TEST

START_TEST(a_secret_leaves_the_command_line)
{
    char program[] = "vqlctl", name[] = "copy", flag[] = "--token", secret[] = "s3cret",
         from[] = "a";
    char *words[] = {program, name, flag, secret, from, NULL};
    ctl_arguments a;
    ck_assert_int_eq(ctl_parse(5, words, commands, 2, &a), CTL_PARSED);
    ck_assert(ctl_hide(&a, "token"));
    ck_assert_str_eq(secret, "******");
    ck_assert_str_eq(ctl_text(&a, "token"), "s3cret");
}
END_TEST

static Suite *arguments_suite(void)
{
    Suite *suite = suite_create("ctl_arguments");
    TCase *tests = tcase_create("arguments");
    tcase_add_test(tests, options_and_operands_may_be_mixed);
    tcase_add_test(tests, the_command_line_wins_over_the_environment_and_that_over_the_default);
    tcase_add_test(tests, numbers_have_ranges);
    tcase_add_test(tests, formats_are_table_and_json);
    tcase_add_test(tests, wrong_command_lines_are_refused);
    tcase_add_test(tests, help_and_version_are_answered);
    tcase_add_test(tests, a_secret_leaves_the_command_line);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return check_main(arguments_suite());
}
