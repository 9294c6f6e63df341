#include "decode.h"

#include <pb_common.h>
#include <pb_decode.h>
#include <string.h>

#include "grpc/health/v1/health.pb.h"
#include "limit.h"
#include "utf8.h"
#include "varint.h"
#include "vql/v1/history.pb.h"
#include "vql/v1/models.pb.h"
#include "vql/v1/scoring.pb.h"

/* What a callback needs: the job that it fills, and the field's name and limit. */
typedef struct target {
    job *job;
    const char *field;
    uint32_t limit;
} target;

/* True when one more element fits; else the job's error is set. */
static bool below_limit(const target *t, size_t count, const char *option)
{
    if (count < t->limit)
        return true;
    grpc_fail_field(&t->job->error, GRPC_RESOURCE_EXHAUSTED, NULL,
                    "%s: more than %u (the server's %s)", t->field, t->limit, option);
    grpc_error_limit(&t->job->error, "TOO_MANY_ELEMENTS", option, t->limit);
    return false;
}

static bool out_of_memory(grpc_error *error)
{
    grpc_fail(error, GRPC_UNAVAILABLE, "the server is out of memory");
    error->reason = "NO_MEMORY";
    error->pushback_ms = LIMIT_PUSHBACK_MS;
    return false;
}

/* Adds the whole varints at the front of some bytes to the job's items. False: no memory. */
static bool add_items(const target *t, const uint8_t *bytes, size_t count, varint_run *run)
{
    job *j = t->job;
    const size_t room = t->limit - j->item_count < count ? t->limit - j->item_count : count;
    if (!job_reserve_items(j, j->item_count + room))
        return out_of_memory(&j->error);
    *run = varint_decode(bytes, count, j->item_ids + j->item_count, room);
    j->item_count += run->numbers;
    return true;
}

/* Reads one run of packed item ids, or a single unpacked one, a buffer at a time. */
static bool read_items(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    enum { BUFFER_BYTES = 1024 };
    const target *t = *argument;
    uint8_t buffer[BUFFER_BYTES];
    size_t held = 0;
    while (stream->bytes_left > 0) {
        const size_t free_bytes = BUFFER_BYTES - held;
        const size_t more = stream->bytes_left < free_bytes ? stream->bytes_left : free_bytes;
        varint_run run;
        if (!pb_read(stream, buffer + held, more) || !add_items(t, buffer, held + more, &run))
            return false;
        held += more - run.bytes;
        if (run.state == VARINT_LONG)
            PB_RETURN_ERROR(stream, "varint overflow");
        if (held >= VARINT_BYTES || (held > 0 && t->job->item_count == t->limit))
            return below_limit(t, t->job->item_count, "max-candidates");
        memmove(buffer, buffer + run.bytes, held);
    }
    if (held > 0)
        PB_RETURN_ERROR(stream, "end-of-stream");
    return true;
}

static bool read_event(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    const target *t = *argument;
    vql_v1_Event message = vql_v1_Event_init_zero;
    if (stream->bytes_left > LIMIT_EVENT_BYTES) {
        grpc_fail_field(&t->job->error, GRPC_INVALID_ARGUMENT, "EVENT_TOO_LARGE",
                        "events[%zu]: %zu bytes; at most %d", t->job->event_count,
                        stream->bytes_left, LIMIT_EVENT_BYTES);
        return false;
    }
    if (!pb_decode(stream, vql_v1_Event_fields, &message))
        return false;
    if (!below_limit(t, t->job->event_count, "max-events"))
        return false;
    const event e = {
        .item_id = message.item_id,
        .id = message.id,
        .time_ms = message.time_ms,
        .type = message.type,
    };
    return job_add_event(t->job, &e) || out_of_memory(&t->job->error);
}

/* A string that is copied into `capacity` bytes; a longer one is cut between characters. */
typedef struct text {
    const char *field;
    char *bytes;
    size_t capacity;
    bool whole; /* one that is longer is refused */
    grpc_error *error;
} text;

static text text_of(const char *field, char *bytes, size_t capacity, grpc_error *error)
{
    return (text){.field = field, .bytes = bytes, .capacity = capacity, .error = error};
}

/* Terminates the `kept` bytes that were read, if they are such a string. */
static bool check_text(const text *t, size_t kept, bool cut)
{
    const size_t whole = utf8_prefix((const uint8_t *)t->bytes, kept);
    if (cut ? whole + UTF8_LONGEST <= kept : whole < kept) {
        grpc_fail_field(t->error, GRPC_INVALID_ARGUMENT, "NOT_UTF8", "%s: not UTF-8 at byte %zu",
                        t->field, whole);
        return false;
    }
    t->bytes[whole] = '\0';
    if (strlen(t->bytes) < whole) {
        grpc_fail_field(t->error, GRPC_INVALID_ARGUMENT, "NOT_TEXT", "%s: a NUL at byte %zu",
                        t->field, strlen(t->bytes));
        return false;
    }
    return true;
}

static bool read_text(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    const text *t = *argument;
    const bool cut = stream->bytes_left >= t->capacity;
    if (cut && t->whole) {
        grpc_fail_field(t->error, GRPC_INVALID_ARGUMENT, "TOO_LONG", "%s: %zu bytes; at most %zu",
                        t->field, stream->bytes_left, t->capacity - 1);
        return false;
    }
    const size_t kept = cut ? t->capacity - 1 : stream->bytes_left;
    return pb_read(stream, (pb_byte_t *)t->bytes, kept) && check_text(t, kept, cut) &&
           pb_read(stream, NULL, stream->bytes_left);
}

/* Whether a field may come with a wire type; numbers that a callback reads may be packed or not. */
static bool fits(const pb_field_iter_t *field, pb_wire_type_t wire)
{
    if (PB_ATYPE(field->type) != PB_ATYPE_CALLBACK || wire == PB_WT_STRING)
        return true;
    if (PB_LTYPE(field->type) == PB_LTYPE_FIXED32)
        return wire == PB_WT_32BIT;
    return wire == PB_WT_VARINT && PB_LTYPE(field->type) <= PB_LTYPE_LAST_PACKABLE;
}

/*
 * nanopb hands a field's bytes to its callback whatever their wire type is, and takes its time for
 * each field of a message, however many there are and whatever they are. This looks at both first;
 * what else is wrong with the message is left to the decoding, and so are elements beyond
 * `elements`, at which it ends.
 */
static bool check_fields(pb_istream_t stream, const pb_msgdesc_t *type, const void *message,
                         size_t elements, const char *name, grpc_error *error)
{
    pb_wire_type_t wire;
    uint32_t tag;
    bool end;
    size_t repeated = 0;
    size_t others = 0;
    while (pb_decode_tag(&stream, &wire, &tag, &end) && tag != 0) {
        pb_field_iter_t field;
        const bool known =
            pb_field_iter_begin_const(&field, type, message) && pb_field_iter_find(&field, tag);
        if (known && !fits(&field, wire)) {
            grpc_fail(error, GRPC_INVALID_ARGUMENT, "%s: field %u has the wire type %d", name, tag,
                      (int)wire);
            error->reason = "WRONG_WIRE_TYPE";
            return false;
        }
        const bool element = known && PB_HTYPE(field.type) == PB_HTYPE_REPEATED;
        if (element && ++repeated > elements)
            break;
        if (!element && ++others > LIMIT_OTHER_FIELDS) {
            grpc_fail(error, GRPC_INVALID_ARGUMENT, "%s: more than %d fields that are no elements",
                      name, LIMIT_OTHER_FIELDS);
            error->reason = "TOO_MANY_FIELDS";
            return false;
        }
        if (!pb_skip_field(&stream, wire))
            break;
    }
    return true;
}

/*
 * Decodes a message of no more than `elements` elements in its repeated fields. On failure the
 * error says what a callback said, or else that the message is malformed.
 */
static bool decode(const uint8_t *message, size_t bytes, const pb_msgdesc_t *type, void *out,
                   size_t elements, const char *name, grpc_error *error)
{
    pb_istream_t stream = pb_istream_from_buffer(message, bytes);
    if (!check_fields(stream, type, out, elements, name, error))
        return false;
    if (pb_decode(&stream, type, out))
        return true;
    if (error->status == GRPC_OK) {
        grpc_fail(error, GRPC_INVALID_ARGUMENT, "%s: %zu bytes that are no such message: %s", name,
                  bytes, PB_GET_ERROR(&stream));
        error->reason = "MALFORMED_MESSAGE";
    }
    return false;
}

/* Takes a run of packed item ids off the message. */
static bool take_items(varint_reader *in, uint32_t limit, job *j)
{
    uint64_t count;
    if (!varint_take(in, &count) || count > in->count)
        return false;
    const size_t left = limit - j->item_count;
    const size_t room = left < count ? left : (size_t)count;
    if (!job_reserve_items(j, j->item_count + room))
        return false;
    const varint_run run =
        varint_decode(in->bytes, (size_t)count, j->item_ids + j->item_count, room);
    j->item_count += run.numbers;
    in->bytes += run.bytes;
    in->count -= run.bytes;
    return run.bytes == count;
}

/*
 * Decodes a request of a user, items and numbers alone, with tags as encoders write them: most are
 * no more, and nanopb's tables cost as much as the rest of their way. False: it has something else,
 * or something is wrong with it, which nanopb then tells from the beginning.
 */
static bool decode_plain_score(const uint8_t *message, size_t bytes, uint32_t limit, job *j)
{
    enum { USER_ID = 1 << 3, ITEM_IDS = 2 << 3 | 2, TIME_MS = 3 << 3, MIN_SEQUENCE = 5 << 3 };
    varint_reader in = {message, bytes};
    uint64_t time_ms = 0;
    bool taken = true;
    while (taken && in.count > 0) {
        in.count--;
        switch (*in.bytes++) {
        case USER_ID:
            taken = varint_take(&in, &j->user_id);
            break;
        case ITEM_IDS:
            taken = take_items(&in, limit, j);
            break;
        case TIME_MS:
            taken = varint_take(&in, &time_ms);
            break;
        case MIN_SEQUENCE:
            taken = varint_take(&in, &j->min_sequence);
            break;
        default:
            taken = false;
        }
    }
    j->time_ms = (int64_t)time_ms;
    return taken;
}

static bool decode_any_score(const uint8_t *message, size_t bytes, const request_limits *limits,
                             job *j)
{
    target items = {.job = j, .field = "item_ids", .limit = limits->max_candidates};
    target events = {.job = j, .field = "events", .limit = limits->max_events};
    text model = text_of("model", j->model, sizeof j->model, &j->error);
    vql_v1_ScoreRequest request = {
        .item_ids = {.funcs.decode = read_items, .arg = &items},
        .model = {.funcs.decode = read_text, .arg = &model},
        .events = {.funcs.decode = read_event, .arg = &events},
    };
    const size_t elements = (size_t)limits->max_candidates + limits->max_events;
    if (!decode(message, bytes, vql_v1_ScoreRequest_fields, &request, elements, "ScoreRequest",
                &j->error))
        return false;
    j->user_id = request.user_id;
    j->time_ms = request.time_ms;
    j->min_sequence = request.min_sequence;
    return true;
}

bool decode_score(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    j->operation = OPERATION_SCORE;
    if (decode_plain_score(message, bytes, limits->max_candidates, j))
        return true;
    j->item_count = 0;
    return decode_any_score(message, bytes, limits, j);
}

bool decode_append(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    target events = {.job = j, .field = "events", .limit = limits->max_events};
    vql_v1_AppendRequest request = {.events = {.funcs.decode = read_event, .arg = &events}};
    if (!decode(message, bytes, vql_v1_AppendRequest_fields, &request, limits->max_events,
                "AppendRequest", &j->error))
        return false;
    j->operation = OPERATION_APPEND;
    j->user_id = request.user_id;
    return true;
}

bool decode_get(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    (void)limits;
    vql_v1_GetRequest request = vql_v1_GetRequest_init_zero;
    if (!decode(message, bytes, vql_v1_GetRequest_fields, &request, 0, "GetRequest", &j->error))
        return false;
    j->operation = OPERATION_GET;
    j->user_id = request.user_id;
    j->max_events = request.max_events;
    j->before_sequence = request.before_sequence;
    return true;
}

bool decode_delete(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    (void)limits;
    vql_v1_DeleteRequest request = vql_v1_DeleteRequest_init_zero;
    if (!decode(message, bytes, vql_v1_DeleteRequest_fields, &request, 0, "DeleteRequest",
                &j->error))
        return false;
    j->operation = OPERATION_DELETE;
    j->user_id = request.user_id;
    return true;
}

/* ---- items ---- */

/* What a callback of an upsert fills. */
typedef struct upsert_target {
    upsert *upsert;
    grpc_error *error;
    uint32_t limit; /* of items */
} upsert_target;

/* Adds an element to an array of the upsert's. */
static bool push(const upsert_target *t, upsert_array *array, const void *element, size_t bytes)
{
    return upsert_push(array, element, bytes) || out_of_memory(t->error);
}

static bool read_numbers(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    const upsert_target *t = *argument;
    while (stream->bytes_left > 0) {
        float number;
        if (!pb_decode_fixed32(stream, &number) ||
            !push(t, &t->upsert->numbers, &number, sizeof number))
            return false;
    }
    return true;
}

static bool read_values(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    const upsert_target *t = *argument;
    while (stream->bytes_left > 0) {
        uint64_t number;
        if (!pb_decode_varint(stream, &number))
            return false;
        if (number > UINT32_MAX)
            PB_RETURN_ERROR(stream, "integer too large");
        const uint32_t value = (uint32_t)number;
        if (!push(t, &t->upsert->values, &value, sizeof value))
            return false;
    }
    return true;
}

/* Decodes a message within the request; its elements are as many as fit. */
static bool decode_within(pb_istream_t *stream, const pb_msgdesc_t *type, void *message,
                          const char *name, grpc_error *error)
{
    return check_fields(*stream, type, message, SIZE_MAX, name, error) &&
           pb_decode(stream, type, message);
}

static bool read_item_field(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    upsert_target *t = *argument;
    const size_t values = t->upsert->values.count;
    char bytes[VQL_MAX_NAME_BYTES + 1] = "";
    text name = {
        .field = "items.fields.name", .bytes = bytes, .capacity = sizeof bytes, .error = t->error};
    vql_v1_ItemField message = {
        .name = {.funcs.decode = read_text, .arg = &name},
        .values = {.funcs.decode = read_values, .arg = t},
    };
    if (!decode_within(stream, vql_v1_ItemField_fields, &message, "ItemField", t->error))
        return false;
    for (const char *at = bytes;; at++) {
        if (!push(t, &t->upsert->names, at, 1))
            return false;
        if (*at == '\0')
            break;
    }
    const vql_item_field made = {.count = t->upsert->values.count - values};
    return push(t, &t->upsert->fields, &made, sizeof made);
}

static bool read_item(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    upsert_target *t = *argument;
    const size_t numbers = t->upsert->numbers.count;
    const size_t fields = t->upsert->fields.count;
    vql_v1_Item message = {
        .embedding = {.funcs.decode = read_numbers, .arg = t},
        .fields = {.funcs.decode = read_item_field, .arg = t},
    };
    if (t->upsert->items.count == t->limit) {
        grpc_fail_field(t->error, GRPC_RESOURCE_EXHAUSTED, NULL,
                        "items: more than %u (the server's max-new-items)", t->limit);
        grpc_error_limit(t->error, "TOO_MANY_ELEMENTS", "max-new-items", t->limit);
        return false;
    }
    if (!decode_within(stream, vql_v1_Item_fields, &message, "Item", t->error))
        return false;
    const vql_item made = {
        .id = message.id,
        .embedding_width = t->upsert->numbers.count - numbers,
        .field_count = t->upsert->fields.count - fields,
    };
    return push(t, &t->upsert->items, &made, sizeof made);
}

bool decode_upsert_later(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    (void)limits;
    j->operation = OPERATION_UPSERT;
    return job_set_upsert(j, message, bytes) || out_of_memory(&j->error);
}

bool decode_upsert(const uint8_t *message, size_t bytes, uint32_t max_items, upsert *out,
                   grpc_error *error)
{
    *out = (upsert){0};
    *error = (grpc_error){.pushback_ms = -1};
    upsert_target items = {.upsert = out, .error = error, .limit = max_items};
    text model = {
        .field = "model", .bytes = out->model, .capacity = sizeof out->model, .error = error};
    vql_v1_UpsertItemsRequest request = {
        .model = {.funcs.decode = read_text, .arg = &model},
        .items = {.funcs.decode = read_item, .arg = &items},
    };
    if (!decode(message, bytes, vql_v1_UpsertItemsRequest_fields, &request, max_items,
                "UpsertItemsRequest", error)) {
        upsert_clear(out);
        return false;
    }
    upsert_link(out);
    return true;
}

bool decode_load(const uint8_t *message, size_t bytes, const request_limits *limits, job *j)
{
    (void)limits;
    text name = text_of("name", j->model, sizeof j->model, &j->error);
    name.whole = true;
    vql_v1_LoadModelRequest request = {.name = {.funcs.decode = read_text, .arg = &name}};
    j->operation = OPERATION_LOAD;
    return decode(message, bytes, vql_v1_LoadModelRequest_fields, &request, 0, "LoadModelRequest",
                  &j->error);
}

bool decode_unload(const uint8_t *message, size_t bytes, char name[VQL_MAX_NAME_BYTES + 1],
                   grpc_error *error)
{
    text into = text_of("name", name, VQL_MAX_NAME_BYTES + 1, error);
    into.whole = true;
    vql_v1_UnloadModelRequest request = {.name = {.funcs.decode = read_text, .arg = &into}};
    name[0] = '\0';
    *error = (grpc_error){0};
    return decode(message, bytes, vql_v1_UnloadModelRequest_fields, &request, 0,
                  "UnloadModelRequest", error);
}

/* Where shares go. */
typedef struct share_target {
    model_activation *out;
    grpc_error *error;
} share_target;

static bool read_share(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    (void)field;
    const share_target *t = *argument;
    if (t->out->share_count == LIMIT_MODELS) {
        grpc_fail_field(t->error, GRPC_RESOURCE_EXHAUSTED, "TOO_MANY_ELEMENTS",
                        "shares: more than %d", LIMIT_MODELS);
        return false;
    }
    model_share *share = &t->out->shares[t->out->share_count++];
    text name = text_of("shares.name", share->name, sizeof share->name, t->error);
    name.whole = true;
    vql_v1_ModelShare message = {.name = {.funcs.decode = read_text, .arg = &name}};
    share->name[0] = '\0';
    if (!pb_decode(stream, vql_v1_ModelShare_fields, &message))
        return false;
    share->weight = message.weight;
    return true;
}

bool decode_activate(const uint8_t *message, size_t bytes, model_activation *out, grpc_error *error)
{
    share_target shares = {.out = out, .error = error};
    text name = text_of("name", out->name, sizeof out->name, error);
    name.whole = true;
    vql_v1_ActivateModelRequest request = {
        .name = {.funcs.decode = read_text, .arg = &name},
        .shares = {.funcs.decode = read_share, .arg = &shares},
    };
    *out = (model_activation){0};
    *error = (grpc_error){0};
    if (!decode(message, bytes, vql_v1_ActivateModelRequest_fields, &request, LIMIT_MODELS,
                "ActivateModelRequest", error))
        return false;
    out->force = request.force;
    return true;
}

bool decode_health(const uint8_t *message, size_t bytes, char service[HEALTH_SERVICE_BYTES],
                   grpc_error *error)
{
    text name = text_of("service", service, HEALTH_SERVICE_BYTES, error);
    service[0] = '\0';
    grpc_health_v1_HealthCheckRequest request = {
        .service = {.funcs.decode = read_text, .arg = &name},
    };
    *error = (grpc_error){0};
    return decode(message, bytes, grpc_health_v1_HealthCheckRequest_fields, &request, 0,
                  "HealthCheckRequest", error);
}

bool decode_user(const uint8_t *message, size_t bytes, uint64_t *user_id)
{
    enum { USER_TAG = 1 << 3 }; /* field 1, a varint, in all requests of users */
    if (bytes < 2 || message[0] != USER_TAG)
        return false;
    return varint_take(&(varint_reader){message + 1, bytes - 1}, user_id);
}

/*
 * Each candidate is a varint, and each varint ends with a byte below 128. They are counted a block
 * at a time, so that a byte is wide enough for the count.
 */
size_t decode_most_candidates(const uint8_t *message, size_t bytes)
{
    enum { BLOCK = 128 };
    size_t ends = 0;
    while (bytes > 0) {
        const size_t count = bytes < BLOCK ? bytes : BLOCK;
        uint8_t part = 0;
        for (size_t i = 0; i < count; i++)
            part = (uint8_t)(part + (message[i] < 0x80));
        ends += part;
        message += count;
        bytes -= count;
    }
    return ends;
}
