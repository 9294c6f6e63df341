/*
 * Inspections: what a shard copies of a user for another thread, from memory and from disk, and
 * who frees one that nobody waits for any more.
 */
#include <sched.h>
#include <string.h>

#include "check_main.h"
#include "clerk.h"
#include "database.h"
#include "explained_user.h"
#include "inspection.h"
#include "limit.h"
#include "registry_fixture.h"
#include "shard.h"
#include "temporary_folder.h"
#include "vql/scorer.h"

enum { FEW = 20, MANY = 1500, LAST = 100, TIME_MS = 10000000 };

static char folder[FOLDER_PATH_BYTES];
static job_pool pool;
static database *d;
static shard *s;

static const shard_options options = {.shed_target_ms = 60000, .shed_interval_ms = 60000};

static void setup_memory(void)
{
    s = shard_new(model_now, store_memory_open(), &options);
    ck_assert_ptr_nonnull(s);
}

static void setup_disk(void)
{
    database_error error;
    folder_make(folder);
    d = database_open(folder, DURABILITY_ASYNC, &error);
    ck_assert_msg(d != NULL, "%s", error.text);
    clerk *c = clerk_new(store_rocksdb_open(d), store_rocksdb_open(d));
    s = shard_new_with_clerk(model_now, c, &options);
    ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
    shard_free(s);
    job_pool_clear(&pool);
}

static void teardown_disk(void)
{
    teardown();
    database_close(d);
    folder_remove(folder);
}

static job *run(job *j)
{
    ck_assert(shard_submit(s, j, 0));
    for (;;) {
        job *done = shard_step(s, 0);
        if (done)
            return done;
        if (shard_idle(s))
            (void)sched_yield();
    }
}

static job *make_job(operation o, uint64_t user_id)
{
    job *j = job_take(&pool, true);
    ck_assert_ptr_nonnull(j);
    j->operation = o;
    j->version = loaded;
    j->user_id = user_id;
    return j;
}

static void append(uint64_t user_id, uint64_t count)
{
    job *j = make_job(OPERATION_APPEND, user_id);
    for (uint64_t i = 0; i < count; i++)
        ck_assert(job_add_event(
            j, &(event){.item_id = 1 + i * 7 % 300, .time_ms = 1000 + (int64_t)i * 1000}));
    job_give(&pool, run(j));
}

static inspection *inspect(uint64_t user_id)
{
    inspection *i = inspection_new(model_now, user_id, LAST);
    ck_assert_ptr_nonnull(i);
    i->job.version = loaded;
    ck_assert_ptr_eq(run(&i->job), &i->job);
    ck_assert_int_eq(i->job.error.status, GRPC_OK);
    ck_assert(i->taken);
    return i;
}

/* The copy scores as the shard does. */
static void check_score(const inspection *i, uint64_t item_id)
{
    job *j = make_job(OPERATION_SCORE, i->job.user_id);
    ck_assert(job_add_item(j, item_id) && job_reserve_scores(j, VQL_MAX_TASKS));
    j->time_ms = TIME_MS;
    ck_assert_ptr_eq(run(j), j);
    const explained_request asked = {true, item_id, TIME_MS};
    vql_error error;
    json_t *json = explained_user(i, &asked, &error);
    ck_assert_msg(json != NULL, "%s", error.text);
    const json_t *scores = json_object_get(json_object_get(json, "candidate"), "scores");
    for (uint32_t t = 0; t < vql_model_shape(loaded->model)->tasks; t++)
        ck_assert_double_eq_tol(json_number_value(json_array_get(scores, t)), (double)j->scores[t],
                                1e-7);
    json_decref(json);
    job_give(&pool, j);
}

START_TEST(test_copies)
{
    const uint64_t count = _i == 0 ? FEW : MANY;
    append(7, count);
    inspection *i = inspect(7);
    ck_assert_uint_eq(i->cache_sequence, count);
    ck_assert_uint_eq(i->job.event_count, count < LAST ? count : LAST);
    ck_assert_uint_eq(i->job.first_event_sequence + i->job.event_count - 1, count);
    check_score(i, 5);
    check_score(i, 999999);
    inspection_free(i);
}
END_TEST

START_TEST(test_no_history)
{
    inspection *i = inspect(8);
    ck_assert_ptr_null(i->cache);
    ck_assert_uint_eq(i->job.event_count, 0);
    inspection_free(i);
}
END_TEST

START_TEST(test_waiting)
{
    inspection *i = inspection_new(model_now, 9, LAST);
    inspection_done(&i->job);
    ck_assert(inspection_wait(i, 10000));
    inspection_free(i);
    i = inspection_new(model_now, 9, LAST);
    ck_assert(!inspection_wait(i, 1));
    ck_assert(atomic_load(&i->job.cancelled));
    inspection_done(&i->job); /* which frees it */
}
END_TEST

/* A cancelled one is dropped, as any other job. */
START_TEST(test_given_up)
{
    inspection *i = inspection_new(model_now, 9, LAST);
    i->job.version = loaded;
    atomic_store(&i->job.cancelled, true);
    ck_assert_ptr_eq(run(&i->job), &i->job);
    ck_assert(!i->taken);
    ck_assert_int_ne(i->job.error.status, GRPC_OK);
    inspection_free(i);
}
END_TEST

START_TEST(test_events_that_are_looked_at)
{
    const uint32_t most = explained_events(loaded->model);
    ck_assert_uint_ge(most, 1);
    ck_assert_uint_le(most, LIMIT_INSPECT_EVENTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspection");
    TCase *memory = tcase_create("memory");
    TCase *disk = tcase_create("disk");
    tcase_add_unchecked_fixture(memory, load_retail, unload_model);
    tcase_add_unchecked_fixture(disk, load_kuairand, unload_model);
    tcase_add_checked_fixture(memory, setup_memory, teardown);
    tcase_add_checked_fixture(disk, setup_disk, teardown_disk);
    tcase_add_loop_test(memory, test_copies, 0, 2);
    tcase_add_test(memory, test_no_history);
    tcase_add_test(memory, test_waiting);
    tcase_add_test(memory, test_given_up);
    tcase_add_test(memory, test_events_that_are_looked_at);
    tcase_add_loop_test(disk, test_copies, 0, 2);
    tcase_add_test(disk, test_no_history);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, disk);
    return check_main(suite);
}
