#include <string.h>

#include "check_main.h"
#include "limit.h"
#include "registry_fixture.h"
#include "shard.h"

enum { MAX_TASKS = 8 };

static job_pool pool;
static shard *s;

static void setup(void)
{
    s = shard_new(&models, store_memory_open(), &(shard_options){0});
    ck_assert_ptr_nonnull(s);
}

/* The shard again, with a budget for caches. */
static void setup_budget(size_t bytes)
{
    shard_free(s);
    s = shard_new(&models, store_memory_open(), &(shard_options){.budget_bytes = bytes});
    ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
    shard_free(s);
    job_pool_clear(&pool);
}

static job *make_job(operation o, uint64_t user_id)
{
    job *j = job_take(&pool);
    ck_assert_ptr_nonnull(j);
    j->operation = o;
    j->user_id = user_id;
    return j;
}

/* Runs a job to its end and returns how many steps that took. */
static int run(job *j, uint64_t now_ns)
{
    shard_submit(s, j);
    int steps = 1;
    for (; shard_step(s, now_ns) != j; steps++)
        ck_assert_int_lt(steps, 1000);
    ck_assert(shard_idle(s));
    return steps;
}

static void append(uint64_t user_id, uint64_t item_id, int64_t time_ms, uint64_t id)
{
    job *j = make_job(OPERATION_APPEND, user_id);
    const event e = {.item_id = item_id, .time_ms = time_ms, .id = id};
    ck_assert(job_add_event(j, &e));
    (void)run(j, 0);
    ck_assert_int_eq(j->error.status, GRPC_OK);
    job_give(&pool, j);
}

static job *make_score(uint64_t user_id, size_t candidates, int64_t time_ms)
{
    job *j = make_job(OPERATION_SCORE, user_id);
    for (uint64_t i = 0; i < candidates; i++)
        ck_assert(job_add_item(j, i + 1));
    ck_assert(job_reserve_scores(j, candidates * MAX_TASKS));
    j->time_ms = time_ms;
    return j;
}

START_TEST(an_unknown_user_is_scored)
{
    job *j = make_score(5, 3, 1000);
    (void)run(j, 0);
    ck_assert_int_eq(j->error.status, GRPC_OK);
    ck_assert(j->unknown_user);
    ck_assert_uint_eq(j->sequence, 0);
    ck_assert_uint_eq(j->unknown_items, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert(j->scores[i] > 0 && j->scores[i] < 1);
    job_give(&pool, j);
}
END_TEST

/* Events of the request score like events of the history, and are not kept. */
START_TEST(events_of_the_request_count_and_are_forgotten)
{
    append(5, 10, 1000, 0);
    append(5, 11, 2000, 0);
    job *stored = make_score(5, 4, 3000);
    (void)run(stored, 0);
    ck_assert_uint_eq(stored->sequence, 2);

    append(6, 10, 1000, 0);
    for (int round = 0; round < 2; round++) {
        job *j = make_score(6, 4, 3000);
        ck_assert(job_add_event(j, &(event){.item_id = 11, .time_ms = 2000}));
        (void)run(j, 0);
        ck_assert_uint_eq(j->sequence, 1);
        for (size_t i = 0; i < 4; i++)
            ck_assert_float_eq(j->scores[i], stored->scores[i]);
        job_give(&pool, j);
    }

    job *fresh = make_score(7, 4, 3000);
    ck_assert(job_add_event(fresh, &(event){.item_id = 10, .time_ms = 1000}));
    ck_assert(job_add_event(fresh, &(event){.item_id = 11, .time_ms = 2000}));
    (void)run(fresh, 0);
    ck_assert(!fresh->unknown_user);
    for (size_t i = 0; i < 4; i++)
        ck_assert_float_eq_tol(fresh->scores[i], stored->scores[i], 1e-6f);
    job_give(&pool, fresh);
    job_give(&pool, stored);
}
END_TEST

START_TEST(a_repeated_id_changes_nothing)
{
    append(5, 10, 1000, 1);
    append(6, 10, 1000, 1);
    append(6, 12, 1500, 1);
    job *once = make_score(5, 4, 3000);
    job *twice = make_score(6, 4, 3000);
    (void)run(once, 0);
    (void)run(twice, 0);
    ck_assert_uint_eq(twice->sequence, 1);
    for (size_t i = 0; i < 4; i++)
        ck_assert_float_eq(once->scores[i], twice->scores[i]);
    job_give(&pool, once);
    job_give(&pool, twice);
}
END_TEST

START_TEST(an_older_history_than_asked_for_is_refused)
{
    append(5, 10, 1000, 0);
    job *j = make_score(5, 1, 2000);
    j->min_sequence = 2;
    (void)run(j, 0);
    ck_assert_int_eq(j->error.status, GRPC_FAILED_PRECONDITION);
    ck_assert_str_eq(j->error.message, "min_sequence 2: user_id 5 is at sequence 1");
    job_give(&pool, j);
}
END_TEST

/*
 * A large request takes many steps, looks at its deadline between them, and gives up in the middle.
 */
START_TEST(deadline_and_cancellation_stop_the_work)
{
    const size_t candidates = (size_t)LIMIT_SCORE_CHUNK * 10;
    job *whole = make_score(5, candidates, 1000);
    ck_assert_int_eq(run(whole, 0), 10);
    job_give(&pool, whole);

    job *late = make_score(5, candidates, 1000);
    late->deadline_ns = 100;
    (void)run(late, 100);
    ck_assert_int_eq(late->error.status, GRPC_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(late->scored, 0);
    job_give(&pool, late);

    job *j = make_score(5, candidates, 1000);
    j->deadline_ns = 100;
    shard_submit(s, j);
    ck_assert_ptr_null(shard_step(s, 98));
    ck_assert_ptr_null(shard_step(s, 99));
    ck_assert_ptr_eq(shard_step(s, 100), j);
    ck_assert_int_eq(j->error.status, GRPC_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(j->scored, (size_t)LIMIT_SCORE_CHUNK * 2);
    job_give(&pool, j);

    j = make_score(5, candidates, 1000);
    shard_submit(s, j);
    ck_assert_ptr_null(shard_step(s, 0));
    atomic_store(&j->cancelled, true);
    ck_assert_ptr_eq(shard_step(s, 0), j);
    ck_assert_int_eq(j->error.status, GRPC_CANCELLED);
    job_give(&pool, j);
}
END_TEST

START_TEST(get_pages_backwards)
{
    for (uint64_t i = 1; i <= 10; i++)
        append(5, 100 + i, (int64_t)i * 1000, 0);
    job *j = make_job(OPERATION_GET, 5);
    j->max_events = 3;
    j->before_sequence = 9;
    (void)run(j, 0);
    ck_assert_uint_eq(j->history.sequence, 10);
    ck_assert_int_eq(j->history.first_time_ms, 1000);
    ck_assert_int_eq(j->history.last_time_ms, 10000);
    ck_assert_uint_eq(j->event_count, 3);
    ck_assert_uint_eq(j->first_event_sequence, 6);
    ck_assert_uint_eq(j->events[0].item_id, 106);
    ck_assert_uint_gt(j->cache_bytes, 0);
    ck_assert_uint_gt(j->occupied[0], 0);
    job_give(&pool, j);

    j = make_job(OPERATION_GET, 6);
    j->max_events = 3;
    (void)run(j, 0);
    ck_assert_int_eq(j->error.status, GRPC_OK);
    ck_assert_uint_eq(j->sequence, 0);
    ck_assert_uint_eq(j->event_count, 0);
    job_give(&pool, j);
}
END_TEST

/* Users whose caches had to go score as before, from caches made again. */
START_TEST(evicted_users_come_back)
{
    enum { USERS = 300, EVENTS = 20, CANDIDATES = 4 };
    static float scores[2][USERS][CANDIDATES];
    for (int budgeted = 0; budgeted < 2; budgeted++) {
        setup_budget(budgeted ? 100000 : 0);
        for (uint64_t i = 0; i < (uint64_t)USERS * EVENTS; i++)
            append(i % USERS, 1 + i * 7 % 3000, (int64_t)i * 1000, 0);
        for (uint64_t user = 0; user < USERS; user++) {
            job *j = make_score(user, CANDIDATES, 10000000);
            (void)run(j, 0);
            ck_assert_int_eq(j->error.status, GRPC_OK);
            ck_assert_uint_eq(j->sequence, EVENTS);
            memcpy(scores[budgeted][user], j->scores, sizeof scores[0][0]);
            job_give(&pool, j);
        }
    }
    for (size_t user = 0; user < USERS; user++)
        for (size_t i = 0; i < CANDIDATES; i++)
            ck_assert_float_eq_tol(scores[0][user][i], scores[1][user][i], 1e-6f);
}
END_TEST

START_TEST(delete_leaves_nothing)
{
    job *before = make_score(5, 4, 3000);
    (void)run(before, 0);
    append(5, 10, 1000, 0);
    job *j = make_job(OPERATION_DELETE, 5);
    (void)run(j, 0);
    ck_assert_uint_eq(j->deleted, 1);
    job_give(&pool, j);
    job *after = make_score(5, 4, 3000);
    (void)run(after, 0);
    ck_assert(after->unknown_user);
    for (size_t i = 0; i < 4; i++)
        ck_assert_float_eq(before->scores[i], after->scores[i]);
    job_give(&pool, before);
    job_give(&pool, after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard");
    TCase *test = tcase_create("shard");
    tcase_set_timeout(test, 60);
    tcase_add_unchecked_fixture(test, load_retail, unload_model);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, an_unknown_user_is_scored);
    tcase_add_test(test, events_of_the_request_count_and_are_forgotten);
    tcase_add_test(test, a_repeated_id_changes_nothing);
    tcase_add_test(test, an_older_history_than_asked_for_is_refused);
    tcase_add_test(test, deadline_and_cancellation_stop_the_work);
    tcase_add_test(test, get_pages_backwards);
    tcase_add_test(test, evicted_users_come_back);
    tcase_add_test(test, delete_leaves_nothing);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
