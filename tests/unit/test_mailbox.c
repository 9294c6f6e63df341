#include <pthread.h>
#include <sched.h>

#include "check_main.h"
#include "mailbox.h"

enum { CAPACITY = 64, WRITERS = 3, JOBS = 20000 };

START_TEST(keeps_order_and_bound)
{
    static job jobs[CAPACITY + 1];
    mailbox *m = mailbox_new(CAPACITY);
    ck_assert_ptr_nonnull(m);
    for (int round = 0; round < 3; round++) {
        ck_assert_ptr_null(mailbox_take(m));
        for (size_t i = 0; i < CAPACITY; i++)
            ck_assert(mailbox_put(m, &jobs[i]));
        ck_assert(!mailbox_put(m, &jobs[CAPACITY]));
        for (size_t i = 0; i < CAPACITY; i++)
            ck_assert_ptr_eq(mailbox_take(m), &jobs[i]);
    }
    mailbox_free(m);
}
END_TEST

typedef struct writer {
    mailbox *m;
    job *jobs; /* [JOBS] */
} writer;

static void *write_jobs(void *argument)
{
    const writer *w = argument;
    for (size_t i = 0; i < JOBS; i++)
        while (!mailbox_put(w->m, &w->jobs[i]))
            (void)sched_yield();
    return NULL;
}

/* Every job of every thread arrives once, and each thread's jobs in their order. */
START_TEST(many_threads_write)
{
    static job jobs[WRITERS][JOBS];
    size_t next[WRITERS] = {0};
    pthread_t threads[WRITERS];
    writer writers[WRITERS];
    mailbox *m = mailbox_new(CAPACITY);
    for (uint32_t w = 0; w < WRITERS; w++) {
        for (size_t i = 0; i < JOBS; i++) {
            jobs[w][i].origin = w;
            jobs[w][i].user_id = i;
        }
        writers[w] = (writer){.m = m, .jobs = jobs[w]};
        ck_assert_int_eq(pthread_create(&threads[w], NULL, write_jobs, &writers[w]), 0);
    }
    for (size_t taken = 0; taken < (size_t)WRITERS * JOBS;) {
        const job *j = mailbox_take(m);
        if (!j) {
            (void)sched_yield();
            continue;
        }
        ck_assert_uint_eq(j->user_id, next[j->origin]);
        next[j->origin]++;
        taken++;
    }
    for (size_t w = 0; w < WRITERS; w++)
        ck_assert_int_eq(pthread_join(threads[w], NULL), 0);
    ck_assert_ptr_null(mailbox_take(m));
    mailbox_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailbox");
    TCase *test = tcase_create("mailbox");
    tcase_set_timeout(test, 60);
    tcase_add_test(test, keeps_order_and_bound);
    tcase_add_test(test, many_threads_write);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
