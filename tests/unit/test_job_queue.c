#include "check_main.h"
#include "job_queue.h"

enum { JOBS = 100 };

static job jobs[JOBS];
static job_queue q;

static void setup(void)
{
    ck_assert(job_queue_init(&q, JOBS));
}

static void teardown(void)
{
    job_queue_clear(&q);
}

/* Due times in an order that a heap has work with, each twice. */
static void fill(void)
{
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (job){.due_ns = 10 + i * 37 % JOBS / 2};
        job_queue_push(&q, &jobs[i]);
    }
}

START_TEST(the_earliest_leaves_first_and_equals_in_their_order)
{
    fill();
    const job *last = job_queue_pop(&q);
    for (size_t i = 1; i < JOBS; i++) {
        const job *j = job_queue_pop(&q);
        ck_assert_uint_ge(j->due_ns, last->due_ns);
        if (j->due_ns == last->due_ns)
            ck_assert(j > last);
        last = j;
    }
    ck_assert_ptr_null(job_queue_pop(&q));
}
END_TEST

static bool is_odd(void *context, job *j)
{
    (void)context;
    return j->due_ns % 2 == 1;
}

START_TEST(what_is_removed_is_gone_and_the_rest_in_order)
{
    fill();
    size_t removed = 0;
    for (const job *j = job_queue_remove(&q, is_odd, NULL); j; j = j->next_queued, removed++)
        ck_assert_uint_eq(j->due_ns % 2, 1);
    ck_assert_uint_eq(removed, JOBS / 2);
    uint64_t last_ns = 0;
    for (const job *j = job_queue_pop(&q); j; j = job_queue_pop(&q), removed++) {
        ck_assert_uint_eq(j->due_ns % 2, 0);
        ck_assert_uint_ge(j->due_ns, last_ns);
        last_ns = j->due_ns;
    }
    ck_assert_uint_eq(removed, JOBS);
}
END_TEST

START_TEST(nothing_is_removed_from_nothing)
{
    ck_assert_ptr_null(job_queue_remove(&q, is_odd, NULL));
    ck_assert_ptr_null(job_queue_pop(&q));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job_queue");
    TCase *test = tcase_create("job_queue");
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, the_earliest_leaves_first_and_equals_in_their_order);
    tcase_add_test(test, what_is_removed_is_gone_and_the_rest_in_order);
    tcase_add_test(test, nothing_is_removed_from_nothing);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
