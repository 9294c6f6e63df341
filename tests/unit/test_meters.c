/* What a thread counts: calls by method, model and status; errors by reason; and their bounds. */
#include "meters.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

static meters m;

static void setup(void)
{
    m = (meters){0};
}

static void teardown(void)
{
    meters_clear(&m);
}

/* How many calls a series has; 0: there is none. */
static uint64_t calls_of(const char *path, unsigned model, grpc_status status)
{
    histogram_total total = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < METERS_SERIES; i++) {
        const call_series *s = atomic_load(&m.series[i]);
        if (s && s->path == path && s->model == model && s->status == status)
            histogram_add(&total, &s->duration);
    }
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count += total.buckets[i];
    return count;
}

START_TEST(calls_are_counted_apart)
{
    static const char score[] = "/vql.v1.Scoring/Score", get[] = "/vql.v1.History/Get";
    for (int i = 0; i < 3; i++)
        meters_call(&m, score, 1, GRPC_OK, 1000);
    meters_call(&m, score, 2, GRPC_OK, 1000);
    meters_call(&m, score, 1, GRPC_CANCELLED, 1000);
    meters_call(&m, get, 0, GRPC_OK, 1000);
    meters_call(&m, NULL, 0, GRPC_UNIMPLEMENTED, 0);
    ck_assert_uint_eq(calls_of(score, 1, GRPC_OK), 3);
    ck_assert_uint_eq(calls_of(score, 2, GRPC_OK), 1);
    ck_assert_uint_eq(calls_of(score, 1, GRPC_CANCELLED), 1);
    ck_assert_uint_eq(calls_of(get, 0, GRPC_OK), 1);
    ck_assert_uint_eq(calls_of(NULL, 0, GRPC_UNIMPLEMENTED), 1);
    ck_assert_uint_eq(m.series_count, 5);
}
END_TEST

START_TEST(series_have_a_bound)
{
    static const char path[] = "/vql.v1.Scoring/Score";
    for (unsigned model = 0; model < METERS_MODELS; model++)
        for (int status = 0; status <= GRPC_UNAUTHENTICATED; status++)
            meters_call(&m, path, model, (grpc_status)status, 1);
    const uint64_t most = METERS_SERIES / 2;
    const uint64_t asked = METERS_MODELS * (GRPC_UNAUTHENTICATED + 1);
    ck_assert_uint_eq(m.series_count, most);
    ck_assert_uint_eq(cell_get(&m.counters[METER_SERIES_LOST]), asked - most);
}
END_TEST

START_TEST(names_of_versions_have_a_bound)
{
    version v = {.number = 7, .name = "seventh"};
    ck_assert_uint_eq(meters_model(&m, &v), 7);
    ck_assert_str_eq(m.models[7], "seventh");
    v.number = METERS_MODELS - 1;
    ck_assert_uint_eq(meters_model(&m, &v), METERS_MODELS - 1);
    ck_assert_str_eq(m.models[METERS_MODELS - 1], "other");
    v.number = UINT64_MAX;
    ck_assert_uint_eq(meters_model(&m, &v), METERS_MODELS - 1);
}
END_TEST

START_TEST(reasons_have_a_bound)
{
    static char names[2 * METERS_REASONS][16];
    uint64_t count = 0;
    for (size_t i = 0; i < 2 * METERS_REASONS; i++) {
        (void)snprintf(names[i], sizeof names[i], "REASON_%zu", i);
        meters_reason(&m, names[i]);
        meters_reason(&m, names[i]);
    }
    for (size_t i = 0; i < METERS_REASONS; i++)
        count += cell_get(&m.reason_counts[i]);
    ck_assert_uint_eq(count, 4 * METERS_REASONS);
    ck_assert_uint_eq(cell_get(&m.reason_counts[0]), 2);
    ck_assert_str_eq(atomic_load(&m.reasons[METERS_REASONS - 1]), "OTHER");
}
END_TEST

START_TEST(nobody_counts_without_meters)
{
    meters_count(NULL, METER_CALLS_OPENED);
    meters_call(NULL, NULL, 0, GRPC_OK, 1);
    meters_reason(NULL, "REASON");
    meters_answer(NULL, NULL);
    meters_goaway(NULL, 1);
    ck_assert_uint_eq(meters_model(NULL, NULL), 0);
}
END_TEST

/* RFC 9113 §7. */
START_TEST(goaways_are_told_apart)
{
    for (uint32_t code = 0; code < 14; code++)
        meters_goaway(&m, code);
    ck_assert_uint_eq(cell_get(&m.counters[METER_GOAWAY_PROTOCOL]), 1);
    ck_assert_uint_eq(cell_get(&m.counters[METER_GOAWAY_CALM]), 1);
    ck_assert_uint_eq(cell_get(&m.counters[METER_GOAWAY_OTHER]), 11);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("meters");
    TCase *t = tcase_create("meters");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, calls_are_counted_apart);
    tcase_add_test(t, series_have_a_bound);
    tcase_add_test(t, names_of_versions_have_a_bound);
    tcase_add_test(t, reasons_have_a_bound);
    tcase_add_test(t, nobody_counts_without_meters);
    tcase_add_test(t, goaways_are_told_apart);
    suite_add_tcase(s, t);
    return check_main(s);
}
