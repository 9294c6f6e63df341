/*
 * A shard whose store is on disk answers as one whose store is in memory does, while many users'
 * jobs are away at once, caches are evicted and snapshots taken.
 */
#include <sched.h>
#include <string.h>

#include "check_main.h"
#include "clerk.h"
#include "database.h"
#include "limit.h"
#include "random.h"
#include "registry_fixture.h"
#include "shard.h"
#include "temporary_folder.h"

enum { USERS = 40, CANDIDATES = 4, ROUNDS = 6000, MAX_TASKS = 8 };

/* Between caches of 8 bits that were filled at once and in parts. */
#define TOLERANCE 4e-3f

static char folder[FOLDER_PATH_BYTES];
static random_stream dice = {1};
static job_pool pool;
static database *d;
static shard *memory, *disk;

static const shard_options defaults = {.shed_target_ms = 60000, .shed_interval_ms = 60000};
static retention_rules rules;

static void open_disk(size_t budget_bytes)
{
    database_error error;
    d = database_open(folder, DURABILITY_ASYNC, &error);
    ck_assert_msg(d != NULL, "%s", error.text);
    clerk *c = clerk_new(store_rocksdb_open(d), store_rocksdb_open(d));
    ck_assert_ptr_nonnull(c);
    shard_options options = defaults;
    options.budget_bytes = budget_bytes;
    options.retention = rules;
    disk = shard_new_with_clerk(model_now, c, &options);
    ck_assert_ptr_nonnull(disk);
}

static void close_disk(void)
{
    shard_free(disk);
    database_close(d);
}

static void setup(void)
{
    folder_make(folder);
    open_disk(50000);
    memory = shard_new(model_now, store_memory_open(), &defaults);
    ck_assert_ptr_nonnull(memory);
}

static void teardown(void)
{
    close_disk();
    folder_remove(folder);
    shard_free(memory);
    job_pool_clear(&pool);
}

/* Steps until a job is answered. */
static job *await(shard *s)
{
    for (;;) {
        job *j = shard_step(s, 0);
        if (j)
            return j;
        if (shard_idle(s))
            (void)sched_yield();
    }
}

static job *run(shard *s, job *j)
{
    ck_assert(shard_submit(s, j, 0));
    ck_assert_ptr_eq(await(s), j);
    return j;
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

static job *make_append(uint64_t user_id, size_t count, uint64_t first)
{
    job *j = make_job(OPERATION_APPEND, user_id);
    for (uint64_t i = first; i < first + count; i++)
        ck_assert(job_add_event(j, &(event){.item_id = 1 + i * 7 % 3000,
                                            .time_ms = (int64_t)i * 1000,
                                            .id = i % 3 == 0 ? i + 1 : 0}));
    return j;
}

static job *make_score(uint64_t user_id)
{
    job *j = make_job(OPERATION_SCORE, user_id);
    for (uint64_t i = 0; i < CANDIDATES; i++)
        ck_assert(job_add_item(j, i * 5 + 1));
    ck_assert(job_reserve_scores(j, (size_t)CANDIDATES * MAX_TASKS));
    j->time_ms = 10000000;
    return j;
}

static job *copy(const job *j)
{
    job *twin = make_job(j->operation, j->user_id);
    twin->time_ms = j->time_ms;
    twin->max_events = j->max_events;
    twin->before_sequence = j->before_sequence;
    twin->min_sequence = j->min_sequence;
    for (size_t i = 0; i < j->item_count; i++)
        ck_assert(job_add_item(twin, j->item_ids[i]));
    for (size_t i = 0; i < j->event_count; i++)
        ck_assert(job_add_event(twin, &j->events[i]));
    ck_assert(job_reserve_scores(twin, j->item_count * MAX_TASKS));
    return twin;
}

static uint32_t below(uint32_t bound)
{
    return random_below(&dice, bound);
}

/* A random request for a user. */
static job *make_any(uint64_t user_id)
{
    const uint32_t kind = below(100);
    job *j;
    if (kind < 45) {
        const size_t sizes[] = {1, 1, 3, 20, 300};
        return make_append(user_id, sizes[below(5)], below(5000));
    }
    if (kind < 80) {
        j = make_score(user_id);
        for (uint64_t i = below(12); i < 4; i++)
            ck_assert(
                job_add_event(j, &(event){.item_id = 9 + i, .time_ms = 5, .id = below(5000)}));
        j->min_sequence = below(4) == 0 ? below(500) : 0;
        return j;
    }
    if (kind < 97) {
        j = make_job(OPERATION_GET, user_id);
        j->max_events = below(700);
        j->before_sequence = (uint64_t)below(2) * below(500);
        return j;
    }
    return make_job(OPERATION_DELETE, user_id);
}

static void expect_same(const job *found, const job *expected)
{
    ck_assert_int_eq(found->error.status, expected->error.status);
    ck_assert_str_eq(found->error.message, expected->error.message);
    if (found->error.status != GRPC_OK)
        return;
    ck_assert_uint_eq(found->sequence, expected->sequence);
    ck_assert_uint_eq(found->appended, expected->appended);
    ck_assert_uint_eq(found->duplicates, expected->duplicates);
    ck_assert_uint_eq(found->deleted, expected->deleted);
    ck_assert_uint_eq(found->unknown_user, expected->unknown_user);
    ck_assert_uint_eq(found->first_event_sequence, expected->first_event_sequence);
    ck_assert_uint_eq(found->event_count, expected->event_count);
    for (size_t i = 0; i < found->event_count; i++) {
        ck_assert_uint_eq(found->events[i].item_id, expected->events[i].item_id);
        ck_assert_uint_eq(found->events[i].id, expected->events[i].id);
        ck_assert_int_eq(found->events[i].time_ms, expected->events[i].time_ms);
    }
    for (size_t i = 0; found->operation == OPERATION_SCORE && i < CANDIDATES; i++)
        ck_assert_float_eq_tol(found->scores[i], expected->scores[i], TOLERANCE);
}

/* One job of each user at a time is away; what it must answer is known before it is sent. */
START_TEST(answers_as_one_in_memory)
{
    job *expected[USERS] = {0};
    size_t away = 0;
    for (size_t i = 0; i < ROUNDS || away > 0; i++) {
        const uint64_t user = below(USERS);
        if (i < ROUNDS && !expected[user]) {
            job *j = make_any(user);
            expected[user] = run(memory, copy(j));
            ck_assert(shard_submit(disk, j, 0));
            away++;
            if (away < USERS / 2)
                continue;
        }
        if (away == 0)
            continue;
        job *j = await(disk);
        expect_same(j, expected[j->user_id]);
        job_give(&pool, expected[j->user_id]);
        expected[j->user_id] = NULL;
        job_give(&pool, j);
        away--;
    }
    while (!shard_idle(disk))
        ck_assert_ptr_null(shard_step(disk, 0)); /* snapshots */
}
END_TEST

/* Answers of a shard that is opened again, from snapshots and the events after them. */
START_TEST(answers_the_same_when_opened_again)
{
    for (uint64_t user = 0; user < USERS; user++)
        for (uint64_t i = 0; i < 1 + user % 4; i++) {
            job *j = make_append(user, 40 + user * 37, i * 10000);
            job_give(&pool, run(memory, copy(j)));
            job_give(&pool, run(disk, j));
        }
    for (int round = 0; round < 2; round++) {
        for (uint64_t user = 0; user < USERS; user++) {
            job *expected = run(memory, make_score(user));
            job *j = run(disk, make_score(user));
            expect_same(j, expected);
            job_give(&pool, j);
            job_give(&pool, expected);
        }
        close_disk();
        open_disk(0);
    }
    store *s = store_rocksdb_open(d);
    size_t snapshots = 0;
    for (uint64_t user = 0; user < USERS; user++) {
        store_snapshot found;
        ck_assert_int_eq(store_load(s, user, vql_model_fingerprint(loaded->model), &found),
                         STORE_OK);
        snapshots += found.bytes != NULL;
        free(found.bytes);
    }
    store_close(s);
    ck_assert_uint_gt(snapshots, USERS / 4);
}
END_TEST

/* However many wait for a user, each gets its answer, and those that gave up do not. */
START_TEST(many_wait_for_one_load)
{
    enum { WAITING = 50 };
    job_give(&pool, run(disk, make_append(5, 3000, 0)));
    job *expected = run(memory, make_append(5, 3000, 0));
    job_give(&pool, expected);
    expected = run(memory, make_score(5));
    close_disk();
    open_disk(1); /* nothing stays */
    job *jobs[WAITING];
    for (size_t i = 0; i < WAITING; i++) {
        jobs[i] = make_score(5);
        ck_assert(shard_submit(disk, jobs[i], 0));
        atomic_store(&jobs[i]->cancelled, i % 5 == 1);
    }
    for (size_t i = 0; i < WAITING; i++) {
        job *j = await(disk);
        if (atomic_load(&j->cancelled))
            ck_assert_int_eq(j->error.status, GRPC_CANCELLED);
        else
            expect_same(j, expected);
        job_give(&pool, j);
    }
    ck_assert(shard_idle(disk));
    job_give(&pool, expected);
}
END_TEST

static void open_with_rules(size_t budget_bytes)
{
    shard_options options = defaults;
    options.retention = rules;
    close_disk();
    open_disk(budget_bytes);
    shard_free(memory);
    memory = shard_new(model_now, store_memory_open(), &options);
    ck_assert_ptr_nonnull(memory);
}

/* How many events of a user there are, from *first on. */
static uint64_t count_kept(shard *s, uint64_t user_id, uint64_t *first)
{
    job *j = run(s, make_job(OPERATION_GET, user_id));
    const uint64_t kept = j->history.sequence - j->history.first + 1;
    *first = j->history.first;
    job_give(&pool, j);
    return kept;
}

/* Lets the shard work on what is due. */
static void let_retain(shard *s, int64_t now_ms)
{
    shard_retain(s, now_ms);
    for (int i = 0; i < 100; i++) {
        if (!shard_idle(s))
            ck_assert_ptr_null(shard_step(s, 0));
        (void)sched_yield();
    }
}

/* Every user's scores are those of a history that never had more than what is kept. */
static void expect_scores_of_what_is_kept(shard *s, uint64_t users, uint64_t sequence)
{
    shard *fresh = shard_new(model_now, store_memory_open(), &defaults);
    ck_assert_ptr_nonnull(fresh);
    for (uint64_t user = 0; user < users; user++) {
        uint64_t first;
        const uint64_t kept = count_kept(s, user, &first);
        job_give(&pool, run(fresh, make_append(user, kept, first - 1)));
        job *expected = run(fresh, make_score(user));
        job *found = run(s, make_score(user));
        ck_assert_uint_eq(found->sequence, sequence);
        for (size_t i = 0; i < CANDIDATES; i++)
            ck_assert_float_eq_tol(found->scores[i], expected->scores[i], TOLERANCE);
        job_give(&pool, found);
        job_give(&pool, expected);
    }
    shard_free(fresh);
}

START_TEST(keeps_so_many_events)
{
    enum { FEW = 12, KEPT = 500, EVENTS = 4000, APPENDED = 50 };
    rules = (retention_rules){.max_events = KEPT, .shards = 1};
    open_with_rules(20000);
    shard *both[] = {memory, disk};
    for (size_t k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < EVENTS; i += APPENDED)
            for (uint64_t user = 0; user < FEW; user++) {
                job_give(&pool, run(both[k], make_append(user, APPENDED, i)));
                if (below(3) == 0)
                    job_give(&pool, run(both[k], make_score(user)));
                let_retain(both[k], 0);
            }
        uint64_t first;
        for (uint64_t user = 0; user < FEW; user++)
            while (count_kept(both[k], user, &first) > KEPT + KEPT / LIMIT_RETAIN_SLACK)
                let_retain(both[k], 0);
        for (uint64_t user = 0; user < FEW; user++)
            ck_assert_uint_ge(count_kept(both[k], user, &first), KEPT);
        expect_scores_of_what_is_kept(both[k], FEW, EVENTS);
    }
}
END_TEST

/* make_append's event i is of the time i seconds. */
START_TEST(keeps_what_is_young)
{
    enum { FEW = 12, EVENTS = 3000, OLD = 1700 };
    rules = (retention_rules){.max_age_ms = 1000000, .shards = 1};
    open_with_rules(20000);
    for (uint64_t user = 0; user < FEW; user++) {
        job_give(&pool, run(disk, make_append(user, EVENTS, 0)));
        job_give(&pool, run(memory, make_append(user, EVENTS, 0)));
        job_give(&pool, run(disk, make_score(user)));
    }
    close_disk();
    open_disk(20000);
    shard *both[] = {memory, disk};
    for (size_t k = 0; k < 2; k++) {
        uint64_t first;
        for (uint64_t user = 0; user < FEW; user++)
            while (count_kept(both[k], user, &first) == EVENTS)
                let_retain(both[k], rules.max_age_ms + OLD * 1000);
        for (uint64_t user = 0; user < FEW; user++) {
            ck_assert_uint_eq(count_kept(both[k], user, &first), EVENTS - OLD);
            ck_assert_uint_eq(first, OLD + 1);
        }
        expect_scores_of_what_is_kept(both[k], FEW, EVENTS);
    }
}
END_TEST

/* A shard that stops gives back what was away. */
START_TEST(gives_back_what_is_away)
{
    enum { JOBS = 60 };
    job_give(&pool, run(disk, make_append(1, 3000, 0)));
    close_disk();
    open_disk(0);
    for (uint64_t i = 0; i < JOBS; i++)
        ck_assert(shard_submit(disk, i % 3 == 0 ? make_append(i, 2, 0) : make_score(i % 5), 0));
    size_t back = 0;
    for (int steps = 0; steps < 40; steps++) {
        job *j = shard_step(disk, 0);
        if (j)
            job_give(&pool, j);
        back += j != NULL;
    }
    for (job *j = shard_take(disk); j; j = shard_take(disk)) {
        job_give(&pool, j);
        back++;
    }
    ck_assert_uint_eq(back, JOBS);
    ck_assert(shard_idle(disk));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_disk");
    TCase *test = tcase_create("shard_disk");
    tcase_set_timeout(test, 300);
    tcase_add_unchecked_fixture(test, load_retail, unload_model);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, answers_as_one_in_memory);
    tcase_add_test(test, answers_the_same_when_opened_again);
    tcase_add_test(test, many_wait_for_one_load);
    tcase_add_test(test, keeps_so_many_events);
    tcase_add_test(test, keeps_what_is_young);
    tcase_add_test(test, gives_back_what_is_away);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
