/*
 * Every message of the contract, read by nanopb as the server does and by protobuf-c as the client
 * does, which share nothing: of bytes that are plain, both must take the same, and find the same in
 * them. The first byte says which message. Answers go the other way: what the server encodes the
 * client must read.
 *
 * The server is stricter where it says so: text must be UTF-8 without a NUL, a uint32 must fit its
 * 32 bits, counts have limits.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "decode.h"
#include "encode.h"
#include "grpc/health/v1/health.pb-c.h"
#include "plain_wire.h"
#include "target.h"
#include "validate.h"
#include "vql/v1/history.pb-c.h"
#include "vql/v1/models.pb-c.h"
#include "vql/v1/scoring.pb-c.h"

/* Whether a refusal is one that only the server makes. */
static bool is_stricter(const grpc_error *error)
{
    return error->status == GRPC_RESOURCE_EXHAUSTED || strstr(error->message, "not UTF-8") ||
           strstr(error->message, "a NUL") || strstr(error->message, "integer too large");
}

static _Noreturn void disagree(const char *error)
{
    (void)fprintf(stderr, "nanopb alone refuses: %s\n", error);
    abort();
}

static bool same_events(const job *j, Vql__V1__Event *const *events, size_t count)
{
    if (j->event_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (j->events[i].item_id != events[i]->item_id || j->events[i].type != events[i]->type ||
            j->events[i].time_ms != events[i]->time_ms || j->events[i].id != events[i]->id)
            return false;
    return true;
}

/* A name longer than any model's is cut. */
static bool same_model(const job *j, const char *model)
{
    const size_t length = strlen(model);
    return length < sizeof j->model ? strcmp(j->model, model) == 0
                                    : strncmp(j->model, model, strlen(j->model)) == 0;
}

static bool same_score(const job *j, const ProtobufCMessage *message)
{
    const Vql__V1__ScoreRequest *m = (const void *)message;
    return j->operation == OPERATION_SCORE && j->user_id == m->user_id &&
           j->time_ms == m->time_ms && j->min_sequence == m->min_sequence &&
           j->item_count == m->n_item_ids &&
           (j->item_count == 0 ||
            memcmp(j->item_ids, m->item_ids, j->item_count * sizeof *j->item_ids) == 0) &&
           same_model(j, m->model) && same_events(j, m->events, m->n_events);
}

static bool same_append(const job *j, const ProtobufCMessage *message)
{
    const Vql__V1__AppendRequest *m = (const void *)message;
    return j->operation == OPERATION_APPEND && j->user_id == m->user_id &&
           same_events(j, m->events, m->n_events);
}

static bool same_get(const job *j, const ProtobufCMessage *message)
{
    const Vql__V1__GetRequest *m = (const void *)message;
    return j->operation == OPERATION_GET && j->user_id == m->user_id &&
           j->max_events == m->max_events && j->before_sequence == m->before_sequence;
}

static bool same_delete(const job *j, const ProtobufCMessage *message)
{
    const Vql__V1__DeleteRequest *m = (const void *)message;
    return j->operation == OPERATION_DELETE && j->user_id == m->user_id;
}

static const struct {
    const ProtobufCMessageDescriptor *type;
    bool (*decode)(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
    bool (*same)(const job *j, const ProtobufCMessage *message);
    uint64_t events, items; /* the fields that hold messages, and packed numbers */
} requests[] = {
    {&vql__v1__score_request__descriptor, decode_score, same_score, 6, 2},
    {&vql__v1__append_request__descriptor, decode_append, same_append, 2, 0},
    {&vql__v1__get_request__descriptor, decode_get, same_get, 0, 0},
    {&vql__v1__delete_request__descriptor, decode_delete, same_delete, 0, 0},
};

enum {
    REQUESTS = sizeof requests / sizeof *requests,
    UPSERT = 0x80, /* the first byte of an UpsertItemsRequest */
};

static void check_request(unsigned which, const uint8_t *bytes, size_t count)
{
    job_pool pool = {0};
    job *j = job_take(&pool, true);
    assert(j);
    const bool decoded = requests[which].decode(bytes, count, &backend_limits, j);
    const grpc_status status = j->error.status;
    const bool plain = is_plain_wire(bytes, count, requests[which].events, requests[which].items);
    ProtobufCMessage *m = protobuf_c_message_unpack(requests[which].type, NULL, count, bytes);
    if (decoded) {
        assert(status == GRPC_OK);
        assert(!plain || (m && requests[which].same(j, m)));
        (void)validate(j, &backend_limits, backend_models(), BACKEND_WALL_MS);
    } else {
        assert(status == GRPC_INVALID_ARGUMENT || status == GRPC_RESOURCE_EXHAUSTED);
        if (plain && m && !is_stricter(&j->error))
            disagree(j->error.message);
    }
    if (m)
        protobuf_c_message_free_unpacked(m, NULL);
    job_give(&pool, j);
    job_pool_clear(&pool);
}

static void check_health(const uint8_t *bytes, size_t count)
{
    char name[HEALTH_SERVICE_BYTES];
    grpc_error error;
    const bool decoded = decode_health(bytes, count, name, &error);
    Grpc__Health__V1__HealthCheckRequest *m =
        grpc__health__v1__health_check_request__unpack(NULL, count, bytes);
    if (is_plain_wire(bytes, count, 0, 0)) {
        assert(decoded ? m && strncmp(name, m->service, strlen(name)) == 0
                       : !m || is_stricter(&error));
    }
    if (m)
        grpc__health__v1__health_check_request__free_unpacked(m, NULL);
}

/* What the server encodes from a job, the client must read as it was. */
static void check_append_answer(const Vql__V1__AppendResponse *m)
{
    const job j = {
        .sequence = m->sequence,
        .appended = m->appended,
        .duplicates = m->duplicates,
        .durability = (durability)m->durability,
    };
    message_buffer out = {0};
    const bool encoded = encode_append(&out, &j);
    assert(encoded);
    Vql__V1__AppendResponse *back = vql__v1__append_response__unpack(NULL, out.count, out.bytes);
    assert(back && back->sequence == m->sequence && back->appended == m->appended);
    assert(back->duplicates == m->duplicates && back->durability == m->durability);
    vql__v1__append_response__free_unpacked(back, NULL);
    message_buffer_clear(&out);
}

static void check_get_answer(const Vql__V1__GetResponse *m)
{
    job_pool pool = {0};
    job *j = job_take(&pool, true);
    assert(j);
    j->version = model_set_active(backend_models());
    j->sequence = m->sequence;
    j->history = (history_info){.first_time_ms = m->first_time_ms,
                                .last_time_ms = m->last_time_ms,
                                .bytes = m->event_bytes};
    j->cache_bytes = m->cache_bytes;
    for (size_t i = 0; i < m->n_events; i++) {
        const Vql__V1__Event *e = m->events[i]->event;
        const bool added = !e || job_add_event(j, &(event){.item_id = e->item_id,
                                                           .id = e->id,
                                                           .time_ms = e->time_ms,
                                                           .type = e->type});
        assert(added);
    }
    message_buffer out = {0};
    const bool encoded = encode_get(&out, j);
    assert(encoded);
    Vql__V1__GetResponse *back = vql__v1__get_response__unpack(NULL, out.count, out.bytes);
    assert(back && back->sequence == m->sequence && back->n_events == j->event_count);
    assert(back->first_time_ms == m->first_time_ms && back->last_time_ms == m->last_time_ms);
    assert(back->cache_bytes == m->cache_bytes && back->event_bytes == m->event_bytes);
    for (size_t i = 0; i < back->n_events; i++) {
        const event *e = &j->events[back->n_events - 1 - i];
        const Vql__V1__Event *got = back->events[i]->event;
        assert(got->item_id == e->item_id && got->id == e->id);
        assert(got->time_ms == e->time_ms && got->type == e->type);
    }
    vql__v1__get_response__free_unpacked(back, NULL);
    message_buffer_clear(&out);
    job_give(&pool, j);
    job_pool_clear(&pool);
}

static void check_delete_answer(const Vql__V1__DeleteResponse *m)
{
    const job j = {.deleted = m->events};
    message_buffer out = {0};
    const bool encoded = encode_delete(&out, &j);
    assert(encoded);
    Vql__V1__DeleteResponse *back = vql__v1__delete_response__unpack(NULL, out.count, out.bytes);
    assert(back && back->events == m->events);
    vql__v1__delete_response__free_unpacked(back, NULL);
    message_buffer_clear(&out);
}

/* A score for as many items as there are numbers for. */
static void check_score_answer(const Vql__V1__ScoreResponse *m)
{
    version *scored = model_set_active(backend_models());
    const size_t tasks = vql_model_shape(scored->model)->tasks;
    const job j = {
        .version = scored,
        .item_count = m->n_scores / tasks,
        .scores = m->scores,
        .sequence = m->sequence,
        .unknown_items = m->unknown_items,
        .unknown_user = m->unknown_user != 0,
    };
    message_buffer out = {0};
    const bool encoded = encode_score(&out, &j);
    assert(encoded);
    Vql__V1__ScoreResponse *back = vql__v1__score_response__unpack(NULL, out.count, out.bytes);
    assert(back && back->n_scores == j.item_count * tasks && back->n_tasks == tasks);
    assert(back->n_scores == 0 ||
           memcmp(back->scores, m->scores, back->n_scores * sizeof *back->scores) == 0);
    assert(back->sequence == m->sequence && back->unknown_items == m->unknown_items);
    assert(back->unknown_user == j.unknown_user);
    assert(strcmp(back->model, scored->name) == 0);
    vql__v1__score_response__free_unpacked(back, NULL);
    message_buffer_clear(&out);
}

static void check_answer(unsigned which, const uint8_t *bytes, size_t count)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &vql__v1__score_response__descriptor,
        &vql__v1__append_response__descriptor,
        &vql__v1__get_response__descriptor,
        &vql__v1__delete_response__descriptor,
        &vql__v1__list_models_response__descriptor,
        &grpc__health__v1__health_check_response__descriptor};
    if (which >= sizeof types / sizeof *types)
        return;
    ProtobufCMessage *m = protobuf_c_message_unpack(types[which], NULL, count, bytes);
    if (!m)
        return;
    if (which == 0)
        check_score_answer((const void *)m);
    else if (which == 1)
        check_append_answer((const void *)m);
    else if (which == 2)
        check_get_answer((const void *)m);
    else if (which == 3)
        check_delete_answer((const void *)m);
    protobuf_c_message_free_unpacked(m, NULL);
}

/* Whether nanopb's upsert is what protobuf-c has found. */
static bool same_upsert(const upsert *u, const Vql__V1__UpsertItemsRequest *m)
{
    const vql_item *items = upsert_items(u);
    if (u->items.count != m->n_items || strncmp(u->model, m->model, strlen(u->model)) != 0)
        return false;
    for (size_t i = 0; i < m->n_items; i++) {
        const Vql__V1__Item *item = m->items[i];
        if (items[i].id != item->id || items[i].embedding_width != item->n_embedding ||
            items[i].field_count != item->n_fields ||
            (item->n_embedding > 0 && memcmp(items[i].embedding, item->embedding,
                                             item->n_embedding * sizeof *item->embedding) != 0))
            return false;
        for (size_t f = 0; f < item->n_fields; f++) {
            const vql_item_field *field = &items[i].fields[f];
            if (strncmp(field->name, item->fields[f]->name, strlen(field->name)) != 0 ||
                field->count != item->fields[f]->n_values ||
                (field->count > 0 && memcmp(field->values, item->fields[f]->values,
                                            field->count * sizeof *field->values) != 0))
                return false;
        }
    }
    return true;
}

/* Any bytes are refused or an upsert. What protobuf-c reads it packs again, plainly. */
static void check_upsert(const uint8_t *bytes, size_t count)
{
    upsert u;
    grpc_error error;
    if (!decode_upsert(bytes, count, BACKEND_MAX_ITEMS, &u, &error))
        assert(error.status == GRPC_INVALID_ARGUMENT || error.status == GRPC_RESOURCE_EXHAUSTED);
    upsert_clear(&u);
    Vql__V1__UpsertItemsRequest *m = vql__v1__upsert_items_request__unpack(NULL, count, bytes);
    if (!m)
        return;
    const size_t size = vql__v1__upsert_items_request__get_packed_size(m);
    uint8_t *packed = malloc(size + 1);
    assert(packed);
    (void)vql__v1__upsert_items_request__pack(m, packed);
    if (decode_upsert(packed, size, BACKEND_MAX_ITEMS, &u, &error))
        assert(same_upsert(&u, m));
    else if (!is_stricter(&error))
        disagree(error.message);
    upsert_clear(&u);
    free(packed);
    vql__v1__upsert_items_request__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    const unsigned which = bytes[0];
    if (which < REQUESTS)
        check_request(which, bytes + 1, count - 1);
    else if (which == REQUESTS)
        check_health(bytes + 1, count - 1);
    else if (which == UPSERT)
        check_upsert(bytes + 1, count - 1);
    else
        check_answer(which - REQUESTS - 1, bytes + 1, count - 1);
    return 0;
}
