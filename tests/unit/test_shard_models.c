/* A shard with the caches of several versions. */
#include <stdio.h>

#include "check_main.h"
#include "random_version.h"
#include "registry.h"
#include "shard.h"

enum { ITEMS = 4, TASKS = 2, MANY = 1500, USERS = 60, BUDGET = 300000 };

static registry *models;
static job_pool pool;
static shard *s;
static version *a, *b;

static version *add(uint64_t seed, const char *name)
{
    grpc_error error;
    version *v = random_version(seed, name);
    ck_assert_int_eq(registry_add(models, v, &error), GRPC_OK);
    return v;
}

/* The shard hears of what the registry has. */
static void tell(void)
{
    model_set *set = registry_share(models);
    shard_set_models(s, set);
    model_set_release(set);
}

static shard *make_shard_with(size_t budget_bytes)
{
    const shard_options options = {
        .budget_bytes = budget_bytes, .shed_target_ms = 60000, .shed_interval_ms = 60000};
    model_set *set = registry_share(models);
    shard *made = shard_new(set, store_memory_open(), &options);
    ck_assert_ptr_nonnull(made);
    model_set_release(set);
    return made;
}

static shard *make_shard(void)
{
    return make_shard_with(0);
}

static void setup(void)
{
    models = registry_new(4);
    a = add(1, "a");
    s = make_shard();
}

static void teardown(void)
{
    shard_free(s);
    job_pool_clear(&pool);
    registry_free(models);
}

static job *make_job(operation o, uint64_t user_id, version *v)
{
    job *j = job_take(&pool, true);
    ck_assert_ptr_nonnull(j);
    j->operation = o;
    j->user_id = user_id;
    j->version = v;
    return j;
}

static void run(shard *on, job *j)
{
    ck_assert(shard_submit(on, j, 0));
    while (shard_step(on, 0) != j)
        ;
    ck_assert_int_eq(j->error.status, GRPC_OK);
}

static void append(shard *on, uint64_t user_id, size_t count)
{
    job *j = make_job(OPERATION_APPEND, user_id, a);
    for (size_t i = 0; i < count; i++)
        ck_assert(job_add_event(
            j,
            &(event){.item_id = i % 20, .type = (uint32_t)(i % 3), .time_ms = 1000 + (int64_t)i}));
    run(on, j);
    job_give(&pool, j);
}

static void score(shard *on, uint64_t user_id, version *v, float *scores)
{
    job *j = make_job(OPERATION_SCORE, user_id, v);
    for (uint64_t i = 0; i < ITEMS; i++)
        ck_assert(job_add_item(j, i));
    ck_assert(job_reserve_scores(j, (size_t)ITEMS * TASKS));
    j->time_ms = 5000;
    run(on, j);
    for (size_t i = 0; i < (size_t)ITEMS * TASKS; i++)
        scores[i] = j->scores[i];
    job_give(&pool, j);
}

/* What a shard says that has only ever had this version. */
static void score_alone(uint64_t seed, size_t events, float *scores)
{
    registry *both = models;
    version *was = a;
    models = registry_new(1);
    a = add(seed, "alone");
    shard *alone = make_shard();
    append(alone, 7, events);
    score(alone, 7, a, scores);
    shard_free(alone);
    registry_free(models);
    models = both;
    a = was;
}

static void check_equal(const float *scores, const float *expected)
{
    for (size_t i = 0; i < (size_t)ITEMS * TASKS; i++)
        ck_assert_float_eq_tol(scores[i], expected[i], 1e-3f);
}

/* Each version answers as if it were alone, for users before and after it came. */
START_TEST(versions_do_not_meet)
{
    static const size_t lengths[] = {3, MANY};
    for (size_t n = 0; n < 2; n++) {
        float expected_a[ITEMS * TASKS], expected_b[ITEMS * TASKS], scores[ITEMS * TASKS];
        const uint64_t user = 7 + n;
        score_alone(1, lengths[n], expected_a);
        score_alone(2, lengths[n], expected_b);
        append(s, user, lengths[n]);
        if (n == 0) {
            b = add(2, "b");
            tell();
        }
        score(s, user, a, scores);
        check_equal(scores, expected_a);
        score(s, user, b, scores);
        check_equal(scores, expected_b);
        score(s, user, a, scores);
        check_equal(scores, expected_a);
    }
}
END_TEST

/* A job may come before its version does. */
START_TEST(a_job_of_a_version_not_heard_of_is_answered)
{
    float expected[ITEMS * TASKS], scores[ITEMS * TASKS];
    score_alone(2, 3, expected);
    append(s, 7, 3);
    b = add(2, "b");
    score(s, 7, b, scores);
    check_equal(scores, expected);
    tell();
    score(s, 7, b, scores);
    check_equal(scores, expected);
}
END_TEST

/* Has the shard do all that nobody waits for. */
static void work(void)
{
    for (int i = 0; shard_has_background(s); i++) {
        ck_assert_int_lt(i, 100000);
        shard_work(s);
    }
}

static size_t cache_bytes(uint64_t user_id, version *v)
{
    job *j = make_job(OPERATION_GET, user_id, v);
    run(s, j);
    const size_t bytes = j->cache_bytes;
    job_give(&pool, j);
    return bytes;
}

static void activate(const char *name)
{
    grpc_error error;
    model_activation wanted = {.share_count = 0};
    (void)snprintf(wanted.name, sizeof wanted.name, "%s", name);
    ck_assert_msg(registry_activate(models, &wanted, &error) == GRPC_OK, "%s", error.message);
    tell();
}

/* A new version has the caches of those users whom the active one has, and is ready then. */
START_TEST(caches_are_made_in_the_background)
{
    float expected[ITEMS * TASKS], scores[ITEMS * TASKS];
    score_alone(2, MANY, expected);
    for (uint64_t user = 1; user <= USERS; user++)
        append(s, user, user == 7 ? MANY : 3);
    registry_expect(models, 1);
    b = add(2, "b");
    tell();
    ck_assert(!version_is_ready(b));
    ck_assert_uint_eq(cache_bytes(7, b), 0);
    shard_work(s);
    append(s, 8, 2); /* while they are made */
    job *gone = make_job(OPERATION_DELETE, 9, a);
    run(s, gone);
    job_give(&pool, gone);
    work();
    ck_assert(version_is_ready(b));
    ck_assert_uint_eq(atomic_load(&b->progress->users), USERS);
    for (uint64_t user = 1; user <= USERS; user++)
        ck_assert((cache_bytes(user, b) > 0) == (user != 9));
    score(s, 7, b, scores);
    check_equal(scores, expected);
}
END_TEST

/* What is taken out leaves nothing, when the last job of it is answered. */
START_TEST(a_version_goes_with_its_last_job)
{
    grpc_error error;
    append(s, 7, MANY);
    b = add(2, "b");
    tell();
    activate("b");
    job *last = make_job(OPERATION_SCORE, 7, a);
    ck_assert(job_add_item(last, 1) && job_reserve_scores(last, TASKS));
    ck_assert(shard_submit(s, last, 0));
    ck_assert_int_eq(registry_remove(models, "a", &error), GRPC_OK);
    tell();
    work();
    registry_sweep(models);
    ck_assert(registry_has_unused(models)); /* the job has it */
    while (shard_step(s, 0) != last)
        ;
    ck_assert_int_eq(last->error.status, GRPC_OK);
    job_give(&pool, last);
    work();
    registry_sweep(models);
    ck_assert(!registry_has_unused(models));
    a = b;
}
END_TEST

/* The caches of a new version take half of the budget at most, before they are asked for. */
START_TEST(a_new_version_leaves_the_active_one_half)
{
    shard_free(s);
    s = make_shard_with(BUDGET);
    for (uint64_t user = 1; user <= 4 * USERS; user++)
        append(s, user, 200);
    registry_expect(models, 1);
    b = add(2, "b");
    tell();
    work();
    ck_assert(version_is_ready(b));
    const uint64_t users = atomic_load(&b->progress->users);
    const uint64_t done = atomic_load(&b->progress->users_done);
    ck_assert_uint_gt(done, users / 4);
    ck_assert_uint_lt(done, users * 3 / 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_models");
    TCase *test = tcase_create("shard_models");
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, versions_do_not_meet);
    tcase_add_test(test, a_job_of_a_version_not_heard_of_is_answered);
    tcase_add_test(test, caches_are_made_in_the_background);
    tcase_add_test(test, a_version_goes_with_its_last_job);
    tcase_add_test(test, a_new_version_leaves_the_active_one_half);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
