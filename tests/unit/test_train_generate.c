/* Generated logs: that the interest is where it is said to be, and nowhere else. */
#include "generate.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "dataset.h"
#include "log_folder.h"

enum { TOPICS = 3, LENGTH = 1200 };

static const generate_spec spec = {
    .users = 60, .items = 80, .topics = TOPICS, .length = LENGTH, .impressions = 30, .seed = 5};

static log_folder folder;
static vql_error error;

static void set_up(void)
{
    log_folder_make(&folder);
    (void)log_folder_file(&folder, "events.tsv.gz");
    (void)log_folder_file(&folder, "impressions.tsv.gz");
    (void)log_folder_file(&folder, "items.tsv.gz");
}

static void tear_down(void)
{
    log_folder_remove(&folder);
}

static dataset *generate(const generate_spec *wanted)
{
    dataset *data;
    for (int i = 0; i < folder.count; i++)
        (void)unlink(folder.files[i]);
    ck_assert_msg(generate_log(wanted, folder.path, &error) == VQL_OK, "%s", error.text);
    ck_assert_msg(dataset_read(folder.path, 0, &data, &error) == VQL_OK, "%s", error.text);
    return data;
}

/* The type of that name. */
static uint32_t type_of(const dataset *data, const char *name)
{
    uint32_t type = 0;
    while (strcmp(data->event_type_names[type], name) != 0)
        ck_assert_uint_lt(++type, data->event_types);
    return type;
}

/* How many of a user's events `first` … `last` - 1 are of an item and a type. */
static uint32_t count_events(const dataset *data, uint32_t user, size_t first, size_t last,
                             uint64_t item, uint32_t type)
{
    uint32_t count = 0;
    for (size_t i = data->starts[user] + first; i < data->starts[user] + last; i++)
        count += data->item_ids[data->events[i].row] == item && data->events[i].type == type;
    return count;
}

START_TEST(a_topic_is_liked_three_to_one_or_one_to_three)
{
    dataset *data = generate(&spec);
    const uint32_t like = type_of(data, "like");
    const uint32_t skip = type_of(data, "skip");
    uint32_t interested = 0;
    for (uint32_t user = 0; user < spec.users; user++) {
        ck_assert_uint_eq(data->starts[user + 1] - data->starts[user], LENGTH + spec.impressions);
        for (uint64_t item = 1; item <= TOPICS; item++) {
            const uint32_t likes = count_events(data, user, 0, LENGTH, item, like);
            const uint32_t skips = count_events(data, user, 0, LENGTH, item, skip);
            ck_assert_uint_ge(likes + skips, GENERATE_BLOCK);
            ck_assert(likes == 3 * skips || skips == 3 * likes);
            interested += likes > skips;
        }
    }
    ck_assert_uint_eq(interested, spec.users * TOPICS / 2);
    dataset_free(data);
}
END_TEST

enum { FILLER = 300 }; /* events of it that are looked at; there are more */

/* Writes the rows of a user's first events of filler. */
static void find_filler(const dataset *data, uint32_t user, uint32_t view, uint32_t *rows)
{
    size_t found = 0;
    for (size_t i = data->starts[user]; i < data->starts[user + 1] && found < FILLER; i++)
        if (data->events[i].type == view)
            rows[found++] = data->events[i].row;
    ck_assert_uint_eq(found, FILLER);
}

START_TEST(filler_tells_nothing)
{
    dataset *data = generate(&spec);
    uint32_t first[FILLER];
    uint32_t rows[FILLER];
    find_filler(data, 0, type_of(data, "view"), first);
    for (size_t s = 0; s < SPLITS; s++) {
        for (size_t i = 0; i < data->splits[s].count; i++) {
            const train_impression *at = &data->splits[s].at[i];
            ck_assert_uint_ge(at->history, LENGTH);
            /* The latest events are those of user 0, of the same times. */
            const size_t recent = at->history - GENERATE_RECENT;
            ck_assert_mem_eq(&data->events[data->starts[at->user] + recent],
                             &data->events[data->starts[0] + recent],
                             GENERATE_RECENT * sizeof *data->events);
        }
    }
    for (uint32_t user = 1; user < spec.users; user++) {
        find_filler(data, user, type_of(data, "view"), rows);
        ck_assert_mem_eq(rows, first, sizeof rows);
    }
    dataset_free(data);
}
END_TEST

START_TEST(labels_follow_the_interest_in_the_candidates_topic)
{
    dataset *data = generate(&spec);
    const uint32_t like = type_of(data, "like");
    const train_field *topics = &data->fields[0];
    size_t right = 0;
    size_t total = 0;
    for (size_t s = 0; s < SPLITS; s++) {
        for (size_t i = 0; i < data->splits[s].count; i++, total++) {
            const train_impression *at = &data->splits[s].at[i];
            const uint32_t topic = topics->indices[topics->offsets[at->row]];
            uint64_t item = 1;
            while (topics->indices[topics->offsets[item]] != topic)
                item++;
            ck_assert_uint_le(item, TOPICS);
            ck_assert_uint_gt(data->item_ids[at->row], TOPICS);
            const uint32_t likes = count_events(data, at->user, 0, LENGTH, item, like);
            right += at->labels[0] == (likes > GENERATE_BLOCK / 2);
        }
    }
    /* 1,800 draws of probability 0.9 are 3 % off once in 20,000 times. */
    ck_assert_double_eq_tol((double)right / (double)total, GENERATE_BEST_AUC, 0.03);
    dataset_free(data);
}
END_TEST

START_TEST(a_seed_is_a_log)
{
    uint64_t found[3];
    for (size_t i = 0; i < 3; i++) {
        generate_spec wanted = spec;
        wanted.seed = i < 2 ? 5 : 6;
        dataset *data = generate(&wanted);
        found[i] = dataset_fingerprint(data);
        dataset_free(data);
    }
    ck_assert_uint_eq(found[0], found[1]);
    ck_assert_uint_ne(found[0], found[2]);
}
END_TEST

START_TEST(what_is_out_of_range_is_named)
{
    generate_spec wanted = spec;
    wanted.length = 900;
    ck_assert_int_eq(generate_log(&wanted, folder.path, &error), VQL_VALUE);
    ck_assert_str_eq(error.text, "length is 900, but with 3 topics lies between 968 and 500000");
    wanted = spec;
    wanted.items = 42;
    ck_assert_int_eq(generate_log(&wanted, folder.path, &error), VQL_VALUE);
    ck_assert_ptr_nonnull(strstr(error.text, "items is 42, but with 3 topics lies between 43"));
    dataset_free(generate(&spec));
    ck_assert_int_eq(generate_log(&spec, folder.path, &error), VQL_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.text, "items.tsv.gz: File exists"));
    ck_assert_int_eq(generate_log(&spec, "/nowhere/at/all", &error), VQL_FORMAT);
    ck_assert_str_eq(error.text, "/nowhere/at/all: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_generate");
    TCase *tests = tcase_create("generate");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_topic_is_liked_three_to_one_or_one_to_three);
    tcase_add_test(tests, filler_tells_nothing);
    tcase_add_test(tests, labels_follow_the_interest_in_the_candidates_topic);
    tcase_add_test(tests, a_seed_is_a_log);
    tcase_add_test(tests, what_is_out_of_range_is_named);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
