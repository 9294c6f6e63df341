#include "status_details.h"

#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "google/rpc/status.pb.h"
#include "utf8.h"

enum {
    DETAILS_BYTES = (STATUS_DETAILS_BYTES - 1) * 3 / 4, /* of the Status */
    DETAIL_BYTES = 512,                                 /* of each message within */
    NUMBER_BYTES = 24,                                  /* a 64-bit number in decimals */
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
};

/* A string, or the bytes of a message, for a callback to write. */
typedef struct text {
    const char *bytes;
    size_t count;
} text;

static text text_of(const char *string)
{
    return (text){string, strlen(string)};
}

static bool write_text(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const text *t = *argument;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, (const pb_byte_t *)t->bytes, t->count);
}

static pb_callback_t writes(text *t)
{
    return (pb_callback_t){.funcs.encode = write_text, .arg = t};
}

/* One detail, as google.protobuf.Any. */
static bool write_any(pb_ostream_t *stream, const pb_field_t *field, const char *type_url,
                      const pb_msgdesc_t *type, const void *message)
{
    pb_byte_t bytes[DETAIL_BYTES];
    pb_ostream_t inner = pb_ostream_from_buffer(bytes, sizeof bytes);
    if (!pb_encode(&inner, type, message))
        return false;
    text url = text_of(type_url);
    text value = {(const char *)bytes, inner.bytes_written};
    const google_rpc_Any any = {.type_url = writes(&url), .value = writes(&value)};
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_submessage(stream, google_rpc_Any_fields, &any);
}

/* How many bytes of a message are its field's path: up to the first ": ". */
static size_t path_length(const char *message)
{
    const char *end = strstr(message, ": ");
    return end ? (size_t)(end - message) : 0;
}

static bool write_bad_request(pb_ostream_t *stream, const pb_field_t *field,
                              const grpc_error *error)
{
    const size_t length = path_length(error->message);
    text path = {error->message, length};
    text description = text_of(length > 0 ? error->message + length + 2 : error->message);
    const google_rpc_BadRequest detail = {
        .field_violations_count = 1,
        .field_violations = {{.field = writes(&path), .description = writes(&description)}},
    };
    return write_any(stream, field, "type.googleapis.com/google.rpc.BadRequest",
                     google_rpc_BadRequest_fields, &detail);
}

static bool write_retry_info(pb_ostream_t *stream, const pb_field_t *field, const grpc_error *error)
{
    const google_rpc_RetryInfo detail = {
        .has_retry_delay = true,
        .retry_delay = {.seconds = error->pushback_ms / MS_PER_S,
                        .nanos = (int32_t)(error->pushback_ms % MS_PER_S) * NS_PER_MS},
    };
    return write_any(stream, field, "type.googleapis.com/google.rpc.RetryInfo",
                     google_rpc_RetryInfo_fields, &detail);
}

static bool write_error_info(pb_ostream_t *stream, const pb_field_t *field, const grpc_error *error)
{
    text reason = text_of(error->reason ? error->reason : grpc_status_name(error->status));
    text domain = text_of(STATUS_DETAILS_DOMAIN);
    char number[NUMBER_BYTES];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)error->limit);
    text option_key = text_of("option");
    text option = text_of(error->limit_name ? error->limit_name : "");
    text limit_key = text_of("limit");
    text limit = text_of(number);
    const google_rpc_ErrorInfo detail = {
        .reason = writes(&reason),
        .domain = writes(&domain),
        .metadata_count = error->limit_name ? 2 : 0,
        .metadata = {{.key = writes(&option_key), .value = writes(&option)},
                     {.key = writes(&limit_key), .value = writes(&limit)}},
    };
    return write_any(stream, field, "type.googleapis.com/google.rpc.ErrorInfo",
                     google_rpc_ErrorInfo_fields, &detail);
}

/* Limits that a field is above are no violations: RESOURCE_EXHAUSTED may pass elsewhere. */
static bool is_bad_field(const grpc_error *error)
{
    return error->field && error->status == GRPC_INVALID_ARGUMENT;
}

static bool write_details(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const grpc_error *error = *argument;
    return write_error_info(stream, field, error) &&
           (!is_bad_field(error) || write_bad_request(stream, field, error)) &&
           (error->pushback_ms < 0 || write_retry_info(stream, field, error));
}

/* The message without what cannot stand in a protobuf string: the end of it, in most cases. */
static text valid_message(const grpc_error *error)
{
    const size_t length = strlen(error->message);
    return (text){error->message, utf8_prefix((const uint8_t *)error->message, length)};
}

bool status_details_write(const grpc_error *error, char *out)
{
    if (error->status == GRPC_OK)
        return false;
    text message = valid_message(error);
    grpc_error valid = *error;
    valid.message[message.count] = '\0';
    const google_rpc_Status status = {
        .code = (int32_t)error->status,
        .message = writes(&message),
        .details = {.funcs.encode = write_details, .arg = &valid},
    };
    pb_byte_t bytes[DETAILS_BYTES];
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    if (!pb_encode(&stream, google_rpc_Status_fields, &status))
        return false;
    base64_encode(bytes, stream.bytes_written, out);
    return true;
}
