/*
 * decode, validate and encode against protobuf-c, the second implementation of the same messages.
 */
#include <string.h>

#include "check_main.h"
#include "decode.h"
#include "encode.h"
#include "limit.h"
#include "registry_fixture.h"
#include "validate.h"
#include "vql/v1/history.pb-c.h"
#include "vql/v1/models.pb-c.h"
#include "vql/v1/scoring.pb-c.h"

enum { NOW_MS = 1000000, DAY_MS = 86400000 };

static const request_limits limits = {
    .max_candidates = 5,
    .max_events = 3,
    .max_future_ms = DAY_MS,
};

static job_pool pool;
static job *j;
static message_buffer message;
static uint8_t packed[65536];

static void setup(void)
{
    j = job_take(&pool, true);
}

static void teardown(void)
{
    job_give(&pool, j);
    job_pool_clear(&pool);
    message_buffer_clear(&message);
}

static size_t pack(const ProtobufCMessage *m)
{
    ck_assert_uint_le(protobuf_c_message_get_packed_size(m), sizeof packed);
    return protobuf_c_message_pack(m, packed);
}

static void check_refused(bool accepted, grpc_status status, const char *text)
{
    ck_assert(!accepted);
    ck_assert_int_eq(j->error.status, status);
    ck_assert_str_eq(j->error.message, text);
}

START_TEST(score_request_arrives_whole)
{
    uint64_t items[] = {1, 300, UINT64_MAX};
    Vql__V1__Event e = VQL__V1__EVENT__INIT;
    e.item_id = 7;
    e.type = 4;
    e.time_ms = 55;
    e.id = 9;
    Vql__V1__Event *events[] = {&e};
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    request.user_id = 12;
    request.item_ids = items;
    request.n_item_ids = 3;
    request.time_ms = 99;
    char name[] = "kuairand";
    request.model = name;
    request.min_sequence = 3;
    request.events = events;
    request.n_events = 1;
    const size_t bytes = pack(&request.base);

    ck_assert(decode_score(packed, bytes, &limits, j));
    ck_assert_int_eq(j->operation, OPERATION_SCORE);
    ck_assert_uint_eq(j->user_id, 12);
    ck_assert_uint_eq(j->item_count, 3);
    ck_assert_mem_eq(j->item_ids, items, sizeof items);
    ck_assert_int_eq(j->time_ms, 99);
    ck_assert_str_eq(j->model, "kuairand");
    ck_assert_uint_eq(j->min_sequence, 3);
    ck_assert_uint_eq(j->event_count, 1);
    ck_assert_uint_eq(j->events[0].item_id, 7);
    ck_assert_uint_eq(j->events[0].type, 4);
    ck_assert_int_eq(j->events[0].time_ms, 55);
    ck_assert_uint_eq(j->events[0].id, 9);
    ck_assert(validate(j, &limits, model_now, NOW_MS));
}
END_TEST

/*
 * A sender may split a packed field, or not pack it (https://protobuf.dev/programming-
 * guides/encoding/#packed).
 */
START_TEST(candidates_packed_and_not)
{
    static const uint8_t mixed[] = {0x12, 0x02, 0x01, 0x02, 0x10, 0x03, 0x12, 0x01, 0x04};
    ck_assert(decode_score(mixed, sizeof mixed, &limits, j));
    ck_assert_uint_eq(j->item_count, 4);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_uint_eq(j->item_ids[i], i + 1);
}
END_TEST

START_TEST(every_truncation_is_no_message_or_a_shorter_one)
{
    uint64_t items[] = {1, 300, UINT64_MAX};
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    request.user_id = 1u << 20;
    request.item_ids = items;
    request.n_item_ids = 3;
    char name[] = "m";
    request.model = name;
    const size_t bytes = pack(&request.base);
    for (size_t cut = 0; cut < bytes; cut++) {
        Vql__V1__ScoreRequest *other = vql__v1__score_request__unpack(NULL, cut, packed);
        j->item_count = 0;
        j->error = (grpc_error){0};
        ck_assert_int_eq(decode_score(packed, cut, &limits, j), other != NULL);
        ck_assert_int_eq(j->error.status, other ? GRPC_OK : GRPC_INVALID_ARGUMENT);
        vql__v1__score_request__free_unpacked(other, NULL);
    }
}
END_TEST

/*
 * A request of a user, items and numbers is not decoded by nanopb; one with a field more, that
 * nobody knows, is. Whole or cut short, both must come to the same.
 */
START_TEST(plain_requests_are_nanopb_s)
{
    uint64_t items[] = {1, 300, UINT64_MAX, 1u << 20, 5};
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    request.user_id = UINT64_MAX - (uint64_t)_i;
    request.item_ids = items;
    request.n_item_ids = (size_t)_i % 6;
    request.time_ms = _i % 2 == 0 ? -1 : 77;
    request.min_sequence = 1u << _i;
    const size_t bytes = pack(&request.base);
    for (size_t cut = 0; cut <= bytes; cut++) {
        static const uint8_t unknown[] = {0x78, 0x01};
        uint8_t other[sizeof unknown + 200];
        memcpy(other, unknown, sizeof unknown);
        memcpy(other + sizeof unknown, packed, cut);
        job *plain = job_take(&pool, true);
        job *full = job_take(&pool, true);
        ck_assert_int_eq(decode_score(packed, cut, &limits, plain),
                         decode_score(other, sizeof unknown + cut, &limits, full));
        ck_assert_int_eq(plain->error.status, full->error.status);
        if (plain->error.status == GRPC_OK) {
            ck_assert_uint_eq(plain->user_id, full->user_id);
            ck_assert_int_eq(plain->time_ms, full->time_ms);
            ck_assert_uint_eq(plain->min_sequence, full->min_sequence);
            ck_assert_uint_eq(plain->item_count, full->item_count);
            ck_assert(plain->item_count == 0 ||
                      memcmp(plain->item_ids, full->item_ids, 8 * plain->item_count) == 0);
        }
        job_give(&pool, plain);
        job_give(&pool, full);
    }
}
END_TEST

/* Fields that callbacks read, with wire types that they cannot have. */
START_TEST(wire_types_are_those_of_the_fields)
{
    static const uint8_t item_fixed[] = {0x15, 1, 2, 3, 4};
    static const uint8_t model_varint[] = {0x08, 5, 0x20, 'm'};
    static const uint8_t events_fixed[] = {0x31, 8, 1, 8, 1, 8, 1, 8, 1};
    static const uint8_t item_varint[] = {0x10, 'm'};
    static const uint8_t service_varint[] = {0x08, 'm'};
    char service[HEALTH_SERVICE_BYTES];
    check_refused(decode_score(item_fixed, sizeof item_fixed, &limits, j), GRPC_INVALID_ARGUMENT,
                  "ScoreRequest: field 2 has the wire type 5");
    check_refused(decode_score(model_varint, sizeof model_varint, &limits, j),
                  GRPC_INVALID_ARGUMENT, "ScoreRequest: field 4 has the wire type 0");
    check_refused(decode_score(events_fixed, sizeof events_fixed, &limits, j),
                  GRPC_INVALID_ARGUMENT, "ScoreRequest: field 6 has the wire type 1");
    check_refused(decode_health(service_varint, sizeof service_varint, service, &j->error),
                  GRPC_INVALID_ARGUMENT, "HealthCheckRequest: field 1 has the wire type 0");
    j->error = (grpc_error){0};
    ck_assert(decode_score(item_varint, sizeof item_varint, &limits, j));
    ck_assert_uint_eq(j->item_count, 1);
}
END_TEST

/* What is not even known costs time, too. */
START_TEST(fields_that_say_nothing_are_bounded)
{
    enum { UNKNOWN = 2 }; /* bytes of one */
    uint8_t fields[UNKNOWN * (LIMIT_OTHER_FIELDS + 1)];
    for (size_t i = 0; i < sizeof fields; i += UNKNOWN) {
        fields[i] = 15 << 3;
        fields[i + 1] = 1;
    }
    ck_assert(decode_append(fields, sizeof fields - UNKNOWN, &limits, j));
    check_refused(decode_append(fields, sizeof fields, &limits, j), GRPC_INVALID_ARGUMENT,
                  "AppendRequest: more than 1024 fields that are no elements");

    uint8_t large[2 + 1 + LIMIT_EVENT_BYTES + 1] = {2 << 3 | 2, 0x80, 1};
    memcpy(large + 3, fields, LIMIT_EVENT_BYTES);
    ck_assert(decode_append(large, 3 + LIMIT_EVENT_BYTES, &limits, j));
    large[1] = 0x81;
    check_refused(decode_append(large, sizeof large, &limits, j), GRPC_INVALID_ARGUMENT,
                  "events[1]: 129 bytes; at most 128");
}
END_TEST

START_TEST(too_many_elements_are_not_stored)
{
    uint64_t items[6] = {0};
    Vql__V1__ScoreRequest score = VQL__V1__SCORE_REQUEST__INIT;
    score.item_ids = items;
    score.n_item_ids = 6;
    check_refused(decode_score(packed, pack(&score.base), &limits, j), GRPC_RESOURCE_EXHAUSTED,
                  "item_ids: more than 5 (the server's max-candidates)");
    ck_assert_uint_eq(j->item_count, 5);

    Vql__V1__Event e = VQL__V1__EVENT__INIT;
    Vql__V1__Event *events[] = {&e, &e, &e, &e};
    Vql__V1__AppendRequest append = VQL__V1__APPEND_REQUEST__INIT;
    append.events = events;
    append.n_events = 4;
    j->error = (grpc_error){0};
    check_refused(decode_append(packed, pack(&append.base), &limits, j), GRPC_RESOURCE_EXHAUSTED,
                  "events: more than 3 (the server's max-events)");
    ck_assert_uint_eq(j->event_count, 3);
}
END_TEST

START_TEST(a_long_model_name_is_cut_and_not_found)
{
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    uint64_t item = 1;
    Vql__V1__ScoreRequest request = VQL__V1__SCORE_REQUEST__INIT;
    request.item_ids = &item;
    request.n_item_ids = 1;
    request.model = name;
    ck_assert(decode_score(packed, pack(&request.base), &limits, j));
    ck_assert_uint_eq(strlen(j->model), VQL_MAX_NAME_BYTES);
    ck_assert(!validate(j, &limits, model_now, NOW_MS));
    ck_assert_int_eq(j->error.status, GRPC_NOT_FOUND);
}
END_TEST

START_TEST(score_requests_that_make_no_sense)
{
    j->operation = OPERATION_SCORE;
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_INVALID_ARGUMENT,
                  "item_ids: no candidates; at least 1");
    ck_assert(job_add_item(j, 1));
    j->time_ms = -5;
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_INVALID_ARGUMENT,
                  "time_ms: -5 is negative");
    j->time_ms = 0;
    memcpy(j->model, "other", sizeof "other");
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_NOT_FOUND,
                  "model: \"other\" is not loaded; \"kuairand\" is");
    j->model[0] = '\0';
    ck_assert(validate(j, &limits, model_now, NOW_MS));
    ck_assert_int_eq(j->time_ms, NOW_MS);
}
END_TEST

START_TEST(events_that_make_no_sense)
{
    j->operation = OPERATION_APPEND;
    ck_assert(job_add_event(j, &(event){.time_ms = 1}));
    ck_assert(job_add_event(j, &(event){.time_ms = 1, .type = 5}));
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_INVALID_ARGUMENT,
                  "events[1].type: 5; model kuairand has types 0 to 4");
    j->events[1] = (event){.time_ms = -1};
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_INVALID_ARGUMENT,
                  "events[1].time_ms: -1 is negative");
    j->events[1] = (event){.time_ms = NOW_MS + DAY_MS + 1};
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_INVALID_ARGUMENT,
                  "events[1].time_ms: 87400001 is 86400001 ms ahead of the server's clock; at most "
                  "86400000");
    j->events[1] = (event){.time_ms = INT64_MAX};
    ck_assert(!validate(j, &limits, model_now, NOW_MS));
    j->events[1] = (event){.time_ms = NOW_MS + DAY_MS};
    ck_assert(validate(j, &limits, model_now, NOW_MS));
    j->events[1] = (event){.time_ms = 0};
    ck_assert(validate(j, &limits, model_now, NOW_MS));
    ck_assert_int_eq(j->events[1].time_ms, NOW_MS);
}
END_TEST

START_TEST(score_answer_leaves_whole)
{
    for (uint64_t i = 0; i < 3; i++)
        ck_assert(job_add_item(j, i));
    ck_assert(job_reserve_scores(j, 6));
    for (size_t i = 0; i < 6; i++)
        j->scores[i] = 0.125f * (float)i;
    j->version = loaded;
    j->sequence = 77;
    j->unknown_items = 2;
    j->unknown_user = true;
    ck_assert(encode_score(&message, j));
    Vql__V1__ScoreResponse *answer =
        vql__v1__score_response__unpack(NULL, message.count, message.bytes);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(answer->n_scores, 6);
    ck_assert_mem_eq(answer->scores, j->scores, 6 * sizeof(float));
    ck_assert_uint_eq(answer->n_tasks, 2);
    ck_assert_str_eq(answer->tasks[0], "click");
    ck_assert_str_eq(answer->tasks[1], "long_view");
    ck_assert_str_eq(answer->model, "kuairand");
    ck_assert_uint_eq(answer->sequence, 77);
    ck_assert_uint_eq(answer->unknown_items, 2);
    ck_assert(answer->unknown_user);
    vql__v1__score_response__free_unpacked(answer, NULL);
}
END_TEST

START_TEST(get_answer_is_newest_first)
{
    ck_assert(job_add_event(j, &(event){.item_id = 1, .time_ms = 10, .type = 2, .id = 5}));
    ck_assert(job_add_event(j, &(event){.item_id = 2, .time_ms = 20}));
    j->version = loaded;
    j->first_event_sequence = 41;
    j->sequence = 42;
    j->history =
        (history_info){.sequence = 42, .first_time_ms = 3, .last_time_ms = 20, .bytes = 99};
    j->cache_bytes = 1234;
    j->occupied[3] = 6;
    ck_assert(encode_get(&message, j));
    Vql__V1__GetResponse *answer =
        vql__v1__get_response__unpack(NULL, message.count, message.bytes);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(answer->sequence, 42);
    ck_assert_int_eq(answer->first_time_ms, 3);
    ck_assert_int_eq(answer->last_time_ms, 20);
    ck_assert_uint_eq(answer->cache_bytes, 1234);
    ck_assert_uint_eq(answer->event_bytes, 99);
    ck_assert_uint_eq(answer->n_occupied, 4);
    ck_assert_uint_eq(answer->occupied[3], 6);
    ck_assert_uint_eq(answer->n_codewords, 4);
    ck_assert_uint_eq(answer->codewords[0], 64);
    ck_assert_uint_eq(answer->n_events, 2);
    ck_assert_uint_eq(answer->events[0]->sequence, 42);
    ck_assert_uint_eq(answer->events[0]->event->item_id, 2);
    ck_assert_uint_eq(answer->events[1]->sequence, 41);
    ck_assert_uint_eq(answer->events[1]->event->item_id, 1);
    ck_assert_uint_eq(answer->events[1]->event->type, 2);
    ck_assert_int_eq(answer->events[1]->event->time_ms, 10);
    ck_assert_uint_eq(answer->events[1]->event->id, 5);
    vql__v1__get_response__free_unpacked(answer, NULL);
}
END_TEST

START_TEST(models_answer_describes_the_model)
{
    ck_assert(encode_models(&message, model_now));
    Vql__V1__ListModelsResponse *answer =
        vql__v1__list_models_response__unpack(NULL, message.count, message.bytes);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(answer->n_models, 1);
    const Vql__V1__Model *described = answer->models[0];
    ck_assert_str_eq(described->name, "kuairand");
    ck_assert(described->active);
    ck_assert_uint_eq(described->n_tasks, 2);
    ck_assert_uint_eq(described->n_event_types, 5);
    ck_assert_str_eq(described->event_types[4], "click");
    ck_assert_uint_eq(described->items, 7584);
    ck_assert_uint_gt(described->bytes, 0);
    vql__v1__list_models_response__free_unpacked(answer, NULL);
}
END_TEST

START_TEST(get_asks_for_no_more_than_the_limit)
{
    j->operation = OPERATION_GET;
    j->max_events = LIMIT_GET_EVENTS + 1;
    check_refused(validate(j, &limits, model_now, NOW_MS), GRPC_RESOURCE_EXHAUSTED,
                  "max_events: 50001; at most 50000");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("messages");
    TCase *test = tcase_create("messages");
    tcase_add_unchecked_fixture(test, load_kuairand, unload_model);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, score_request_arrives_whole);
    tcase_add_test(test, candidates_packed_and_not);
    tcase_add_test(test, every_truncation_is_no_message_or_a_shorter_one);
    tcase_add_loop_test(test, plain_requests_are_nanopb_s, 0, 12);
    tcase_add_test(test, wire_types_are_those_of_the_fields);
    tcase_add_test(test, fields_that_say_nothing_are_bounded);
    tcase_add_test(test, too_many_elements_are_not_stored);
    tcase_add_test(test, a_long_model_name_is_cut_and_not_found);
    tcase_add_test(test, score_requests_that_make_no_sense);
    tcase_add_test(test, events_that_make_no_sense);
    tcase_add_test(test, score_answer_leaves_whole);
    tcase_add_test(test, get_answer_is_newest_first);
    tcase_add_test(test, models_answer_describes_the_model);
    tcase_add_test(test, get_asks_for_no_more_than_the_limit);
    suite_add_tcase(suite, test);
    return check_main(suite);
}
