#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "model_view.h"
#include "random_version.h"
#include "registry.h"

enum { USERS = 20000, MOST = 3 };

static registry *r;
static grpc_error error;

static void setup(void)
{
    r = registry_new(MOST);
    ck_assert_ptr_nonnull(r);
}

static void teardown(void)
{
    registry_free(r);
}

static version *add(uint64_t seed, const char *name)
{
    version *v = random_version(seed, name);
    ck_assert_msg(registry_add(r, v, &error) == GRPC_OK, "%s", error.message);
    return v;
}

/* Asserts that a version is refused, and that nothing has changed. */
static void check_refused(version *v, grpc_status status, const char *reason)
{
    const uint64_t revision = registry_revision(r);
    ck_assert_int_eq(registry_add(r, v, &error), status);
    ck_assert_str_eq(error.reason, reason);
    ck_assert(version_is_last(v));
    version_release(v);
    ck_assert_uint_eq(registry_revision(r), revision);
}

START_TEST(the_first_version_is_active)
{
    const version *first = add(1, "a");
    const version *second = add(2, "b");
    ck_assert_uint_ne(first->number, second->number);
    model_set *s = registry_share(r);
    ck_assert_uint_eq(s->count, 2);
    ck_assert_ptr_eq(model_set_active(s), first);
    ck_assert_ptr_eq(model_set_find(s, "b")->version, second);
    ck_assert_ptr_eq(model_set_numbered(s, second->number)->version, second);
    ck_assert_ptr_null(model_set_find(s, "c"));
    for (uint64_t user = 0; user < 100; user++)
        ck_assert_ptr_eq(model_set_choose(s, user), first);
    model_set_release(s);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    (void)add(1, "a");
    check_refused(random_version(2, "a"), GRPC_ALREADY_EXISTS, "MODEL_LOADED");
    model_spec spec = model_spec_default(1);
    spec.event_types = 4;
    check_refused(version_of(&spec, "b"), GRPC_FAILED_PRECONDITION, "INCOMPATIBLE_MODEL");
    ck_assert_str_eq(error.message, "\"b\": has 4 event_types, but \"a\" has 3");
    spec = model_spec_default(1);
    spec.tasks = 1;
    check_refused(version_of(&spec, "b"), GRPC_FAILED_PRECONDITION, "INCOMPATIBLE_MODEL");
    (void)add(2, "b");
    (void)add(3, "c");
    check_refused(random_version(4, "d"), GRPC_RESOURCE_EXHAUSTED, "TOO_MANY_MODELS");
    ck_assert_str_eq(error.limit_name, "max-models");
}
END_TEST

/* What a request began with stays until it ends, whatever is published meanwhile. */
START_TEST(a_request_keeps_its_set)
{
    model_view view;
    (void)add(1, "a");
    ck_assert(model_view_init(&view, r));
    model_hold *before = model_view_hold(&view);
    ck_assert(!model_view_refresh(&view));
    (void)add(2, "b");
    ck_assert(model_view_refresh(&view));
    model_hold *after = model_view_hold(&view);
    ck_assert_uint_eq(before->set->count, 1);
    ck_assert_uint_eq(after->set->count, 2);
    model_view_let_go(&view, before);
    model_view_let_go(&view, after);
    ck_assert_uint_eq(model_view_set(&view)->count, 2);
    model_view_clear(&view);
}
END_TEST

static grpc_status agree(void *context, grpc_error *problem)
{
    int *calls = context;
    ++*calls;
    return *calls > 1 ? grpc_fail(problem, GRPC_ABORTED, "no") : GRPC_OK;
}

/* A generation takes the place of the one before, and keeps it; or nothing happens. */
START_TEST(a_generation_takes_the_place_of_the_one_before)
{
    version *first = add(1, "a");
    vql_catalog *catalog;
    ck_assert_int_eq(vql_catalog_extend(first->catalog, NULL, 0, &catalog, NULL), VQL_OK);
    version *next = version_extend(first, catalog);
    ck_assert_ptr_nonnull(next);
    int calls = 0;
    const renewal wanted = {.next = {next}, .count = 1, .commit = agree, .context = &calls};
    ck_assert_int_eq(registry_renew(r, &wanted, &error), GRPC_OK);
    const uint64_t revision = registry_revision(r);
    ck_assert_int_eq(registry_renew(r, &wanted, &error), GRPC_ABORTED);
    ck_assert_uint_eq(registry_revision(r), revision);
    model_set *s = registry_share(r);
    ck_assert_uint_eq(s->count, 1);
    ck_assert_ptr_eq(model_set_active(s), next);
    ck_assert_uint_eq(next->number, first->number);
    model_set_release(s);
}
END_TEST

static model_set *make_split(const uint32_t *weights, size_t count)
{
    static const char *const names[] = {"a", "b", "c"};
    model_set *s = model_set_new(NULL);
    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < count; i++) {
        version *v = random_version(i, names[i]);
        model_set_add(s, v);
        version_release(v);
        s->entries[i].weight = weights[i];
    }
    return s;
}

static size_t index_of(const model_set *s, uint64_t user)
{
    const version *v = model_set_choose(s, user);
    return (size_t)(model_set_find(s, v->name) - s->entries);
}

/* Every version gets its share of the users, up to five standard deviations. */
START_TEST(a_split_is_as_its_weights)
{
    static const uint32_t weights[] = {1, 2, 5};
    model_set *s = make_split(weights, 3);
    size_t users[3] = {0};
    for (uint64_t user = 0; user < USERS; user++)
        users[index_of(s, user)]++;
    for (size_t i = 0; i < 3; i++) {
        const double expected = USERS * weights[i] / 8.0;
        ck_assert_double_eq_tol((double)users[i], expected, 5 * 71);
    }
    model_set_release(s);
}
END_TEST

/* When a weight grows, users move to its version alone, and no more of them than it gets. */
START_TEST(a_new_weight_moves_no_more_than_it_has_to)
{
    model_set *before = make_split((const uint32_t[]){1, 1, 1}, 3);
    model_set *after = make_split((const uint32_t[]){1, 1, 2}, 3);
    size_t moved = 0;
    for (uint64_t user = 0; user < USERS; user++) {
        const size_t was = index_of(before, user);
        const size_t is = index_of(after, user);
        moved += was != is;
        ck_assert(was == is || is == 2);
    }
    ck_assert_double_eq_tol((double)moved, USERS / 6.0, 5 * 53); /* 1/2 - 1/3 */
    model_set_release(before);
    model_set_release(after);
}
END_TEST

enum { THREADS = 3, SWAPS = 300 };

static atomic_bool over;

/* A thread that serves: each request finds its version whole from its begin to its end. */
static void *serve(void *unused)
{
    model_view view;
    (void)unused;
    if (!model_view_init(&view, r))
        abort();
    for (uint64_t user = 0; !atomic_load(&over); user++) {
        model_hold *held = model_view_hold(&view);
        const version *v = model_set_choose(held->set, user);
        (void)model_view_refresh(&view);
        if (vql_model_shape(v->model)->tasks != 2 || vql_catalog_model(v->catalog) != v->model)
            abort();
        model_view_let_go(&view, held);
    }
    model_view_clear(&view);
    return NULL;
}

/* Versions come, take over and are freed while threads have them. */
START_TEST(versions_change_under_load)
{
    pthread_t threads[THREADS];
    (void)add(0, "v0");
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, serve, NULL), 0);
    for (unsigned i = 1; i <= SWAPS; i++) {
        char before[16];
        model_activation wanted = {.force = i % 2 == 0};
        (void)snprintf(before, sizeof before, "v%u", i - 1);
        (void)snprintf(wanted.name, sizeof wanted.name, "v%u", i);
        (void)add(i, wanted.name);
        ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_OK);
        ck_assert_int_eq(registry_remove(r, before, &error), GRPC_OK);
        registry_sweep(r);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    registry_sweep(r);
    ck_assert(!registry_has_unused(r));
}
END_TEST

static model_activation activation(const char *name)
{
    model_activation wanted = {.share_count = 0};
    (void)snprintf(wanted.name, sizeof wanted.name, "%s", name);
    return wanted;
}

static void share(model_activation *wanted, const char *name, uint32_t weight)
{
    model_share *added = &wanted->shares[wanted->share_count++];
    (void)snprintf(added->name, sizeof added->name, "%s", name);
    added->weight = weight;
}

START_TEST(what_is_active_changes_as_a_whole_or_not)
{
    (void)add(1, "a");
    registry_expect(r, 2);
    version *b = add(2, "b");
    const uint64_t revision = registry_revision(r);
    model_activation wanted = activation("b");
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_FAILED_PRECONDITION);
    ck_assert_str_eq(error.reason, "MODEL_NOT_READY");
    wanted = activation("c");
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_NOT_FOUND);
    wanted = activation("a");
    share(&wanted, "a", 1);
    share(&wanted, "b", 1);
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_FAILED_PRECONDITION);
    wanted.force = true;
    share(&wanted, "b", 2);
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_INVALID_ARGUMENT);
    ck_assert_uint_eq(registry_revision(r), revision);
    wanted.share_count = 2;
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_OK);
    ck_assert_int_eq(registry_remove(r, "b", &error), GRPC_FAILED_PRECONDITION);
    wanted = activation("a");
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_OK);
    ck_assert_int_eq(registry_remove(r, "a", &error), GRPC_FAILED_PRECONDITION);
    atomic_store(&b->progress->shards, 0);
    wanted = activation("b");
    ck_assert_int_eq(registry_activate(r, &wanted, &error), GRPC_OK);
    ck_assert_int_eq(registry_remove(r, "a", &error), GRPC_OK);
    ck_assert(registry_has_unused(r));
    registry_sweep(r);
    ck_assert(!registry_has_unused(r));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *test = tcase_create("registry");
    tcase_set_timeout(test, 120);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, the_first_version_is_active);
    tcase_add_test(test, what_does_not_fit_is_refused);
    tcase_add_test(test, a_request_keeps_its_set);
    tcase_add_test(test, a_generation_takes_the_place_of_the_one_before);
    tcase_add_test(test, a_split_is_as_its_weights);
    tcase_add_test(test, a_new_weight_moves_no_more_than_it_has_to);
    tcase_add_test(test, versions_change_under_load);
    tcase_add_test(test, what_is_active_changes_as_a_whole_or_not);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
