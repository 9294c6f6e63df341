#include <string.h>

#include "check_main.h"
#include "limit.h"
#include "registry_fixture.h"
#include "shard.h"

enum { MAX_TASKS = 8 };

#define MS UINT64_C(1000000)

/* Between a cache of 8 bits that was filled at once and one that was filled in parts. */
#define REBUILD_TOLERANCE 2e-3f

static job_pool pool;
static shard *s;

static const shard_options defaults = {.shed_target_ms = 5, .shed_interval_ms = 100};

static void setup(void)
{
    s = shard_new(model_now, store_memory_open(), &defaults);
    ck_assert_ptr_nonnull(s);
}

/* The shard again, with a budget for caches. */
static void setup_budget(size_t bytes)
{
    shard_free(s);
    shard_options options = defaults;
    options.budget_bytes = bytes;
    s = shard_new(model_now, store_memory_open(), &options);
    ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
    shard_free(s);
    job_pool_clear(&pool);
}

static job *make_job(operation o, uint64_t user_id)
{
    job *j = job_take(&pool, true);
    ck_assert_ptr_nonnull(j);
    j->operation = o;
    j->user_id = user_id;
    j->version = loaded;
    return j;
}

/* Runs a job to its end and returns how many steps that took. */
static int run(job *j, uint64_t now_ns)
{
    ck_assert(shard_submit(s, j, now_ns));
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
    ck_assert(shard_submit(s, j, 0));
    ck_assert_ptr_null(shard_step(s, 98));
    ck_assert_ptr_null(shard_step(s, 99));
    ck_assert_ptr_eq(shard_step(s, 100), j);
    ck_assert_int_eq(j->error.status, GRPC_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(j->scored, (size_t)LIMIT_SCORE_CHUNK * 2);
    job_give(&pool, j);

    j = make_score(5, candidates, 1000);
    ck_assert(shard_submit(s, j, 0));
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

static void add_events(job *j, size_t count, int64_t first_ms)
{
    for (size_t i = 0; i < count; i++)
        ck_assert(job_add_event(
            j, &(event){.item_id = 1 + i * 7 % 3000, .time_ms = first_ms + (int64_t)i}));
}

/* The most urgent is served first, whenever it came; without deadlines, the first that came. */
START_TEST(the_earliest_deadline_goes_first)
{
    static const uint64_t deadlines_ms[] = {UINT64_MAX, 900, 300, 700, 20000, 300, UINT64_MAX};
    static const size_t order[] = {2, 5, 3, 1, 0, 4, 6};
    enum { JOBS = sizeof order / sizeof *order };
    job *jobs[JOBS];
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = make_score(i, 2, 1000);
        if (deadlines_ms[i] != UINT64_MAX)
            jobs[i]->deadline_ns = deadlines_ms[i] * MS;
        ck_assert(shard_submit(s, jobs[i], i));
    }
    for (size_t i = 0; i < JOBS; i++)
        ck_assert_ptr_eq(shard_step(s, 10), jobs[order[i]]);
    for (size_t i = 0; i < JOBS; i++)
        job_give(&pool, jobs[i]);
}
END_TEST

/* 10,000 candidates, and one: the one waits for a chunk, and both get their own user's scores. */
START_TEST(a_short_request_does_not_wait_for_a_long_one)
{
    append(5, 10, 1000, 0);
    append(6, 11, 1000, 0);
    job *alone = make_score(6, 4, 2000);
    (void)run(alone, 0);
    job *whole = make_score(5, 10000, 2000);
    (void)run(whole, 0);

    job *long_one = make_score(5, 10000, 2000);
    ck_assert(shard_submit(s, long_one, 0));
    ck_assert_ptr_null(shard_step(s, 0));
    job *short_one = make_score(6, 4, 2000);
    ck_assert(shard_submit(s, short_one, 0));
    job *answered = NULL;
    int steps = 0;
    for (; !answered; steps++)
        answered = shard_step(s, 0);
    ck_assert_ptr_eq(answered, short_one);
    ck_assert_int_le(steps, 2);
    while (!shard_step(s, 0))
        continue;
    ck_assert_mem_eq(short_one->scores, alone->scores, 4 * sizeof(float));
    ck_assert_mem_eq(long_one->scores, whole->scores, 10000 * sizeof(float));
    job_give(&pool, alone);
    job_give(&pool, whole);
    job_give(&pool, short_one);
    job_give(&pool, long_one);
}
END_TEST

/* Both are scored rightly when one comes into the middle of the other's rebuild. */
START_TEST(a_rebuild_lets_others_between)
{
    enum { CHUNKS = 20, CANDIDATES = 4 };
    job *first = make_job(OPERATION_APPEND, 5);
    add_events(first, (size_t)CHUNKS * LIMIT_REBUILD_CHUNK, 1000);
    (void)run(first, 0);
    job_give(&pool, first);
    job *resident = make_score(5, CANDIDATES, 1000000);
    (void)run(resident, 0);

    setup_budget(1); /* nothing stays */
    first = make_job(OPERATION_APPEND, 5);
    add_events(first, (size_t)CHUNKS * LIMIT_REBUILD_CHUNK, 1000);
    (void)run(first, 0);
    job_give(&pool, first);

    job *evicted = make_score(5, CANDIDATES, 1000000);
    ck_assert(shard_submit(s, evicted, 0));
    unsigned between = 0;
    for (const job *answered = NULL; !answered;) {
        answered = shard_step(s, 0);
        if (answered)
            break;
        job *other = make_score(700 + between++, CANDIDATES, 2000);
        ck_assert(shard_submit(s, other, 0));
        job *done = NULL;
        for (int steps = 0; !done; steps++) {
            ck_assert_int_le(steps, 3);
            done = shard_step(s, 0);
        }
        answered = done == evicted ? done : NULL;
        if (done != other)
            while (!shard_step(s, 0))
                continue;
        ck_assert_int_eq(other->error.status, GRPC_OK);
        job_give(&pool, other);
    }
    ck_assert_uint_ge(between, CHUNKS / 2);
    ck_assert_int_eq(evicted->error.status, GRPC_OK);
    ck_assert_uint_eq(evicted->sequence, (uint64_t)CHUNKS * LIMIT_REBUILD_CHUNK);
    for (size_t i = 0; i < CANDIDATES; i++)
        ck_assert_float_eq_tol(evicted->scores[i], resident->scores[i], REBUILD_TOLERANCE);
    job_give(&pool, resident);
    job_give(&pool, evicted);
}
END_TEST

/* A user deleted in the middle of the rebuild has no history. */
START_TEST(a_delete_ends_a_rebuild)
{
    setup_budget(1);
    job *first = make_job(OPERATION_APPEND, 5);
    add_events(first, (size_t)10 * LIMIT_REBUILD_CHUNK, 1000);
    (void)run(first, 0);
    job_give(&pool, first);

    job *score = make_score(5, 4, 1000000);
    ck_assert(shard_submit(s, score, 0));
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(shard_step(s, 0));
    job *erase = make_job(OPERATION_DELETE, 5);
    ck_assert(shard_submit(s, erase, 0));
    job *done = NULL;
    while (!done)
        done = shard_step(s, 0);
    ck_assert_ptr_eq(done, erase);
    while (!shard_step(s, 0))
        continue;
    ck_assert_int_eq(score->error.status, GRPC_OK);
    ck_assert(score->unknown_user);
    ck_assert_uint_eq(score->sequence, 0);
    job_give(&pool, score);
    job_give(&pool, erase);
}
END_TEST

/* What a rebuild made before its deadline passed is there for the next request. */
START_TEST(a_rebuild_goes_on_where_it_was_given_up)
{
    enum { CHUNKS = 10 };
    setup_budget(1);
    job *first = make_job(OPERATION_APPEND, 5);
    add_events(first, (size_t)CHUNKS * LIMIT_REBUILD_CHUNK, 1000);
    (void)run(first, 0);
    job_give(&pool, first);

    job *late = make_score(5, 1, 1000000);
    late->deadline_ns = 100;
    ck_assert(shard_submit(s, late, 0));
    for (uint64_t now = 0; now <= CHUNKS / 2; now++)
        ck_assert_ptr_null(shard_step(s, now));
    ck_assert_ptr_eq(shard_step(s, 100), late);
    ck_assert_int_eq(late->error.status, GRPC_DEADLINE_EXCEEDED);
    job_give(&pool, late);

    job *again = make_score(5, 1, 1000000);
    ck_assert_int_le(run(again, 200), CHUNKS / 2 + 3);
    ck_assert_int_eq(again->error.status, GRPC_OK);
    job_give(&pool, again);
}
END_TEST

/* Jobs of a standing queue that waited too long are refused, whatever their deadlines. */
START_TEST(a_standing_queue_is_shed)
{
    enum { JOBS = 50 };
    for (uint64_t i = 0; i < JOBS; i++) {
        job *j = make_score(i, 1, 1000);
        j->arrived_ns = 200 * MS + i * MS;
        ck_assert(shard_submit(s, j, i == 0 ? 50 * MS : 200 * MS));
    }
    const uint64_t now = 240 * MS;
    unsigned served = 0, shed = 0;
    for (job *j = shard_step(s, now); j; j = shard_step(s, now)) {
        if (j->error.status == GRPC_OK) {
            ck_assert_uint_ge(j->arrived_ns, now - 5 * MS);
            served++;
        } else {
            ck_assert_int_eq(j->error.status, GRPC_UNAVAILABLE);
            ck_assert_int_ge(j->error.pushback_ms, LIMIT_PUSHBACK_MS / 2);
            ck_assert_uint_lt(j->arrived_ns, now - 5 * MS);
            shed++;
        }
        job_give(&pool, j);
    }
    ck_assert_uint_eq(served, 15);
    ck_assert_uint_eq(shed, 35);
    ck_assert(shard_idle(s));
}
END_TEST

/* Requests of streams are slowed down by flow control, and refused for nothing but their limits. */
START_TEST(streams_are_patient)
{
    enum { JOBS = 200 };
    for (uint64_t i = 0; i < JOBS; i++) {
        job *j = make_score(i, 1, 1000);
        j->patient = true;
        ck_assert(shard_submit(s, j, 0));
    }
    job *call = make_score(JOBS, 1, 1000);
    call->arrived_ns = 900 * MS;
    ck_assert(!shard_refuses(s, false));
    ck_assert(shard_submit(s, call, 900 * MS));
    unsigned served = 0;
    for (job *j = shard_step(s, 1500 * MS); j; j = shard_step(s, 1500 * MS + served++)) {
        ck_assert_int_eq(j->error.status, GRPC_OK);
        ck_assert(served > 0 || j == call); /* which is due before them */
        job_give(&pool, j);
    }
    ck_assert_uint_eq(served, JOBS + 1);
}
END_TEST

START_TEST(a_full_shard_refuses)
{
    job *more = make_score(1, 1, 1000);
    pool.taken = 0; /* jobs of many threads */
    for (size_t i = 0; i < LIMIT_SHARD_JOBS; i++) {
        ck_assert(shard_submit(s, make_score(i, 1, 1000), 0));
        pool.taken = 0;
    }
    ck_assert(!shard_submit(s, more, 0));
    ck_assert_int_eq(more->error.status, GRPC_UNAVAILABLE);
    ck_assert_int_ge(more->error.pushback_ms, LIMIT_PUSHBACK_MS / 2);
    pool.taken = LIMIT_SHARD_JOBS + 1;
    job_give(&pool, more);
    for (job *j = shard_take(s); j; j = shard_take(s))
        job_give(&pool, j);
    ck_assert(shard_idle(s));
}
END_TEST

/* Cancelled work leaves a queue that is never reached. */
START_TEST(cancelled_jobs_do_not_wait_for_their_turn)
{
    job *first = make_score(1, 1, 1000);
    job *cancelled = make_score(2, 1, 1000);
    ck_assert(shard_submit(s, first, 0));
    ck_assert(shard_submit(s, cancelled, 0));
    atomic_store(&cancelled->cancelled, true);
    ck_assert_ptr_eq(shard_step(s, LIMIT_SWEEP_MS * MS), cancelled);
    ck_assert_int_eq(cancelled->error.status, GRPC_CANCELLED);
    ck_assert_ptr_eq(shard_step(s, LIMIT_SWEEP_MS * MS), first);
    job_give(&pool, first);
    job_give(&pool, cancelled);
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
    tcase_add_test(test, the_earliest_deadline_goes_first);
    tcase_add_test(test, a_short_request_does_not_wait_for_a_long_one);
    tcase_add_test(test, a_rebuild_lets_others_between);
    tcase_add_test(test, a_delete_ends_a_rebuild);
    tcase_add_test(test, a_rebuild_goes_on_where_it_was_given_up);
    tcase_add_test(test, a_standing_queue_is_shed);
    tcase_add_test(test, streams_are_patient);
    tcase_add_test(test, a_full_shard_refuses);
    tcase_add_test(test, cancelled_jobs_do_not_wait_for_their_turn);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
