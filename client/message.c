#include "message.h"

#include <stdlib.h>

bool message_send(rpc *r, const ProtobufCMessage *message)
{
    const size_t count = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(count > 0 ? count : 1);
    if (bytes == NULL)
        return false;
    (void)protobuf_c_message_pack(message, bytes);
    const bool sent = rpc_send(r, bytes, count);
    free(bytes);
    return sent;
}

ProtobufCMessage *message_read(rpc *r, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                               size_t count)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, count, bytes);
    if (message == NULL)
        rpc_fail(r, VQLC_INTERNAL, "an answer of %zu bytes is not a %s", count, type->name);
    return message;
}
