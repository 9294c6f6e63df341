#include "encode.h"

#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>

#include "varint.h"
#include "vql/v1/history.pb.h"
#include "vql/v1/models.pb.h"
#include "vql/v1/scoring.pb.h"
#include "wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "scores are written as they lie in memory");

/* What the callbacks write from. */
typedef struct source {
    const job *job;
    const version *version;
} source;

void message_buffer_clear(message_buffer *out)
{
    free(out->bytes);
    *out = (message_buffer){0};
}

/* Room for `needed` bytes in all. */
static bool reserve(message_buffer *out, size_t needed)
{
    if (needed <= out->capacity)
        return true;
    uint8_t *bigger = out->lent ? NULL : realloc(out->bytes, needed);
    if (!bigger)
        return false;
    out->bytes = bigger;
    out->capacity = needed;
    return true;
}

uint8_t *message_buffer_extend(message_buffer *out, size_t count)
{
    if (count > SIZE_MAX - out->count || !reserve(out, out->count + count))
        return NULL;
    uint8_t *room = out->bytes + out->count;
    out->count += count;
    return room;
}

bool message_buffer_encode(message_buffer *out, const pb_msgdesc_t *type, const void *message)
{
    size_t needed;
    if (!pb_get_encoded_size(&needed, type, message) || !reserve(out, needed))
        return false;
    pb_ostream_t stream = pb_ostream_from_buffer(out->bytes, out->capacity);
    if (!pb_encode(&stream, type, message))
        return false;
    out->count = stream.bytes_written;
    return true;
}

static bool write_string(pb_ostream_t *stream, const pb_field_t *field, const char *string)
{
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, (const pb_byte_t *)string, strlen(string));
}

static bool write_model_name(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const source *from = *argument;
    return write_string(stream, field, from->version->name);
}

static bool write_tasks(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const vql_model *model = ((const source *)*argument)->version->model;
    for (uint32_t t = 0; t < vql_model_shape(model)->tasks; t++)
        if (!write_string(stream, field, vql_model_task(model, t)))
            return false;
    return true;
}

static bool write_event_types(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const vql_model *model = ((const source *)*argument)->version->model;
    for (uint32_t a = 0; a < vql_model_shape(model)->event_types; a++)
        if (!write_string(stream, field, vql_model_event_type(model, a)))
            return false;
    return true;
}

static bool write_occupied(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const source *from = *argument;
    for (uint32_t g = 0; g < vql_model_shape(from->version->model)->groups; g++)
        if (!pb_encode_tag(stream, PB_WT_VARINT, field->tag) ||
            !pb_encode_varint(stream, from->job->occupied[g]))
            return false;
    return true;
}

static bool write_codewords(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const vql_model *model = ((const source *)*argument)->version->model;
    for (uint32_t g = 0; g < vql_model_shape(model)->groups; g++)
        if (!pb_encode_tag(stream, PB_WT_VARINT, field->tag) ||
            !pb_encode_varint(stream, vql_model_codewords(model, g)))
            return false;
    return true;
}

/* The job's events, newest first. */
static bool write_events(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const job *j = ((const source *)*argument)->job;
    for (size_t i = j->event_count; i-- > 0;) {
        const event *e = &j->events[i];
        const vql_v1_StoredEvent stored = {
            .sequence = j->first_event_sequence + i,
            .has_event = true,
            .event = {.item_id = e->item_id, .type = e->type, .time_ms = e->time_ms, .id = e->id},
        };
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, vql_v1_StoredEvent_fields, &stored))
            return false;
    }
    return true;
}

static bool put_text(message_buffer *out, uint32_t number, const char *text)
{
    return wire_put_bytes(out, number, (wire_span){(const uint8_t *)text, strlen(text)});
}

static bool put_number(message_buffer *out, uint32_t number, uint64_t value)
{
    return value == 0 || wire_put_varint(out, number, value);
}

/* A tag, of fields below 16, and a number or a length behind it. */
enum { HEAD_BYTES = 1 + VARINT_BYTES };

size_t encode_score_most(const job *j)
{
    const uint32_t tasks = vql_model_shape(j->version->model)->tasks;
    size_t most = HEAD_BYTES + j->item_count * tasks * sizeof *j->scores;
    for (uint32_t t = 0; t < tasks; t++)
        most += HEAD_BYTES + strlen(vql_model_task(j->version->model, t));
    return most + HEAD_BYTES + strlen(j->version->name) + 3 * HEAD_BYTES;
}

/* Without nanopb's tables, which would cost more than a few scores do. */
bool encode_score(message_buffer *out, const job *j)
{
    const uint32_t tasks = vql_model_shape(j->version->model)->tasks;
    const wire_span scores = {(const uint8_t *)j->scores,
                              j->item_count * tasks * sizeof *j->scores};
    out->count = 0;
    bool put = wire_put_bytes(out, vql_v1_ScoreResponse_scores_tag, scores);
    for (uint32_t t = 0; put && t < tasks; t++)
        put = put_text(out, vql_v1_ScoreResponse_tasks_tag, vql_model_task(j->version->model, t));
    return put && put_text(out, vql_v1_ScoreResponse_model_tag, j->version->name) &&
           put_number(out, vql_v1_ScoreResponse_sequence_tag, j->sequence) &&
           put_number(out, vql_v1_ScoreResponse_unknown_items_tag, j->unknown_items) &&
           put_number(out, vql_v1_ScoreResponse_unknown_user_tag, j->unknown_user);
}

bool encode_append(message_buffer *out, const job *j)
{
    const vql_v1_AppendResponse answer = {
        .sequence = j->sequence,
        .appended = j->appended,
        .duplicates = j->duplicates,
        .durability = (vql_v1_Durability)j->durability,
    };
    return message_buffer_encode(out, vql_v1_AppendResponse_fields, &answer);
}

bool encode_get(message_buffer *out, const job *j)
{
    source from = {.job = j, .version = j->version};
    const vql_v1_GetResponse answer = {
        .sequence = j->sequence,
        .first_time_ms = j->history.first_time_ms,
        .last_time_ms = j->history.last_time_ms,
        .cache_bytes = j->cache_bytes,
        .event_bytes = j->history.bytes,
        .occupied = {.funcs.encode = write_occupied, .arg = &from},
        .codewords = {.funcs.encode = write_codewords, .arg = &from},
        .events = {.funcs.encode = write_events, .arg = &from},
        .model = {.funcs.encode = write_model_name, .arg = &from},
    };
    return message_buffer_encode(out, vql_v1_GetResponse_fields, &answer);
}

bool encode_delete(message_buffer *out, const job *j)
{
    const vql_v1_DeleteResponse answer = {.events = j->deleted};
    return message_buffer_encode(out, vql_v1_DeleteResponse_fields, &answer);
}

/* One version in a list. What changes while others look is read once: encoding takes two passes,
 * whose sizes must agree. */
typedef struct listing {
    source from;
    vql_v1_Model model;
} listing;

static listing list_version(const model_set *models, size_t i)
{
    version *v = models->entries[i].version;
    return (listing){
        .from = {.version = v},
        .model =
            {
                .active = i == models->active,
                .items = vql_model_shape(v->model)->items,
                .bytes = version_bytes(v),
                .weight = models->entries[i].weight,
                .ready = version_is_ready(v),
                .users = atomic_load(&v->progress->users),
                .users_done = atomic_load(&v->progress->users_done),
            },
    };
}

typedef struct listings {
    listing entries[LIMIT_MODELS]; /* [count] */
    size_t count;
} listings;

static bool write_models(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    listings *models = *argument;
    for (size_t i = 0; i < models->count; i++) {
        source *from = &models->entries[i].from;
        vql_v1_Model model = models->entries[i].model;
        model.name = (pb_callback_t){.funcs.encode = write_model_name, .arg = from};
        model.tasks = (pb_callback_t){.funcs.encode = write_tasks, .arg = from};
        model.event_types = (pb_callback_t){.funcs.encode = write_event_types, .arg = from};
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, vql_v1_Model_fields, &model))
            return false;
    }
    return true;
}

bool encode_models(message_buffer *out, const model_set *models)
{
    listings list = {.count = models->count};
    for (size_t i = 0; i < models->count; i++)
        list.entries[i] = list_version(models, i);
    const vql_v1_ListModelsResponse answer = {
        .models = {.funcs.encode = write_models, .arg = &list},
    };
    return message_buffer_encode(out, vql_v1_ListModelsResponse_fields, &answer);
}

static bool write_upserted(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const upsert_outcome *outcome = *argument;
    for (size_t i = 0; i < outcome->model_count; i++)
        if (!write_string(stream, field, outcome->models[i]))
            return false;
    return true;
}

bool encode_upserted(message_buffer *out, const job *j)
{
    upsert_outcome *outcome = &j->upsert->outcome;
    const vql_v1_UpsertItemsResponse answer = {
        .durability = (vql_v1_Durability)outcome->durability,
        .models = {.funcs.encode = write_upserted, .arg = outcome},
        .room = outcome->room,
        .sequence = outcome->sequence,
    };
    return message_buffer_encode(out, vql_v1_UpsertItemsResponse_fields, &answer);
}
