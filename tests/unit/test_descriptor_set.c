#include <string.h>

#include "check_main.h"
#include "descriptor_set.h"
#include "vql_descriptors.h"

static const descriptor_set set = {{vql_descriptors, sizeof vql_descriptors}};

static wire_span span_of(const char *text)
{
    return (wire_span){(const uint8_t *)text, strlen(text)};
}

/* The first field of a FileDescriptorProto is its name. */
static bool is_file(wire_span file, const char *name)
{
    wire_field f;
    return wire_next(&file, &f) && f.number == 1 && wire_equals(f.bytes, name);
}

static const struct {
    const char *symbol, *file;
    bool is_message;
} known[] = {
    {"vql.v1.Scoring", "vql/v1/scoring.proto", false},
    {"vql.v1.Scoring.ScoreStream", "vql/v1/scoring.proto", false},
    {"vql.v1.ScoreRequest", "vql/v1/scoring.proto", true},
    {"vql.v1.ScoreRequest.item_ids", "vql/v1/scoring.proto", false},
    {"vql.v1.Event", "vql/v1/history.proto", true},
    {"vql.v1.Durability", "vql/v1/history.proto", false},
    {"vql.v1.Models", "vql/v1/models.proto", false},
    {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto", false},
    {"grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto", false},
    {"grpc.health.v1.HealthListResponse.StatusesEntry", "grpc/health/v1/health.proto", true},
    {"grpc.health.v1.HealthListResponse.StatusesEntry.key", "grpc/health/v1/health.proto", false},
    {"grpc.reflection.v1.ServerReflectionRequest.message_request",
     "grpc/reflection/v1/reflection.proto", false},
    {"grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto", false},
};

START_TEST(test_symbols)
{
    bool is_message;
    const wire_span file = descriptor_set_symbol(&set, span_of(known[_i].symbol), &is_message);
    ck_assert_msg(is_file(file, known[_i].file), "%s", known[_i].symbol);
    ck_assert_int_eq(is_message, known[_i].is_message);
}
END_TEST

static const char *const unknown[] = {
    "",
    ".",
    "vql",
    "vql.v1",
    "vql.v1.",
    ".vql.v1.Scoring",
    "vql.v1.Scorin",
    "vql.v1.Scoring.",
    "vql.v1.Scoring.Score.x",
    "vql.v1.ScoreRequest.item_ids.x",
    "Scoring",
    "grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING",
};

START_TEST(test_unknown_symbols)
{
    bool is_message = true;
    const wire_span file = descriptor_set_symbol(&set, span_of(unknown[_i]), &is_message);
    ck_assert_msg(file.count == 0, "%s", unknown[_i]);
    ck_assert(!is_message);
}
END_TEST

START_TEST(test_files)
{
    const wire_span scoring = descriptor_set_file(&set, span_of("vql/v1/scoring.proto"));
    ck_assert(is_file(scoring, "vql/v1/scoring.proto"));
    ck_assert_uint_eq(descriptor_set_file(&set, span_of("scoring.proto")).count, 0);
    ck_assert_uint_eq(descriptor_set_file(&set, span_of("")).count, 0);
}
END_TEST

START_TEST(test_imports)
{
    wire_span files[DESCRIPTOR_SET_FILES];
    wire_span file = descriptor_set_file(&set, span_of("vql/v1/scoring.proto"));
    ck_assert_uint_eq(descriptor_set_closure(&set, file, files), 2);
    ck_assert(is_file(files[0], "vql/v1/scoring.proto"));
    ck_assert(is_file(files[1], "vql/v1/history.proto"));
    file = descriptor_set_file(&set, span_of("grpc/health/v1/health.proto"));
    ck_assert_uint_eq(descriptor_set_closure(&set, file, files), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("descriptor_set");
    TCase *tests = tcase_create("descriptor_set");
    tcase_add_loop_test(tests, test_symbols, 0, sizeof known / sizeof *known);
    tcase_add_loop_test(tests, test_unknown_symbols, 0, sizeof unknown / sizeof *unknown);
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_imports);
    suite_add_tcase(suite, tests);
    return check_main(suite);
}
