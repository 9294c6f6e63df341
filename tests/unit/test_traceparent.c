/* W3C Trace Context: what is a traceparent, and what is to be ignored. */
#include "traceparent.h"

#include <stddef.h>

#include "check_main.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

START_TEST(a_valid_one_is_taken_apart)
{
    traceparent t;
    ck_assert(traceparent_parse("00-" TRACE "-" PARENT "-01", &t));
    ck_assert_str_eq(t.trace_id, TRACE);
    ck_assert_str_eq(t.parent_id, PARENT);
    ck_assert(t.sampled);
    ck_assert(traceparent_parse("00-" TRACE "-" PARENT "-fe", &t));
    ck_assert(!t.sampled);
    ck_assert(traceparent_parse("00-" TRACE "-" PARENT "-0b", &t));
    ck_assert(t.sampled);
}
END_TEST

START_TEST(later_versions_may_have_more)
{
    traceparent t;
    ck_assert(traceparent_parse("cc-" TRACE "-" PARENT "-01", &t));
    ck_assert(traceparent_parse("cc-" TRACE "-" PARENT "-01-what-the-future-will-be", &t));
    ck_assert(traceparent_parse("01-" TRACE "-" PARENT "-00-", &t));
    ck_assert(!traceparent_parse("cc-" TRACE "-" PARENT "-01.more", &t));
    ck_assert(!traceparent_parse("ff-" TRACE "-" PARENT "-01", &t));
}
END_TEST

START_TEST(anything_else_is_ignored)
{
    static const char *const texts[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-01-",
        "00-" TRACE "-" PARENT "-01 ",
        " 00-" TRACE "-" PARENT "-01",
        "0-" TRACE "-" PARENT "-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "_" PARENT "-01",
        "00-" TRACE "-" PARENT "_01",
        "0g-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0G",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e473z-" PARENT "-01",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        traceparent t = {.trace_id = "before"};
        ck_assert_msg(!traceparent_parse(texts[i], &t), "%s", texts[i]);
        ck_assert_str_eq(t.trace_id, "before");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("traceparent");
    TCase *t = tcase_create("traceparent");
    tcase_add_test(t, a_valid_one_is_taken_apart);
    tcase_add_test(t, later_versions_may_have_more);
    tcase_add_test(t, anything_else_is_ignored);
    suite_add_tcase(s, t);
    return check_main(s);
}
