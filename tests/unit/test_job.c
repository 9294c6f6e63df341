#include "check_main.h"
#include "job.h"
#include "limit.h"

static job_pool pool;
static ledger bytes;

static void setup(void)
{
    bytes = (ledger){.limit = SIZE_MAX / 2};
    pool = (job_pool){.ledger = &bytes};
}

static void teardown(void)
{
    job_pool_clear(&pool);
    ck_assert_uint_eq(bytes.used, 0);
    ck_assert_uint_eq(pool.taken, 0);
}

/* A burst of large requests leaves no more behind than may be kept. */
START_TEST(the_pool_shrinks)
{
    enum { JOBS = 100, EVENTS = 10000 };
    job *jobs[JOBS];
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = job_take(&pool, true);
        ck_assert(jobs[i] && job_reserve_events(jobs[i], EVENTS));
        job_count(&pool, jobs[i]);
    }
    ck_assert_uint_ge(bytes.used, JOBS * EVENTS * sizeof(event));
    for (size_t i = 0; i < JOBS; i++)
        job_give(&pool, jobs[i]);
    ck_assert_uint_le(bytes.used, LIMIT_KEPT_BYTES);
    ck_assert_uint_eq(bytes.used, pool.free_bytes);
}
END_TEST

START_TEST(arrays_are_used_again)
{
    job *first = job_take(&pool, true);
    ck_assert(first && job_add_item(first, 7));
    const uint64_t *items = first->item_ids;
    job_give(&pool, first);
    job *second = job_take(&pool, true);
    ck_assert_ptr_eq(second, first);
    ck_assert_uint_eq(second->item_count, 0);
    ck_assert(job_add_item(second, 8));
    ck_assert_ptr_eq(second->item_ids, items);
    job_give(&pool, second);
}
END_TEST

START_TEST(a_full_ledger_has_a_little_for_newcomers)
{
    bytes.limit = 40000;
    job *first = job_take(&pool, false);
    ck_assert(first && job_reserve_scores(first, 10000));
    job_count(&pool, first);
    ck_assert_ptr_null(job_take(&pool, false));
    job *fresh = job_take(&pool, true);
    ck_assert(fresh && job_reserve_scores(fresh, 4000));
    job_count(&pool, fresh);
    ck_assert_ptr_null(job_take(&pool, true));
    job_give(&pool, fresh);
    job_give(&pool, first);
}
END_TEST

START_TEST(jobs_are_counted)
{
    pool.taken = LIMIT_JOBS;
    ck_assert_ptr_null(job_take(&pool, true));
    pool.taken = LIMIT_JOBS - 1;
    job *last = job_take(&pool, true);
    ck_assert_ptr_nonnull(last);
    job_give(&pool, last);
    pool.taken = 0;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job");
    TCase *test = tcase_create("job");
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, the_pool_shrinks);
    tcase_add_test(test, arrays_are_used_again);
    tcase_add_test(test, a_full_ledger_has_a_little_for_newcomers);
    tcase_add_test(test, jobs_are_counted);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
