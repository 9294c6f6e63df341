/* Quotas: what a made-up clock allows, and that threads together get no more than one would. */
#include "tenant.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check_main.h"

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, THREADS = 4, ROUNDS = 50000, INTERVALS = 10000 };

static tenant *t;
static grpc_error error;

static void setup(void)
{
    t = tenant_new("shop");
    ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
    tenant_free(t);
}

static bool ask(uint64_t now_ns)
{
    return tenant_request(t, now_ns, &error) == GRPC_OK;
}

START_TEST(no_quota)
{
    for (int i = 0; i < 1000; i++) {
        ck_assert(ask(0));
        ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    }
}
END_TEST

START_TEST(burst_and_rate)
{
    tenant_set_quota(t, &(tenant_quota){.rate = 10, .burst = 3});
    const uint64_t start = UINT64_C(5) * NS_PER_S;
    for (int i = 0; i < 3; i++)
        ck_assert(ask(start));
    ck_assert(!ask(start));
    ck_assert_int_eq(error.status, GRPC_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(error.pushback_ms, 100);
    ck_assert_str_eq(error.message,
                     "tenant shop: rate: more than 10 requests a second, and 3 at once");
    ck_assert(!ask(start + 99 * NS_PER_MS));
    ck_assert_int_eq(error.pushback_ms, 1);
    ck_assert(ask(start + 100 * NS_PER_MS));
    ck_assert(!ask(start + 100 * NS_PER_MS));
    /* Idle time fills the bucket, and no more than that. */
    for (int i = 0; i < 3; i++)
        ck_assert(ask(start + UINT64_C(100) * NS_PER_S));
    ck_assert(!ask(start + UINT64_C(100) * NS_PER_S));
}
END_TEST

/* Over a long time the rate is what was said, within 0.1 %. */
START_TEST(rate_is_exact)
{
    static const uint32_t rates[] = {1, 3, 7, 999, 1000000};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        tenant *other = tenant_new("other");
        const uint64_t start = UINT64_C(77) * NS_PER_S;
        tenant_set_quota(other, &(tenant_quota){.rate = rates[r], .burst = 1});
        const double wanted = INTERVALS;
        const uint64_t end = start + (uint64_t)(wanted / rates[r] * NS_PER_S);
        const uint64_t step = NS_PER_S / rates[r] / 7;
        uint64_t allowed = 0;
        for (uint64_t now = start; now < end; now += step)
            allowed += tenant_request(other, now, &error) == GRPC_OK;
        /* Requests come at multiples of a seventh of the interval, rounded down. */
        ck_assert_double_le((double)allowed, wanted * 1.001 + 1);
        ck_assert_double_ge((double)allowed, wanted * 0.87);
        tenant_free(other);
    }
}
END_TEST

START_TEST(in_flight)
{
    tenant_set_quota(t, &(tenant_quota){.in_flight = 2});
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(error.message, "tenant shop: in-flight: more than 2 calls are open");
    ck_assert_int_eq(error.pushback_ms, -1);
    tenant_end(t);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    /* A smaller quota ends no call. */
    tenant_set_quota(t, &(tenant_quota){.in_flight = 1});
    tenant_end(t);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_RESOURCE_EXHAUSTED);
    tenant_end(t);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
}
END_TEST

/* One thread's clock: each has asked ROUNDS times in the same second. */
static void *ask_often(void *argument)
{
    grpc_error refusal;
    uint64_t *allowed = argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        const uint64_t now = UINT64_C(9) * NS_PER_S + i * (NS_PER_S / ROUNDS);
        *allowed += tenant_request(t, now, &refusal) == GRPC_OK;
    }
    return NULL;
}

START_TEST(threads_share_the_rate)
{
    pthread_t threads[THREADS];
    uint64_t allowed[THREADS] = {0};
    uint64_t sum = 0;
    tenant_set_quota(t, &(tenant_quota){.rate = 1000, .burst = 100});
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, &allowed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        sum += allowed[i];
    }
    ck_assert_uint_le(sum, 1100);
    ck_assert_uint_ge(sum, 1000);
}
END_TEST

typedef struct holder {
    unsigned most; /* in flight at once, as far as this thread saw */
} holder;

static atomic_uint held;

static void *hold_often(void *argument)
{
    grpc_error refusal;
    holder *h = argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (tenant_begin(t, &refusal) != GRPC_OK)
            continue;
        const unsigned now = atomic_fetch_add(&held, 1) + 1;
        h->most = now > h->most ? now : h->most;
        (void)atomic_fetch_sub(&held, 1);
        tenant_end(t);
    }
    return NULL;
}

START_TEST(threads_share_what_is_in_flight)
{
    pthread_t threads[THREADS];
    holder holders[THREADS] = {{0}};
    tenant_set_quota(t, &(tenant_quota){.in_flight = 2});
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hold_often, &holders[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_le(holders[i].most, 2);
    }
    /* Nothing was counted twice or forgotten. */
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    ck_assert_int_eq(tenant_begin(t, &error), GRPC_OK);
    ck_assert_int_ne(tenant_begin(t, &error), GRPC_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tenant");
    TCase *tests = tcase_create("tenant");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, no_quota);
    tcase_add_test(tests, burst_and_rate);
    tcase_add_test(tests, rate_is_exact);
    tcase_add_test(tests, in_flight);
    tcase_add_test(tests, threads_share_the_rate);
    tcase_add_test(tests, threads_share_what_is_in_flight);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
